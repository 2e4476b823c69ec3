"""The conformance checks: this hub passes them, and a hub that breaks the protocol fails."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.support.shop import Shop
from uriba.till.conformance import probe, runner
from uriba.till.conformance.probe import Probe
from uriba.till.hub_client import HubClient

if TYPE_CHECKING:
    from tests.support.hub import RunningHub

Body = dict[str, Any]


async def test_this_hub_passes_all_checks(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await shop.receive(TEA_S1=30)
    terminal = await shop.terminal("S1")
    assert terminal.key is not None

    status = await asyncio.to_thread(
        runner.conform,
        shop.hub.url,
        terminal.key,
        staff_key=shop.keys["staff"],
        location=None,
        sku=shop.sku("TEA"),
        only=[],
    )

    output = capsys.readouterr().out
    assert status == 0, output
    assert f"{len(runner.CHECKS) - 1} of {len(runner.CHECKS)} checks passed, 1 skipped" in output, (
        "the variant has no barcode"
    )
    assert (await shop.stock_level("TEA", "S1"))["onHand"] == 30
    conflicts = await shop.staff.execute(
        "query ($l: String) { conflicts(location: $l, status: OPEN) { edges { node { kind message } } } }",
        l=shop.code("S1"),
    )
    assert conflicts["conflicts"]["edges"] == []


@pytest.mark.parametrize("offset_s", [-600, 600])
async def test_the_checks_use_the_hubs_clock(
    hub: RunningHub, shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], offset_s: int
) -> None:
    """The checks of clocks pass although this machine's clock is ten minutes wrong."""
    terminal = await shop.terminal("S1")
    assert terminal.key is not None
    wrong_clock = SimpleNamespace(now=lambda: datetime.now(UTC) + timedelta(seconds=offset_s))
    monkeypatch.setattr(runner, "clock", wrong_clock)
    monkeypatch.setattr(probe, "clock", wrong_clock)

    status = await asyncio.to_thread(
        runner.conform,
        hub.url,
        terminal.key,
        staff_key=shop.keys["staff"],
        location=None,
        sku=shop.sku("TEA"),
        only=["clock-ahead", "clock-behind", "small-clock-skew", "future-count", "late-sale"],
    )

    output = capsys.readouterr()
    assert status == 0, output.out
    assert f"The hub's clock is {-offset_s:+d} s from this machine's" in " ".join(output.err.split())


def test_the_document_states_the_number_of_checks() -> None:
    document = Path(__file__).parents[2] / "docs" / "pos-sync.md"

    assert f" runs {len(runner.CHECKS)} checks, " in document.read_text()


def test_every_check_has_a_name_and_a_rule() -> None:
    names = [runner.name_of(check) for check in runner.CHECKS]

    assert len(set(names)) == len(names) >= 25
    assert all(re.fullmatch(r"[A-Z0-9].*\.", " ".join((check.__doc__ or "").split())) for check in runner.CHECKS)


class TamperingTransport(httpx.HTTPTransport):
    """A transport that changes what the till sends or what the hub answers."""

    def __init__(
        self, change_input: Callable[[Body], None] | None, change_payload: Callable[[Body], None] | None
    ) -> None:
        super().__init__()
        self.change_input, self.change_payload = change_input, change_payload

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.read() or b"{}")
        sync_input = (body.get("variables") or {}).get("input")
        if self.change_input and sync_input:
            self.change_input(sync_input)
            headers = {k: v for k, v in request.headers.items() if k != "content-length"}
            request = httpx.Request(request.method, request.url, headers=headers, content=json.dumps(body).encode())
        response = super().handle_request(request)
        response.read()
        answer = response.json() if response.is_success else {}
        payload = (answer.get("data") or {}).get("posSync")
        if not self.change_payload or not payload:
            return response
        self.change_payload(payload)
        return httpx.Response(response.status_code, json=answer)


def ignore_occurred_at(sync_input: Body) -> None:
    for event in sync_input["events"]:
        event["occurredAt"] = sync_input["sentAt"]


def trust_the_tills_clock(sync_input: Body) -> None:
    sync_input["sentAt"] = datetime.now(UTC).isoformat()


def treat_all_events_as_new(sync_input: Body) -> None:
    sent_at = sync_input["sentAt"]
    sync_input["epoch"] = abs(hash(sent_at)) % 10**8
    for event in sync_input["events"]:
        event["eventId"] = f"{event['eventId']} {sent_at}"[:64]


def acknowledge_beyond_gaps(payload: Body) -> None:
    payload["acknowledged"] += sum(gap["to"] - gap["from"] + 1 for gap in payload["missing"])


def report_nothing_missing(payload: Body) -> None:
    payload["missing"] = []


def sort_results(payload: Body) -> None:
    payload["results"].sort(key=lambda result: result["eventId"], reverse=True)


def answer_applied_always(payload: Body) -> None:
    for result in payload["results"]:
        result["status"] = "APPLIED"


def leave_out_reasons(payload: Body) -> None:
    for result in payload["results"]:
        result["errors"] = []


@pytest.mark.parametrize(
    ("change_input", "change_payload", "check"),
    [
        (ignore_occurred_at, None, "late-sale"),
        (ignore_occurred_at, None, "any-order"),
        (trust_the_tills_clock, None, "clock-ahead"),
        (trust_the_tills_clock, None, "clock-behind"),
        (treat_all_events_as_new, None, "duplicates"),
        (None, acknowledge_beyond_gaps, "gaps-reported"),
        (None, report_nothing_missing, "gaps-reported"),
        (None, sort_results, "results-in-order"),
        (None, answer_applied_always, "duplicates"),
        (None, answer_applied_always, "tampered"),
        (None, leave_out_reasons, "parked-is-acknowledged"),
    ],
)
async def test_a_hub_that_breaks_the_protocol_fails_the_check(
    hub: RunningHub,
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    change_input: Callable[[Body], None] | None,
    change_payload: Callable[[Body], None] | None,
    check: str,
) -> None:
    terminal = await shop.terminal("S1")
    assert terminal.key is not None
    make_probe = runner.make_probe

    def make_tampering_probe(*args: Any, **kwargs: Any) -> Probe:
        transport = TamperingTransport(change_input, change_payload)
        client = HubClient(hub.url, terminal.key or "", transport=transport)
        return replace(make_probe(*args, **kwargs), hub=client)

    monkeypatch.setattr(runner, "make_probe", make_tampering_probe)
    monkeypatch.setattr(runner, "_restore_stock", lambda probe, on_hand_before: None)
    status = await asyncio.to_thread(
        runner.conform,
        hub.url,
        terminal.key,
        staff_key=None,
        location=shop.code("S1"),
        sku=shop.sku("TEA"),
        only=[check],
    )

    assert status == 1
    assert f"0 of 1 checks passed; failed: {check}" in capsys.readouterr().out
