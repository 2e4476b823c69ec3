"""A till of a replay as a client: sends a batch again if no answer comes, and stops if the hub refuses it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from uriba.core import clock
from uriba.sources.replay import sync_client
from uriba.sources.replay.errors import ReplayFailed
from uriba.sources.replay.sync_client import TRIES_MAX, BatchSender, TillConnection

EVENTS = '{"eventId":"1"},{"eventId":"2"}'
RESULTS = [{"status": "APPLIED", "errors": []}, {"status": "DUPLICATE", "errors": []}]


def answer(**given: Any) -> httpx.Response:
    payload = {"results": RESULTS, "acknowledged": 2, "missing": [], "errors": []} | given
    return httpx.Response(200, json={"data": {"posSync": payload}})


@asynccontextmanager
async def batch_sender(hub: Callable[[httpx.Request], httpx.Response]) -> AsyncIterator[BatchSender]:
    async with httpx.AsyncClient(transport=httpx.MockTransport(hub)) as client:
        yield BatchSender(client, "http://hub/graphql")


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_client, "PAUSE_S", 0)


async def test_sends_a_batch_with_the_tills_key_and_clock() -> None:
    requests: list[httpx.Request] = []

    def hub(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return answer()

    async with batch_sender(hub) as send:
        payload = await send(TillConnection("a-key", clock_offset_s=3_600), EVENTS)

    (request,) = requests
    batch = json.loads(request.content)["variables"]["input"]
    ahead = datetime.fromisoformat(batch["sentAt"]) - clock.now()
    assert request.headers["authorization"] == "Bearer a-key"
    assert batch["events"] == [{"eventId": "1"}, {"eventId": "2"}]
    assert timedelta(minutes=59) < ahead <= timedelta(hours=1)
    assert ([result.status for result in payload.results], payload.acknowledged) == (["APPLIED", "DUPLICATE"], 2)


async def test_sends_the_same_events_with_a_new_time_until_an_answer_comes() -> None:
    sent: list[dict[str, Any]] = []

    def hub(request: httpx.Request) -> httpx.Response:
        sent.append(json.loads(request.content)["variables"]["input"])
        if len(sent) == 1:
            raise httpx.ReadError("lost")
        return httpx.Response(500, text="fault") if len(sent) == 2 else answer()

    async with batch_sender(hub) as send:
        assert (await send(TillConnection("a-key", clock_offset_s=0), EVENTS)).acknowledged == 2

    assert [one["events"] for one in sent] == [sent[0]["events"]] * 3
    assert len({one["sentAt"] for one in sent}) == 3


async def test_fails_after_the_last_try_with_the_reason() -> None:
    tries: list[int] = []

    def hub(_: httpx.Request) -> httpx.Response:
        tries.append(1)
        return httpx.Response(503, text="not now")

    async with batch_sender(hub) as send:
        with pytest.raises(ReplayFailed, match="HTTP 503: not now"):
            await send(TillConnection("a-key", clock_offset_s=0), EVENTS)

    assert len(tries) == TRIES_MAX


@pytest.mark.parametrize(
    ("refusal", "message"),
    [
        (answer(errors=[{"code": "LIMIT_EXCEEDED", "message": "At most 1,000 events."}]), "At most 1,000 events."),
        (httpx.Response(413, text="too large"), "HTTP 413: too large"),
        (httpx.Response(400, text="malformed"), "HTTP 400: malformed"),
    ],
)
async def test_does_not_repeat_a_batch_that_the_hub_refuses(refusal: httpx.Response, message: str) -> None:
    tries: list[int] = []

    def hub(_: httpx.Request) -> httpx.Response:
        tries.append(1)
        return refusal

    async with batch_sender(hub) as send:
        with pytest.raises(ReplayFailed, match=message):
            await send(TillConnection("a-key", clock_offset_s=0), EVENTS)

    assert len(tries) == 1
