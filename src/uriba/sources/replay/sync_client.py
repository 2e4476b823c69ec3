"""The tills' side of posSync: batches over HTTP, several tills at a time, each one batch at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import httpx
import msgspec

from uriba.core import clock
from uriba.sources.loading import ReportRows
from uriba.sources.replay.errors import ReplayFailed
from uriba.sources.replay.sale_events import SaleEvents
from uriba.sources.replay.schedule import Batch, Schedule

TILLS_AT_ONCE = 8
TRIES_MAX = 5
PAUSE_S = 0.5
"""Before the second try; doubled before each further one."""

ANSWER_S = 120
SAMPLES_MAX = 5
SYNC_MUTATION = (
    "mutation Sync($input: PosSyncInput!) { posSync(input: $input) { results { status errors { code message } } "
    "acknowledged missing { from to } errors { code message } } }"
)


class SyncProblem(msgspec.Struct):
    """What a payload says is wrong."""

    code: str
    message: str


class EventResult(msgspec.Struct):
    """What became of an event."""

    status: str
    errors: list[SyncProblem]


class SyncPayload(msgspec.Struct):
    """What a till is told."""

    results: list[EventResult]
    acknowledged: int
    missing: list[dict[str, int]]
    errors: list[SyncProblem]


class SyncData(msgspec.Struct):
    """The one field of the answer."""

    payload: SyncPayload = msgspec.field(name="posSync")


class SyncResponse(msgspec.Struct):
    """The body of the answer."""

    data: SyncData | None = None
    errors: list[dict[str, object]] | None = None


@dataclass(slots=True)
class TillConnection:
    """A till's line to the hub: its key, how far its clock is ahead, and how far the hub has its events."""

    key: str
    clock_s: int
    acknowledged: int = 0
    missing: list[dict[str, int]] = field(default_factory=list)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(slots=True)
class SyncSummary:
    """What the hub said to all that was sent: how many events had which status, and some of the errors."""

    statuses: dict[str, int] = field(default_factory=dict)
    samples: list[str] = field(default_factory=list)

    def add(self, results: Sequence[EventResult]) -> None:
        for result in results:
            self.statuses[result.status] = self.statuses.get(result.status, 0) + 1
            if result.errors and len(self.samples) < SAMPLES_MAX:
                self.samples.append(f"{result.status}: {result.errors[0].code}, {result.errors[0].message}")


async def send_batches(
    url: str, plan: Schedule, receipts: SaleEvents, lines: Sequence[TillConnection], count: ReportRows
) -> SyncSummary:
    """Send all batches of a plan; `lines` are the tills'. Errors: `ReplayFailed`."""
    told = SyncSummary()
    waiting = iter(plan.deliveries)
    limits = httpx.Limits(max_connections=TILLS_AT_ONCE, max_keepalive_connections=TILLS_AT_ONCE)

    async with httpx.AsyncClient(limits=limits, timeout=ANSWER_S, trust_env=False) as client:
        post = BatchSender(client, url)
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(TILLS_AT_ONCE):
                    tasks.create_task(_take_turns(post, waiting, receipts, lines, told, count))
        except* ReplayFailed as failed:
            # One is enough to know why; the others were on their way at the same time.
            raise failed.exceptions[0] from None
    return told


async def _take_turns(
    post: BatchSender,
    waiting: Iterator[Batch],
    receipts: SaleEvents,
    lines: Sequence[TillConnection],
    told: SyncSummary,
    count: ReportRows,
) -> None:
    for delivery in waiting:
        line = lines[delivery.till]
        async with line.turn:
            events = ",".join(receipts.events(delivery.places, clock_s=line.clock_s))
            payload = await post(line, events)
        line.acknowledged, line.missing = payload.acknowledged, payload.missing
        told.add(payload.results)
        count(len(delivery.places))


class BatchSender:
    """Posting a batch, again where the answer did not come: the hub takes an event once."""

    def __init__(self, client: httpx.AsyncClient, url: str) -> None:
        self._client = client
        self._url = url
        self._decoder = msgspec.json.Decoder(SyncResponse)

    async def __call__(self, line: TillConnection, events: str) -> SyncPayload:
        """Errors: `ReplayFailed` where the hub refuses the batch, or does not answer after `TRIES_MAX` tries."""
        headers = {"authorization": f"Bearer {line.key}", "content-type": "application/json"}
        for tried in range(TRIES_MAX):
            if tried:
                await asyncio.sleep(PAUSE_S * 2 ** (tried - 1))
            try:
                response = await self._client.post(self._url, content=_body(line, events), headers=headers)
            except httpx.TransportError as error:
                reason = f"{type(error).__name__} {error}"
                continue
            if response.status_code == 200 and (payload := self._payload(response.content)) is not None:
                return payload
            reason = f"HTTP {response.status_code}: {response.text[:500]}"
            if response.status_code in range(400, 500):
                break
        raise ReplayFailed(f"The hub did not take a till's batch: {reason}")

    def _payload(self, body: bytes) -> SyncPayload | None:
        """What the till is told; None where the hub had a fault. Errors: `ReplayFailed` where it refused."""
        answer = self._decoder.decode(body)
        if answer.data is None:
            return None
        if answer.data.payload.errors:
            raise ReplayFailed(f"The hub refused a till's batch: {answer.data.payload.errors[0].message}")
        return answer.data.payload


def _body(line: TillConnection, events: str) -> bytes:
    """The request; `sentAt` is what the till's clock says now."""
    sent = (clock.now() + timedelta(seconds=line.clock_s)).isoformat()
    given = f'{{"sentAt":"{sent}","epoch":1,"events":[{events}]}}'
    return f'{{"query":"{SYNC_MUTATION}","variables":{{"input":{given}}}}}'.encode()
