"""The check of hubs: ours keeps the protocol, and each of some hubs that do not is found out."""

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

from shop import Shop
from uriba.till.conformance import probe, running
from uriba.till.conformance.probe import Probe
from uriba.till.hub import Hub

if TYPE_CHECKING:
    from conftest import RunningHub

Body = dict[str, Any]


async def test_this_hub_keeps_the_protocol(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await shop.receive(TEA_S1=30)
    terminal = await shop.terminal("S1")
    assert terminal.key is not None

    status = await asyncio.to_thread(
        running.conform,
        shop.hub.url,
        terminal.key,
        staff_key=shop.keys["staff"],
        location=None,
        sku=shop.sku("TEA"),
        only=[],
    )

    told = capsys.readouterr().out
    assert status == 0, told
    assert f"{len(running.CHECKS) - 1} of {len(running.CHECKS)} checks hold, 1 skipped" in told, "no barcode here"
    assert (await shop.level("TEA", "S1"))["onHand"] == 30
    left = await shop.staff.run(
        "query ($l: String) { conflicts(location: $l, status: OPEN) { edges { node { kind message } } } }",
        l=shop.code("S1"),
    )
    assert left["conflicts"]["edges"] == []


@pytest.mark.parametrize("apart_s", [-600, 600])
async def test_goes_by_the_hubs_clock(
    hub: RunningHub, shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], apart_s: int
) -> None:
    """This machine's clock is ten minutes wrong; the checks of clocks hold as they do by a right one."""
    terminal = await shop.terminal("S1")
    assert terminal.key is not None
    wrong = SimpleNamespace(now=lambda: datetime.now(UTC) + timedelta(seconds=apart_s))
    monkeypatch.setattr(running, "clock", wrong)
    monkeypatch.setattr(probe, "clock", wrong)

    status = await asyncio.to_thread(
        running.conform,
        hub.url,
        terminal.key,
        staff_key=shop.keys["staff"],
        location=None,
        sku=shop.sku("TEA"),
        only=["clock-ahead", "clock-behind", "clock-nearly-right", "future", "late-sale"],
    )

    told = capsys.readouterr()
    assert status == 0, told.out
    assert f"The hub's clock is {-apart_s:+d} s from this machine's" in " ".join(told.err.split())


def test_the_page_says_how_many_checks_there_are() -> None:
    page = Path(__file__).parents[2] / "docs" / "pos-sync.md"

    assert f" runs {len(running.CHECKS)} checks, " in page.read_text()


def test_every_check_says_what_it_is_about() -> None:
    names = [running.name_of(check) for check in running.CHECKS]

    assert len(set(names)) == len(names) >= 25
    assert all(re.fullmatch(r"[A-Z0-9].*\.", " ".join((check.__doc__ or "").split())) for check in running.CHECKS)


class Between(httpx.HTTPTransport):
    """A liar between till and hub."""

    def __init__(self, ask: Callable[[Body], None] | None, tell: Callable[[Body], None] | None) -> None:
        super().__init__()
        self.ask, self.tell = ask, tell

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.read() or b"{}")
        given = (body.get("variables") or {}).get("input")
        if self.ask and given:
            self.ask(given)
            headers = {k: v for k, v in request.headers.items() if k != "content-length"}
            request = httpx.Request(request.method, request.url, headers=headers, content=json.dumps(body).encode())
        response = super().handle_request(request)
        response.read()
        answer = response.json() if response.is_success else {}
        payload = (answer.get("data") or {}).get("posSync")
        if not self.tell or not payload:
            return response
        self.tell(payload)
        return httpx.Response(response.status_code, json=answer)


def by_arrival(given: Body) -> None:
    """What the till says of the time is not looked at."""
    for event in given["events"]:
        event["occurredAt"] = given["sentAt"]


def by_its_word(given: Body) -> None:
    """A wrong clock is not corrected."""
    given["sentAt"] = datetime.now(UTC).isoformat()


def ids_renewed(given: Body) -> None:
    """What is sent again is taken for new."""
    mark = given["sentAt"]
    given["epoch"] = abs(hash(mark)) % 10**8
    for event in given["events"]:
        event["eventId"] = f"{event['eventId']} {mark}"[:64]


def acknowledged_beyond_gaps(payload: Body) -> None:
    payload["acknowledged"] += sum(gap["to"] - gap["from"] + 1 for gap in payload["missing"])


def nothing_missing(payload: Body) -> None:
    payload["missing"] = []


def results_sorted(payload: Body) -> None:
    payload["results"].sort(key=lambda result: result["eventId"], reverse=True)


def always_applied(payload: Body) -> None:
    for result in payload["results"]:
        result["status"] = "APPLIED"


def no_reasons(payload: Body) -> None:
    for result in payload["results"]:
        result["errors"] = []


@pytest.mark.parametrize(
    ("ask", "tell", "check"),
    [
        (by_arrival, None, "late-sale"),
        (by_arrival, None, "any-order"),
        (by_its_word, None, "clock-ahead"),
        (by_its_word, None, "clock-behind"),
        (ids_renewed, None, "duplicates"),
        (None, acknowledged_beyond_gaps, "gaps-are-named"),
        (None, nothing_missing, "gaps-are-named"),
        (None, results_sorted, "results-in-order"),
        (None, always_applied, "duplicates"),
        (None, always_applied, "tampered"),
        (None, no_reasons, "parked-is-acknowledged"),
    ],
)
async def test_finds_out_a_hub_that_breaks_the_protocol(
    hub: RunningHub,
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    ask: Callable[[Body], None] | None,
    tell: Callable[[Body], None] | None,
    check: str,
) -> None:
    terminal = await shop.terminal("S1")
    assert terminal.key is not None
    probe_of = running.begin

    def begin(*given: Any, **named: Any) -> Probe:
        probe = probe_of(*given, **named)
        return replace(probe, hub=Hub(hub.url, terminal.key or "", transport=Between(ask, tell)))

    monkeypatch.setattr(running, "begin", begin)
    monkeypatch.setattr(running, "_put_back", lambda probe, before: None)
    status = await asyncio.to_thread(
        running.conform,
        hub.url,
        terminal.key,
        staff_key=None,
        location=shop.code("S1"),
        sku=shop.sku("TEA"),
        only=[check],
    )

    assert status == 1
    assert f"0 of 1 checks hold; not: {check}" in capsys.readouterr().out
