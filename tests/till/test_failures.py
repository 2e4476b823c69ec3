"""What a till does when a batch fails: nothing is lost, nothing is sent for ever, and a person hears why.

The hub's side is played: a real hub does not fail on demand.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from simulated import EPOCH, event, make_till

from uriba.till import folder as folders
from uriba.till import hub as line
from uriba.till import syncing
from uriba.till.errors import KeyRefused, TillError, Unreachable
from uriba.till.folder import Till
from uriba.till.hub import Hub
from uriba.till.journal import Entry
from uriba.till.syncing import Report

Part = Callable[[dict[str, Any]], httpx.Response]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "PAUSE_MAX_S", 0.001)


@pytest.fixture
def till(tmp_path: Path) -> Iterator[Till]:
    with folders.opened(make_till(tmp_path)) as opened:
        opened.journal.write(*[Entry(EPOCH, 0, event(n)) for n in range(1, 6)])
        yield opened


def takes(sent: dict[str, Any]) -> httpx.Response:
    """A hub that has everything up to what it is sent."""
    results = [{"eventId": e["eventId"], "status": "APPLIED", "errors": [], "warnings": []} for e in sent["events"]]
    last = max([0, *(e["sequence"] for e in sent["events"])])
    return answer({"results": results, "acknowledged": last, "missing": [], "shortages": 0, "errors": []})


def answer(payload: dict[str, Any]) -> httpx.Response:
    return httpx.Response(200, json={"data": {"posSync": payload}})


def at_the_top(message: str, code: str, status: int = 200) -> Part:
    return lambda _: httpx.Response(
        status, json={"data": None, "errors": [{"message": message, "extensions": {"code": code}}]}
    )


def says(status: int, **headers: str) -> Part:
    return lambda _: httpx.Response(status, headers=headers)


def fails(_: dict[str, Any]) -> httpx.Response:
    raise httpx.ReadTimeout("no answer")


class Played:
    """A hub that plays its parts, then takes everything; what it was sent."""

    def __init__(self, *parts: Part) -> None:
        self.parts = list(parts)
        self.sent: list[dict[str, Any]] = []
        self.hub = Hub("http://played", "key", transport=httpx.MockTransport(self.play))

    def play(self, request: httpx.Request) -> httpx.Response:
        sent = json.loads(request.content)["variables"]["input"]
        self.sent.append(sent)
        return (self.parts.pop(0) if self.parts else takes)(sent)

    def sync(self, till: Till) -> Report:
        return syncing.sync(till, self.hub)

    @property
    def sequences(self) -> list[list[int]]:
        return [[e["sequence"] for e in sent["events"]] for sent in self.sent]


@pytest.mark.parametrize(
    "part",
    [
        says(429, **{"retry-after": "0"}),
        says(503),
        says(502),
        fails,
        at_the_top("Reference: 1", "INTERNAL"),
        lambda _: httpx.Response(200, text="<html>"),
    ],
    ids=["429", "503", "502", "timeout", "fault", "proxy"],
)
def test_sends_the_same_again_where_no_answer_came(till: Till, part: Part) -> None:
    played = Played(part, part)

    played.sync(till)

    assert played.sequences == [[1, 2, 3, 4, 5]] * 3
    assert len({sent["sentAt"] for sent in played.sent}) == 3, "sentAt is of each attempt"
    assert not till.journal.pending


def test_gives_up_in_the_end_and_keeps_everything(till: Till) -> None:
    played = Played(*[fails] * 100)

    with pytest.raises(Unreachable, match="does not answer"):
        played.sync(till)

    assert len(played.sent) == line.TRIES_MAX
    assert len(till.journal.pending) == 5


def test_waits_as_long_as_the_hub_asks(till: Till) -> None:
    slept: list[float] = []
    played = Played(says(429, **{"retry-after": "17"}))
    played.hub._again.sleep = slept.append

    played.sync(till)

    assert slept == [17]


@pytest.mark.parametrize(
    "part",
    [
        at_the_top("This key is not valid.", "UNAUTHENTICATED"),
        at_the_top("Your key does not allow this.", "FORBIDDEN"),
        at_the_top("This key is not valid.", "UNAUTHENTICATED", 401),
        says(401),
    ],
)
def test_stops_at_once_where_its_key_is_refused(till: Till, part: Part) -> None:
    played = Played(part)

    with pytest.raises(KeyRefused):
        played.sync(till)

    assert len(played.sent) == 1
    assert len(till.journal.pending) == 5


@pytest.mark.parametrize(
    "part",
    [
        says(413),
        lambda _: answer(
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
def test_sends_a_batch_that_is_too_large_in_halves(till: Till, part: Part) -> None:
    played = Played(part, part)

    played.sync(till)

    assert played.sequences == [[1, 2, 3, 4, 5], [1, 2], [1], [2], [3, 4, 5]]
    assert not till.journal.pending


def test_sets_an_event_aside_that_is_too_large_alone(till: Till) -> None:
    played = Played(*[says(413)] * 3)

    report = played.sync(till)

    assert report.unsendable == 1
    assert list(till.journal.unsendable) == [(EPOCH, 1)]
    assert not till.journal.pending


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("at", ["input.events.2.occurredAt", "input.events[2].occurredAt"])
def test_sets_an_event_aside_that_cannot_be_read(till: Till, status: int, at: str) -> None:
    message = f"Variable '$input' got invalid value 'x' at '{at}'; DateTime is ISO 8601."
    played = Played(at_the_top(message, "GRAPHQL_VALIDATION_FAILED", status))

    report = played.sync(till)

    assert played.sequences == [[1, 2, 3, 4, 5], [1, 2, 4, 5]]
    assert report.unsendable == 1
    assert till.journal.unsendable[EPOCH, 3].reason == message


def test_an_event_that_was_set_aside_is_not_sent_again(till: Till) -> None:
    Played(at_the_top("at 'input.events.0'", "GRAPHQL_VALIDATION_FAILED")).sync(till)
    played = Played()

    played.sync(till)

    assert played.sent == []


@pytest.mark.parametrize(
    "part",
    [
        at_the_top("Cannot query field 'posSync' on type 'Mutation'.", "GRAPHQL_VALIDATION_FAILED"),
        at_the_top("at 'input.events.99'", "GRAPHQL_VALIDATION_FAILED"),
        lambda _: answer({"results": [], "acknowledged": 5, "missing": [], "shortages": 0, "errors": []}),
        lambda _: answer({"results": [{"eventId": "e1", "status": "LIKED", "errors": []}]}),
        lambda _: httpx.Response(404, text="nothing here"),
    ],
    ids=["no such field", "no such event", "too few results", "no such status", "no hub"],
)
def test_believes_no_answer_that_no_hub_should_give(till: Till, part: Part) -> None:
    with pytest.raises(TillError):
        Played(part).sync(till)

    assert len(till.journal.pending) == 5


def test_what_was_answered_before_a_failure_is_written_down(till: Till) -> None:
    till.journal.write(*[Entry(EPOCH, 0, event(n)) for n in range(6, 1_102)])
    played = Played(takes, *[fails] * 100)

    with pytest.raises(Unreachable):
        played.sync(till)

    assert [e.event.sequence for e in till.journal.pending] == list(range(1_001, 1_102))


def test_what_asks_for_attention_counts_where_a_batch_had_an_event_twice(till: Till) -> None:
    def parks(sent: dict[str, Any]) -> httpx.Response:
        problem = {"code": "NOT_FOUND", "message": "There is no such SKU."}
        results = [
            {"eventId": e["eventId"], "status": status, "errors": [problem] if status == "PARKED" else []}
            for e, status in zip(sent["events"], ["PARKED", "DUPLICATE"] * 5, strict=True)
        ]
        return answer({"results": results, "acknowledged": 5, "missing": [], "shortages": 0, "errors": []})

    twice = [e for e in till.journal.pending for _ in range(2)]
    syncing._deliver(till, Played(parks).hub, twice, Report())

    assert len(till.journal.parked) == 5


def test_events_from_before_the_clock_was_set_go_by_the_old_clock(till: Till) -> None:
    till.change(clock_s=2400)
    till.journal.write(Entry(EPOCH, 2400, event(6)))
    played = Played()

    played.sync(till)

    assert played.sequences == [[1, 2, 3, 4, 5], [6]]
    right, wrong = (sent["sentAt"] for sent in played.sent)
    assert right < wrong
