"""The dispatcher of one process: takes endpoints that nobody sends for, and sends for them while their leases last."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from uuid import UUID

import structlog

from uriba.config import Settings
from uriba.db import Database, Row
from uriba.db.session import await_uncancelled
from uriba.outbound.client import Client
from uriba.outbox.hints import NUMBERED, Hints
from uriba.webhooks.catch_up import Courtesy
from uriba.webhooks.delivery_queue import Lost
from uriba.webhooks.feed_cache import EncodedFeedCache
from uriba.webhooks.sender import Sender

log = structlog.get_logger()

HELD_MAX = 1_000
"""Endpoints of one process; more are for others."""

POLL_S = 0.5
PAUSE_S = 0.5


class Dispatcher:
    """Any number may run: a lease with a fence makes each endpoint one's own."""

    def __init__(self, database: Database, hints: Hints, settings: Settings) -> None:
        self._database = database
        self._hints = hints
        self._settings = settings
        self._feed_cache = EncodedFeedCache(database)
        self._courtesy = Courtesy()
        self._senders: dict[UUID, tuple[Sender, asyncio.Task[None]]] = {}
        self._woken = asyncio.Event()

    async def run(self) -> None:
        """Send until cancelled; then the endpoints are free for others at once."""
        listener = asyncio.create_task(self._hints.follow({NUMBERED}, self._wake))
        async with Client(self._settings) as client:
            try:
                while True:
                    await self._turn(client)
            finally:
                listener.cancel()
                await self._leave()

    async def _wake(self, _: str) -> None:
        self._woken.set()

    async def _turn(self, client: Client) -> None:
        """Hold what can be held, hand on what is new in the feed, until it is time to look at the leases again."""
        loop = asyncio.get_running_loop()
        until = loop.time() + POLL_S
        try:
            await self._hold(client)
            while (left := until - loop.time()) > 0:
                self._woken.clear()
                await self._hand_on()
                with suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        await self._woken.wait()
        except Exception as error:
            log.warning("dispatch paused", error=str(error))
            await asyncio.sleep(PAUSE_S)

    async def _hand_on(self) -> None:
        if not self._senders:
            self._feed_cache.clear()
            return
        while await self._feed_cache.read_new():
            for sender, _ in self._senders.values():
                sender.wake()

    async def _hold(self, client: Client) -> None:
        """Renew leases, let go of those that are lost, take endpoints that are free."""
        loop = asyncio.get_running_loop()
        asked = loop.time()
        term, fences = self._settings.webhook_lease_s, [sender.held.fence for sender, _ in self._senders.values()]
        async with self._database.transaction(notify=False) as session:
            held = await session.fetch(_RENEW, list(self._senders), fences, term)
            free = await session.fetch(_CLAIM, term, HELD_MAX - len(held))
        kept = {row["id"] for row in held}
        for endpoint_id, (sender, task) in list(self._senders.items()):
            if endpoint_id not in kept:
                task.cancel()
                del self._senders[endpoint_id]
            sender.lease_until = asked + term
        for row in free:
            self._start(row, client, asked + term)

    def _start(self, endpoint: Row, client: Client, lease_until: float) -> None:
        sender = Sender(
            endpoint,
            database=self._database,
            settings=self._settings,
            client=client,
            feed_cache=self._feed_cache,
            courtesy=self._courtesy,
            lease_until=lease_until,
        )
        self._senders[sender.held.id] = (sender, asyncio.create_task(self._send(sender)))

    async def _send(self, sender: Sender) -> None:
        """One that fails is begun anew by whoever takes the endpoint next."""
        try:
            await sender.run()
        except Lost:
            log.debug("endpoint let go", endpoint=str(sender.held.id))
        except Exception as error:
            log.warning("sending paused", endpoint=str(sender.held.id), error=str(error))
            await asyncio.sleep(PAUSE_S)
            with suppress(Exception):
                await self._free([sender])
        if self._senders.get(sender.held.id, (None, None))[0] is sender:
            del self._senders[sender.held.id]

    async def _free(self, senders: list[Sender]) -> None:
        async with self._database.transaction(notify=False) as session:
            await session.run(_FREE, [sender.held.id for sender in senders], [sender.held.fence for sender in senders])

    async def _leave(self) -> None:
        held = list(self._senders.values())
        for _, task in held:
            task.cancel()
        await await_uncancelled(asyncio.gather(*(task for _, task in held), return_exceptions=True))
        with suppress(Exception):
            await await_uncancelled(self._free([sender for sender, _ in held]))


_HELD = "unnest($1::uuid[], $2::bigint[]) AS h(id, fence) WHERE e.id = h.id AND e.fence = h.fence"

_RENEW = f"""
    UPDATE endpoint e SET lease_until = now() + make_interval(secs => $3) FROM {_HELD}
    AND e.deleted_at IS NULL AND e.status <> 'PAUSED' RETURNING e.id
"""

_FREE = f"UPDATE endpoint e SET lease_until = NULL FROM {_HELD}"

_CLAIM = """
    UPDATE endpoint SET lease_until = now() + make_interval(secs => $1), fence = fence + 1 WHERE id IN (
        SELECT id FROM endpoint WHERE deleted_at IS NULL AND status <> 'PAUSED'
            AND (lease_until IS NULL OR lease_until < now())
        ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED
    ) RETURNING *
"""
