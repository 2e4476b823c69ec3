"""The tills of a replay as clients of `posSync`: several tills at a time, each with one batch at a time, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import httpx
import msgspec

from uriba.core import clock
from uriba.sources.loading import AddRows
from uriba.sources.replay.errors import ReplayFailed
from uriba.sources.replay.sale_events import SaleEvents
from uriba.sources.replay.schedule import Batch, Schedule

TILLS_AT_ONCE = 8
TRIES_MAX = 5
PAUSE_S = 0.5
"""The pause before the second try; it doubles before each further try."""

ANSWER_S = 120
SAMPLES_MAX = 5
SYNC_MUTATION = (
    "mutation Sync($input: PosSyncInput!) { posSync(input: $input) { results { status errors { code message } } "
    "acknowledged missing { from to } errors { code message } } }"
)


class SyncProblem(msgspec.Struct):
    """An error of an event or of a batch."""

    code: str
    message: str


class EventResult(msgspec.Struct):
    """The verdict on one event."""

    status: str
    errors: list[SyncProblem]


class SyncPayload(msgspec.Struct):
    """The payload of `posSync`."""

    results: list[EventResult]
    acknowledged: int
    missing: list[dict[str, int]]
    errors: list[SyncProblem]


class SyncData(msgspec.Struct):
    """The data of the response: one field."""

    payload: SyncPayload = msgspec.field(name="posSync")


class SyncResponse(msgspec.Struct):
    """The body of the response."""

    data: SyncData | None = None
    errors: list[dict[str, object]] | None = None


@dataclass(slots=True)
class TillConnection:
    """A till as a client: its key, the seconds that its clock is ahead, and the state of its events at the hub."""

    key: str
    clock_offset_s: int
    acknowledged: int = 0
    missing: list[dict[str, int]] = field(default_factory=list)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(slots=True)
class SyncSummary:
    """The number of events by verdict, and some of the errors."""

    statuses: dict[str, int] = field(default_factory=dict)
    samples: list[str] = field(default_factory=list)

    def add(self, results: Sequence[EventResult]) -> None:
        for result in results:
            self.statuses[result.status] = self.statuses.get(result.status, 0) + 1
            if result.errors and len(self.samples) < SAMPLES_MAX:
                self.samples.append(f"{result.status}: {result.errors[0].code}, {result.errors[0].message}")


async def send_batches(
    url: str, schedule: Schedule, events: SaleEvents, connections: Sequence[TillConnection], add_rows: AddRows
) -> SyncSummary:
    """Send all batches of a schedule; `connections` has one connection for each till. Errors: `ReplayFailed`."""
    summary = SyncSummary()
    batches = iter(schedule.batches)
    limits = httpx.Limits(max_connections=TILLS_AT_ONCE, max_keepalive_connections=TILLS_AT_ONCE)

    async with httpx.AsyncClient(limits=limits, timeout=ANSWER_S, trust_env=False) as client:
        send = BatchSender(client, url)
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(TILLS_AT_ONCE):
                    tasks.create_task(_send_next_batches(send, batches, events, connections, summary, add_rows))
        except* ReplayFailed as failed:
            # One error is enough to know the reason; the others were on their way at the same time.
            raise failed.exceptions[0] from None
    return summary


async def _send_next_batches(
    send: BatchSender,
    batches: Iterator[Batch],
    events: SaleEvents,
    connections: Sequence[TillConnection],
    summary: SyncSummary,
    add_rows: AddRows,
) -> None:
    """Send batches until the shared iterator is exhausted."""
    for batch in batches:
        connection = connections[batch.till]
        async with connection.lock:
            content = ",".join(events.events(batch.baskets, clock_offset_s=connection.clock_offset_s))
            payload = await send(connection, content)
        connection.acknowledged, connection.missing = payload.acknowledged, payload.missing
        summary.add(payload.results)
        add_rows(len(batch.baskets))


class BatchSender:
    """Sends batches, and sends one again if no answer came: the hub applies each event once."""

    def __init__(self, client: httpx.AsyncClient, url: str) -> None:
        self._client = client
        self._url = url
        self._decoder = msgspec.json.Decoder(SyncResponse)

    async def __call__(self, connection: TillConnection, events: str) -> SyncPayload:
        """Send a batch; `events` are JSON objects joined by commas.

        Errors: `ReplayFailed` if the hub refuses the batch, or does not answer in `TRIES_MAX` tries.
        """
        headers = {"authorization": f"Bearer {connection.key}", "content-type": "application/json"}
        for tried in range(TRIES_MAX):
            if tried:
                await asyncio.sleep(PAUSE_S * 2 ** (tried - 1))
            try:
                response = await self._client.post(self._url, content=_body(connection, events), headers=headers)
            except httpx.TransportError as error:
                reason = f"{type(error).__name__} {error}"
                continue
            if response.status_code == 200 and (payload := self._payload(response.content)) is not None:
                return payload
            reason = f"HTTP {response.status_code}: {response.text[:500]}"
            if response.status_code in range(400, 500):
                break
        raise ReplayFailed(f"The hub did not accept a till's batch: {reason}")

    def _payload(self, body: bytes) -> SyncPayload | None:
        """Return the payload, or None if the hub had a fault. Errors: `ReplayFailed` if it refused the batch."""
        response = self._decoder.decode(body)
        if response.data is None:
            return None
        if response.data.payload.errors:
            raise ReplayFailed(f"The hub refused a till's batch: {response.data.payload.errors[0].message}")
        return response.data.payload


def _body(connection: TillConnection, events: str) -> bytes:
    """Return the body of the request; `sentAt` is the present time of the till's clock."""
    sent_at = (clock.now() + timedelta(seconds=connection.clock_offset_s)).isoformat()
    batch = f'{{"sentAt":"{sent_at}","epoch":1,"events":[{events}]}}'
    return f'{{"query":"{SYNC_MUTATION}","variables":{{"input":{batch}}}}}'.encode()
