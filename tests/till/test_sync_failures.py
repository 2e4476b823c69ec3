"""Failures of a batch: no event is lost, retries end, and the error states the reason.

The hub is a fake, because a real one does not fail on demand.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.till_folders import EPOCH, make_event, make_till
from uriba.till import hub_client, synchronization, till_folder
from uriba.till.errors import HubUnavailable, KeyRejected, TillError
from uriba.till.hub_client import HubClient
from uriba.till.journal import JournalEntry
from uriba.till.synchronization import SyncReport
from uriba.till.till_folder import Till

Responder = Callable[[dict[str, Any]], httpx.Response]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_client, "PAUSE_MAX_S", 0.001)


@pytest.fixture
def till(tmp_path: Path) -> Iterator[Till]:
    with till_folder.open_till(make_till(tmp_path)) as opened:
        opened.journal.append(*[JournalEntry(EPOCH, 0, make_event(n)) for n in range(1, 6)])
        yield opened


def apply_all(sent: dict[str, Any]) -> httpx.Response:
    """Answer that all events are applied, and acknowledge up to the last one."""
    results = [{"eventId": e["eventId"], "status": "APPLIED", "errors": [], "warnings": []} for e in sent["events"]]
    last = max([0, *(e["sequence"] for e in sent["events"])])
    return sync_answer({"results": results, "acknowledged": last, "missing": [], "shortages": 0, "errors": []})


def sync_answer(payload: dict[str, Any]) -> httpx.Response:
    return httpx.Response(200, json={"data": {"posSync": payload}})


def top_level_error(message: str, code: str, status: int = 200) -> Responder:
    return lambda _: httpx.Response(
        status, json={"data": None, "errors": [{"message": message, "extensions": {"code": code}}]}
    )


def http_status(status: int, **headers: str) -> Responder:
    return lambda _: httpx.Response(status, headers=headers)


def time_out(_: dict[str, Any]) -> httpx.Response:
    raise httpx.ReadTimeout("no answer")


class FakeHub:
    """A hub that uses its responders one after the other, then applies everything. `sent` holds the batches."""

    def __init__(self, *responders: Responder) -> None:
        self.responders = list(responders)
        self.sent: list[dict[str, Any]] = []
        self.client = HubClient("http://hub.test", "key", transport=httpx.MockTransport(self.respond))

    def respond(self, request: httpx.Request) -> httpx.Response:
        sent = json.loads(request.content)["variables"]["input"]
        self.sent.append(sent)
        return (self.responders.pop(0) if self.responders else apply_all)(sent)

    def sync(self, till: Till) -> SyncReport:
        return synchronization.sync(till, self.client)

    @property
    def sequences(self) -> list[list[int]]:
        return [[e["sequence"] for e in sent["events"]] for sent in self.sent]


@pytest.mark.parametrize(
    "responder",
    [
        http_status(429, **{"retry-after": "0"}),
        http_status(503),
        http_status(502),
        time_out,
        top_level_error("Reference: 1", "INTERNAL"),
        lambda _: httpx.Response(200, text="<html>"),
    ],
    ids=["429", "503", "502", "timeout", "fault", "proxy"],
)
def test_a_batch_without_an_answer_is_sent_again(till: Till, responder: Responder) -> None:
    hub = FakeHub(responder, responder)

    hub.sync(till)

    assert hub.sequences == [[1, 2, 3, 4, 5]] * 3
    assert len({sent["sentAt"] for sent in hub.sent}) == 3, "each attempt has its own sentAt"
    assert not till.journal.pending


def test_after_the_last_attempt_all_events_stay_pending(till: Till) -> None:
    hub = FakeHub(*[time_out] * 100)

    with pytest.raises(HubUnavailable, match="does not answer"):
        hub.sync(till)

    assert len(hub.sent) == hub_client.ATTEMPTS_MAX
    assert len(till.journal.pending) == 5


def test_a_retry_waits_as_long_as_retry_after_asks(till: Till) -> None:
    pauses: list[float] = []
    hub = FakeHub(http_status(429, **{"retry-after": "17"}))
    hub.client._retrying.sleep = pauses.append

    hub.sync(till)

    assert pauses == [17]


@pytest.mark.parametrize(
    "responder",
    [
        top_level_error("This key is not valid.", "UNAUTHENTICATED"),
        top_level_error("Your key does not allow this.", "FORBIDDEN"),
        top_level_error("This key is not valid.", "UNAUTHENTICATED", 401),
        http_status(401),
    ],
)
def test_a_rejected_key_stops_the_sync_at_once(till: Till, responder: Responder) -> None:
    hub = FakeHub(responder)

    with pytest.raises(KeyRejected):
        hub.sync(till)

    assert len(hub.sent) == 1
    assert len(till.journal.pending) == 5


@pytest.mark.parametrize(
    "responder",
    [
        http_status(413),
        lambda _: sync_answer(
            {
                "results": [],
                "acknowledged": 0,
                "missing": [],
                "shortages": 0,
                "errors": [{"code": "LIMIT_EXCEEDED", "message": "At most 3 events."}],
            }
        ),
    ],
    ids=["bytes", "events"],
)
def test_a_batch_that_is_too_large_is_sent_in_halves(till: Till, responder: Responder) -> None:
    hub = FakeHub(responder, responder)

    hub.sync(till)

    assert hub.sequences == [[1, 2, 3, 4, 5], [1, 2], [1], [2], [3, 4, 5]]
    assert not till.journal.pending


def test_an_event_that_is_too_large_by_itself_is_unsendable(till: Till) -> None:
    hub = FakeHub(*[http_status(413)] * 3)

    report = hub.sync(till)

    assert report.unsendable == 1
    assert list(till.journal.unsendable) == [(EPOCH, 1)]
    assert not till.journal.pending


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("path", ["input.events.2.occurredAt", "input.events[2].occurredAt"])
def test_an_event_that_the_hub_cannot_parse_is_unsendable(till: Till, status: int, path: str) -> None:
    message = f"Variable '$input' got invalid value 'x' at '{path}'; DateTime is ISO 8601."
    hub = FakeHub(top_level_error(message, "GRAPHQL_VALIDATION_FAILED", status))

    report = hub.sync(till)

    assert hub.sequences == [[1, 2, 3, 4, 5], [1, 2, 4, 5]]
    assert report.unsendable == 1
    assert till.journal.unsendable[EPOCH, 3].reason == message


def test_an_unsendable_event_is_not_sent_again(till: Till) -> None:
    FakeHub(top_level_error("at 'input.events.0'", "GRAPHQL_VALIDATION_FAILED")).sync(till)
    hub = FakeHub()

    hub.sync(till)

    assert hub.sent == []


@pytest.mark.parametrize(
    "responder",
    [
        top_level_error("Cannot query field 'posSync' on type 'Mutation'.", "GRAPHQL_VALIDATION_FAILED"),
        top_level_error("at 'input.events.99'", "GRAPHQL_VALIDATION_FAILED"),
        lambda _: sync_answer({"results": [], "acknowledged": 5, "missing": [], "shortages": 0, "errors": []}),
        lambda _: sync_answer({"results": [{"eventId": "e1", "status": "LIKED", "errors": []}]}),
        lambda _: httpx.Response(404, text="nothing here"),
    ],
    ids=["no such field", "no such event", "too few results", "no such status", "not a hub"],
)
def test_an_answer_that_breaks_the_protocol_is_an_error_and_loses_nothing(till: Till, responder: Responder) -> None:
    with pytest.raises(TillError):
        FakeHub(responder).sync(till)

    assert len(till.journal.pending) == 5


def test_answers_before_a_failure_are_in_the_journal(till: Till) -> None:
    till.journal.append(*[JournalEntry(EPOCH, 0, make_event(n)) for n in range(6, 1_102)])
    hub = FakeHub(apply_all, *[time_out] * 100)

    with pytest.raises(HubUnavailable):
        hub.sync(till)

    assert [entry.event.sequence for entry in till.journal.pending] == list(range(1_001, 1_102))


def test_parked_wins_if_a_batch_has_an_event_twice(till: Till) -> None:
    def parks(sent: dict[str, Any]) -> httpx.Response:
        problem = {"code": "NOT_FOUND", "message": "There is no such SKU."}
        results = [
            {"eventId": e["eventId"], "status": status, "errors": [problem] if status == "PARKED" else []}
            for e, status in zip(sent["events"], ["PARKED", "DUPLICATE"] * 5, strict=True)
        ]
        return sync_answer({"results": results, "acknowledged": 5, "missing": [], "shortages": 0, "errors": []})

    batch = [entry for entry in till.journal.pending for _ in range(2)]
    synchronization._send_batch(till, FakeHub(parks).client, batch, SyncReport())

    assert len(till.journal.parked) == 5


def test_events_from_before_the_clock_was_set_have_a_sent_at_by_the_old_clock(till: Till) -> None:
    till.change_settings(clock_offset_s=2400)
    till.journal.append(JournalEntry(EPOCH, 2400, make_event(6)))
    hub = FakeHub()

    hub.sync(till)

    assert hub.sequences == [[1, 2, 3, 4, 5], [6]]
    right, wrong = (sent["sentAt"] for sent in hub.sent)
    assert right < wrong
