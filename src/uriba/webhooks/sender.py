"""The sender of one endpoint: it fills the delivery window from the feed, sends, and records the results.

No transaction is open while a request is in flight. A delivery whose result is not recorded is sent again, with its
id.
"""

from __future__ import annotations

import asyncio
import base64
import random
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from standardwebhooks import Webhook

from uriba.config import Settings
from uriba.core import clock
from uriba.core.ids import global_id
from uriba.db import Database, Row
from uriba.metrics import DELIVERY_ATTEMPTS, DELIVERY_SECONDS
from uriba.outbound import retry_policy
from uriba.outbound.client import NoResponse, OutboundClient
from uriba.webhooks import delivery_queue
from uriba.webhooks.catch_up import CatchUpPause
from uriba.webhooks.coalescing import CoalescedEvent, coalesce, encode_body
from uriba.webhooks.delivery_queue import AttemptResult, EndpointState, QueuedDelivery
from uriba.webhooks.delivery_window import DeliveryWindow, PendingDelivery
from uriba.webhooks.endpoints import SECRET_PREFIX
from uriba.webhooks.events import TEST, endpoint_subject
from uriba.webhooks.feed_cache import EncodedFeedCache
from uriba.webhooks.leases import LeasedEndpoint, LeaseLost

log = structlog.get_logger()

FEED_ROWS_MAX = 500
"""Events of the feed that are read at once."""

POSITION_SAVE_INTERVAL_S = 1.0
"""How often the position in the feed is saved while no event is for this endpoint."""

EXPIRED_LEASE_WAIT_S = 0.1
"""How long to wait before an expired lease is looked at again."""

UNRECORDED_MAX = 200
"""Results that may wait to be recorded, which is also how many deliveries a crash sends again at most."""

RECORD_DELAY_S = 0.005
"""How long to wait for more results before they are recorded together."""

RESPONSE_BYTES_KEPT = 0
"""Only the status of a response is used."""


class Sender:
    """Sends for one endpoint while its lease lasts. `lease_until`: by the event loop's clock."""

    def __init__(
        self,
        endpoint: LeasedEndpoint,
        *,
        database: Database,
        settings: Settings,
        client: OutboundClient,
        feed_cache: EncodedFeedCache,
        catch_up_pause: CatchUpPause,
        lease_until: float,
    ) -> None:
        self.lease = endpoint.lease
        self.lease_until = lease_until
        self._endpoint = endpoint
        self._database = database
        self._settings = settings
        self._client = client
        self._feed_cache = feed_cache
        self._catch_up_pause = catch_up_pause
        self._catching_up = False
        self._loop = asyncio.get_running_loop()
        self._position = endpoint.position
        self._saved_position, self._saved_at = endpoint.position, 0.0
        self._status = endpoint.status
        self._window = DeliveryWindow(endpoint.failures)
        self._more_queued = False
        self._recovered = False
        self._stopped = False
        self._webhooks: list[Webhook] = []
        self._results: list[AttemptResult] = []
        self._attempts: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()

    @property
    def endpoint_id(self) -> UUID:
        return self.lease.endpoint_id

    def wake(self) -> None:
        """Make the sender look at the feed and at its results now."""
        self._woken.set()

    async def run(self) -> None:
        """Send until cancelled. Errors: `LeaseLost`; errors of PostgreSQL."""
        try:
            await self._load_queue()
            while True:
                self._woken.clear()
                await self._run_once()
                if not self._results:
                    await self._wait()
        finally:
            for attempt in self._attempts:
                attempt.cancel()
            self._catch_up_pause.forget(self.endpoint_id)
            await asyncio.gather(*self._attempts, return_exceptions=True)

    async def _run_once(self) -> None:
        if self._results:
            await self._record_results()
        while self._window.free_slots >= FEED_ROWS_MAX // 2 and await self._fill_window():
            pass
        if self._more_queued and not len(self._window):
            await self._load_queue()
        if self._position > self._saved_position and self._loop.time() - self._saved_at >= POSITION_SAVE_INTERVAL_S:
            await self._create_deliveries([], self._position)
        self._start_attempts()

    async def _wait(self) -> None:
        """Wait for new events, for a result, or until a delivery is due."""
        try:
            async with asyncio.timeout(self._wait_s()):
                await self._woken.wait()
        except TimeoutError:
            return
        if self._results:
            await asyncio.sleep(RECORD_DELAY_S)

    def _wait_s(self) -> float | None:
        now, waits = self._loop.time(), []
        if self._window.in_flight < self._settings.webhook_concurrency:
            due_s, least_s = self._window.wait_s(now), self._pause_s(now)
            least_s = least_s if now < self.lease_until else max(least_s, EXPIRED_LEASE_WAIT_S)
            waits += [] if due_s is None else [max(due_s, least_s)]
        if self._position > self._saved_position:
            waits.append(POSITION_SAVE_INTERVAL_S)
        return min(waits, default=None)

    async def _load_queue(self) -> None:
        """Load the secrets and the deliveries that an earlier sender left pending."""
        async with self._database.reading() as session:
            secrets = await delivery_queue.valid_secrets(session, self.lease)
            queued = await delivery_queue.pending(session, self.lease, limit=self._window.free_slots + 1)
        self._webhooks = [Webhook(SECRET_PREFIX + base64.b64encode(secret).decode()) for secret in secrets]
        self._more_queued = len(queued) > self._window.free_slots
        # The pause of an endpoint that is down goes on where the sender before left it.
        self._window.down_until = self._loop_time(self._endpoint.next_at)
        self._window.add([self._pending_delivery(delivery) for delivery in queued[: self._window.free_slots]])

    def _pending_delivery(self, queued: QueuedDelivery) -> PendingDelivery:
        return PendingDelivery(
            id=queued.id,
            position=queued.position,
            event_id=global_id("Event", queued.event["id"]),
            subject=queued.event["subject"],
            body=encode_body(queued.event, queued.first_version),
            attempts=queued.attempts,
            due=self._loop_time(queued.next_at),
        )

    def _loop_time(self, at: datetime | None) -> float:
        """Return a time by the event loop's clock; 0, which is in the past, for None."""
        return 0.0 if at is None else self._loop.time() + (at - clock.now()).total_seconds()

    async def _fill_window(self) -> bool:
        """Create deliveries of the next events of the feed. Return whether there may be more events."""
        if self._more_queued:
            return False
        rows = await self._feed_cache.after(self._position, limit=FEED_ROWS_MAX)
        lagging_since = clock.now() - timedelta(seconds=self._settings.webhook_coalesce_s)
        self._catching_up = bool(rows) and rows[0]["at"] < lagging_since
        if not rows:
            return False
        events = coalesce([row for row in rows if self._is_subscribed(row)], older_than=lagging_since)
        self._position = rows[-1]["position"]
        if events:
            ids = await self._create_deliveries(events, self._position)
            self._window.add([self._new_delivery(ids[row["position"]], row, version) for row, version in events])
        return len(rows) == FEED_ROWS_MAX

    def _new_delivery(self, delivery_id: int, row: Row, first_version: int) -> PendingDelivery:
        body = self._feed_cache.body(row) if first_version == row["version"] else encode_body(row, first_version)
        return PendingDelivery(delivery_id, row["position"], global_id("Event", row["id"]), row["subject"], body)

    def _is_subscribed(self, row: Row) -> bool:
        if row["type"] == TEST:
            return bool(row["subject"] == endpoint_subject(self.endpoint_id))
        types = self._endpoint.types
        return types is None or row["type"] in types

    async def _create_deliveries(self, events: Sequence[CoalescedEvent], up_to: int) -> dict[int, int]:
        """Create deliveries in a transaction. Return their ids by position. Errors: `LeaseLost`."""
        async with self._database.transaction(notify=False) as session:
            ids = await delivery_queue.create_deliveries(session, self.lease, events, up_to=up_to)
        self._saved_position, self._saved_at = up_to, self._loop.time()
        return ids

    def _start_attempts(self) -> None:
        """Start as many attempts as may be in flight at once."""
        now = self._loop.time()
        may_start = now < self.lease_until and len(self._results) < UNRECORDED_MAX and not self._stopped
        if not may_start or self._pause_s(now):
            return
        while self._window.in_flight < self._settings.webhook_concurrency:
            delivery = self._window.start_next(now)
            if delivery is None:
                return
            if not self._catching_up:
                self._catch_up_pause.record_delivery(self.endpoint_id, now)
            task = asyncio.create_task(self._attempt(delivery))
            self._attempts.add(task)
            task.add_done_callback(self._attempts.discard)

    def _pause_s(self, now: float) -> float:
        """Return how long to let endpoints that keep up go first."""
        return self._catch_up_pause.pause_s(self.endpoint_id, now) if self._catching_up else 0.0

    async def _attempt(self, delivery: PendingDelivery) -> None:
        at, started = clock.now(), time.perf_counter()
        status, problem, retry_after_s = None, None, None
        try:
            response = await self._client.send(
                "POST",
                self._endpoint.url,
                body=delivery.body,
                headers=self._headers(delivery, at),
                response_bytes_max=RESPONSE_BYTES_KEPT,
            )
            status, retry_after_s = response.status, retry_policy.retry_after_s(response.headers, at)
        except NoResponse as error:
            problem = error.reason
        took_s = time.perf_counter() - started
        DELIVERY_SECONDS.observe(took_s)
        delivered, pause_s = self._update_window(delivery, status, retry_after_s)
        next_at = None if pause_s is None else clock.now() + timedelta(seconds=pause_s)
        self._results.append(AttemptResult(delivery.id, at, took_s, status, problem, next_at, delivered))
        self._woken.set()
        # The next attempt starts while this result is being recorded.
        self._start_attempts()

    def _headers(self, delivery: PendingDelivery, at: datetime) -> dict[str, str]:
        """Return the headers of Standard Webhooks, with a signature for each valid secret."""
        text = delivery.body.decode()
        return {
            "content-type": "application/json",
            "webhook-id": delivery.event_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": " ".join(webhook.sign(delivery.event_id, at, text) for webhook in self._webhooks),
        }

    def _update_window(
        self, delivery: PendingDelivery, status: int | None, retry_after_s: float | None
    ) -> tuple[bool, float | None]:
        """Update the window after an attempt. Return whether it succeeded, else the pause before a retry, if any."""
        if status is not None and retry_policy.is_success(status):
            self._recovered = self._window.succeed(delivery) or self._recovered
            return True, None
        pause_s = retry_policy.retry_pause_s(
            delivery.attempts + 1,
            self._settings.webhook_retry_s,
            random_fraction=random.random(),  # noqa: S311
            retry_after_s=retry_after_s,
        )
        if status == retry_policy.GONE:
            pause_s = None
        self._stopped = self._stopped or pause_s is None
        self._window.fail(delivery, due=self._loop.time() + (pause_s or 0.0))
        return False, pause_s

    async def _record_results(self) -> None:
        """Record results in a transaction. Errors: `LeaseLost`, also when this pauses the endpoint."""
        results = self._take_results()
        state = self._endpoint_state(results)
        async with self._database.transaction(notify=False) as session:
            await delivery_queue.record_attempts(session, self.lease, results, state)
        for result in results:
            DELIVERY_ATTEMPTS.labels("ok" if result.delivered else "failed").inc()
        if state.status != self._status:
            log.info(
                "endpoint status changed",
                endpoint=str(self.endpoint_id),
                status=state.status,
                reason=state.paused_reason,
            )
        self._status = state.status
        if state.paused_reason:
            raise LeaseLost

    def _endpoint_state(self, results: Sequence[AttemptResult]) -> EndpointState:
        reason = paused_reason(results)
        status = "PAUSED" if reason else "RETRYING" if self._window.is_failing else "ACTIVE"
        recovered, self._recovered = self._recovered, False
        wait_s = self._window.down_until - self._loop.time()
        next_at = clock.now() + timedelta(seconds=wait_s) if self._window.is_down else None
        return EndpointState(status, self._window.failures, next_at, reason, recovered)

    def _take_results(self) -> list[AttemptResult]:
        """Take the first result of each delivery; a second one of the same delivery is recorded the next time."""
        first: dict[int, AttemptResult] = {}
        self._results = [
            result for result in self._results if first.setdefault(result.delivery_id, result) is not result
        ]
        return list(first.values())


def paused_reason(results: Sequence[AttemptResult]) -> str | None:
    """Return why the endpoint has to be paused: it is gone, or a delivery has no retries left."""
    for result in results:
        if not result.delivered and result.next_at is None:
            return "GONE" if result.status == retry_policy.GONE else "EXHAUSTED"
    return None
