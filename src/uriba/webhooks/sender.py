"""Sending for one endpoint: fill its window from the feed, send, write down what came of it.

The network is never waited for within a transaction. What was sent and not written down is sent again, with its id.
"""

from __future__ import annotations

import asyncio
import base64
import random
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from standardwebhooks import Webhook

from uriba.config import Settings
from uriba.core import clock
from uriba.core.ids import global_id
from uriba.db import Database, Row
from uriba.metrics import DELIVERY_ATTEMPTS, DELIVERY_SECONDS
from uriba.outbound import retry_policy
from uriba.outbound.client import Client, Unreachable
from uriba.webhooks import delivery_queue
from uriba.webhooks.catch_up import Courtesy
from uriba.webhooks.coalescing import body_of, coalesced
from uriba.webhooks.delivery_queue import Held, Lost, Result, Standing
from uriba.webhooks.delivery_window import Waiting, Window
from uriba.webhooks.endpoints import SECRET_PREFIX
from uriba.webhooks.events import TEST, endpoint_subject
from uriba.webhooks.feed_cache import EncodedFeedCache

log = structlog.get_logger()

TAKEN_MAX = 500
"""Rows of the feed that are looked at in one go."""

SAVED_EVERY_S = 1.0
"""How often a place in the feed is written down that nothing was sent for."""

LEASE_LOOK_S = 0.1

UNWRITTEN_MAX = 200
"""Answers that may wait to be written down: so many deliveries a crash sends again at most."""

REST_S = 0.005
"""Answers that come this close together are written down together."""

ANSWER_READ = 0
"""Nothing of an answer but its status is kept."""


class Sender:
    """Sends for one endpoint while its lease lasts. `lease_until`: by the event loop's clock."""

    def __init__(
        self,
        endpoint: Row,
        *,
        database: Database,
        settings: Settings,
        client: Client,
        feed_cache: EncodedFeedCache,
        courtesy: Courtesy,
        lease_until: float,
    ) -> None:
        self.held = Held(endpoint["id"], endpoint["fence"])
        self.lease_until = lease_until
        self._endpoint = endpoint
        self._database = database
        self._settings = settings
        self._client = client
        self._feed_cache = feed_cache
        self._courtesy = courtesy
        self._behind = False
        self._loop = asyncio.get_running_loop()
        self._position: int = endpoint["position"]
        self._saved = (self._position, 0.0)
        self._status: str = endpoint["status"]
        self._window = Window(endpoint["failures"])
        self._partial = False
        self._back = False
        self._over = False
        self._webhooks: list[Webhook] = []
        self._results: list[Result] = []
        self._tries: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()

    def wake(self) -> None:
        self._woken.set()

    async def run(self) -> None:
        """Send until cancelled. Errors: `Lost`; whatever PostgreSQL raises."""
        try:
            await self._load()
            while True:
                self._woken.clear()
                await self._turn()
                if not self._results:
                    await self._rest()
        finally:
            for one in self._tries:
                one.cancel()
            self._courtesy.forget(self.held.id)
            await asyncio.gather(*self._tries, return_exceptions=True)

    async def _turn(self) -> None:
        if self._results:
            await self._record()
        while self._window.room >= TAKEN_MAX // 2 and await self._take():
            pass
        if self._partial and not len(self._window):
            await self._load()
        if self._position > self._saved[0] and self._loop.time() - self._saved[1] >= SAVED_EVERY_S:
            await self._hand_out([], self._position)
        self._begin()

    async def _rest(self) -> None:
        """Wait for the feed, for an answer, or for the time of the next try."""
        try:
            async with asyncio.timeout(self._wait_s()):
                await self._woken.wait()
        except TimeoutError:
            return
        if self._results:
            await asyncio.sleep(REST_S)

    def _wait_s(self) -> float | None:
        now, waits = self._loop.time(), []
        if self._window.under_way < self._settings.webhook_concurrency:
            due, least = self._window.wait_s(now), self._pause_s(now)
            least = least if now < self.lease_until else max(least, LEASE_LOOK_S)
            waits += [] if due is None else [max(due, least)]
        if self._position > self._saved[0]:
            waits.append(SAVED_EVERY_S)
        return min(waits, default=None)

    async def _load(self) -> None:
        """The secrets, and what waited when the last sender left."""
        async with self._database.reading() as session:
            secrets = await delivery_queue.secrets(session, self.held)
            rows = await delivery_queue.pending(session, self.held, limit=self._window.room + 1)
        self._webhooks = [Webhook(SECRET_PREFIX + base64.b64encode(secret).decode()) for secret in secrets]
        self._partial = len(rows) > self._window.room
        # A turn that was given to another while the endpoint was down goes on where it stood.
        self._window.down_until = self._due(self._endpoint["next_at"])
        self._window.add([self._waiting(row) for row in rows[: self._window.room]])

    def _waiting(self, row: Row) -> Waiting:
        return Waiting(
            id=row["delivery"],
            position=row["position"],
            event=global_id("Event", row["id"]),
            subject=row["subject"],
            body=body_of(row, row["first_version"]),
            attempts=row["attempts"],
            due=self._due(row["next_at"]),
        )

    def _due(self, at: datetime | None) -> float:
        """A time by the event loop's clock; 0, which is over, for none."""
        return 0.0 if at is None else self._loop.time() + (at - clock.now()).total_seconds()

    async def _take(self) -> bool:
        """Take more of the feed into the window. Whether there may be more of it."""
        if self._partial:
            return False
        rows = await self._feed_cache.after(self._position, limit=TAKEN_MAX)
        late = clock.now() - timedelta(seconds=self._settings.webhook_coalesce_s)
        self._behind = bool(rows) and rows[0]["at"] < late
        if not rows:
            return False
        chosen = coalesced([row for row in rows if self._wanted(row)], older_than=late)
        self._position = rows[-1]["position"]
        if chosen:
            ids = await self._hand_out(chosen, self._position)
            self._window.add([self._new(ids[row["position"]], row, first) for row, first in chosen])
        return len(rows) == TAKEN_MAX

    def _new(self, delivery_id: int, row: Row, first_version: int) -> Waiting:
        body = self._feed_cache.body(row) if first_version == row["version"] else body_of(row, first_version)
        return Waiting(delivery_id, row["position"], global_id("Event", row["id"]), row["subject"], body)

    def _wanted(self, row: Row) -> bool:
        if row["type"] == TEST:
            return bool(row["subject"] == endpoint_subject(self.held.id))
        types = self._endpoint["types"]
        return types is None or row["type"] in types

    async def _hand_out(self, chosen: Sequence[tuple[Row, int]], until: int) -> dict[int, int]:
        """Errors: `Lost`."""
        async with self._database.transaction(notify=False) as session:
            found = await delivery_queue.hand_out(session, self.held, chosen, until=until)
        self._saved = (until, self._loop.time())
        return found

    def _begin(self) -> None:
        """Start as many tries as may be under way at once."""
        now = self._loop.time()
        free = now < self.lease_until and len(self._results) < UNWRITTEN_MAX and not self._over
        if not free or self._pause_s(now):
            return
        while self._window.under_way < self._settings.webhook_concurrency:
            one = self._window.next(now)
            if one is None:
                return
            if not self._behind:
                self._courtesy.told(self.held.id, now)
            task = asyncio.create_task(self._try(one))
            self._tries.add(task)
            task.add_done_callback(self._tries.discard)

    def _pause_s(self, now: float) -> float:
        """How long to let others go first."""
        return self._courtesy.pause_s(self.held.id, now) if self._behind else 0.0

    async def _try(self, one: Waiting) -> None:
        at, began = clock.now(), time.perf_counter()
        status, problem, asked_s = None, None, None
        try:
            answer = await self._client.send(
                "POST", self._endpoint["url"], body=one.body, headers=self._headers(one, at), keep=ANSWER_READ
            )
            status, asked_s = answer.status, retry_policy.asked_s(answer.headers, at)
        except Unreachable as error:
            problem = error.reason
        took_s = time.perf_counter() - began
        DELIVERY_SECONDS.observe(took_s)
        ended, pause_s = self._settled(one, status, asked_s)
        next_at = None if pause_s is None else clock.now() + timedelta(seconds=pause_s)
        self._results.append(Result(one.id, at, took_s, status, problem, next_at, ended))
        self._woken.set()
        # The next goes while this is written down.
        self._begin()

    def _headers(self, one: Waiting, at: datetime) -> dict[str, str]:
        """Standard Webhooks' headers; a signature for each secret that is valid."""
        text = one.body.decode()
        return {
            "content-type": "application/json",
            "webhook-id": one.event,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": " ".join(webhook.sign(one.event, at, text) for webhook in self._webhooks),
        }

    def _settled(self, one: Waiting, status: int | None, asked_s: float | None) -> tuple[bool, float | None]:
        """Whether a delivery is taken, else the pause before its next try. Its subject's next may go at once."""
        if status is not None and retry_policy.taken(status):
            self._back = self._window.taken(one) or self._back
            return True, None
        dice = random.random()  # noqa: S311
        pause_s = retry_policy.pause_s(one.attempts + 1, self._settings.webhook_retry_s, dice=dice, asked_s=asked_s)
        if status == retry_policy.GONE:
            pause_s = None
        self._over = self._over or pause_s is None
        self._window.failed(one, due=self._loop.time() + (pause_s or 0.0))
        return False, pause_s

    async def _record(self) -> None:
        """Write down what came of tries. Errors: `Lost`, also where the endpoint is paused by that."""
        results = self._first_of_each()
        standing = self._standing(results)
        async with self._database.transaction(notify=False) as session:
            await delivery_queue.record(session, self.held, results, standing)
        for result in results:
            DELIVERY_ATTEMPTS.labels("ok" if result.ended else "failed").inc()
        if standing.status != self._status:
            log.info("endpoint", endpoint=str(self.held.id), status=standing.status, reason=standing.paused_reason)
        self._status = standing.status
        if standing.paused_reason:
            raise Lost

    def _standing(self, results: Sequence[Result]) -> Standing:
        reason = paused_reason(results)
        status = "PAUSED" if reason else "RETRYING" if self._window.failing else "ACTIVE"
        back, self._back = self._back, False
        wait_s = self._window.down_until - self._loop.time()
        next_at = clock.now() + timedelta(seconds=wait_s) if self._window.down else None
        return Standing(status, self._window.failures, next_at, reason, back)

    def _first_of_each(self) -> list[Result]:
        """What is to be written down now; of a delivery that was tried twice meanwhile, the second try comes next."""
        first: dict[int, Result] = {}
        later = [result for result in self._results if first.setdefault(result.delivery_id, result) is not result]
        self._results = later
        return list(first.values())


def paused_reason(results: Sequence[Result]) -> str | None:
    """Why an endpoint is to be paused: it is gone, or a delivery has no tries left."""
    for result in results:
        if not result.ended and result.next_at is None:
            return "GONE" if result.status == retry_policy.GONE else "EXHAUSTED"
    return None
