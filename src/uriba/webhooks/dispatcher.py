"""The dispatcher of one process: it leases endpoints that no process sends for, and runs a sender for each of them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from uuid import UUID

import structlog

from uriba.config import Settings
from uriba.db import Database
from uriba.db.session import await_uncancelled
from uriba.outbound.client import OutboundClient
from uriba.outbox.hints import NUMBERED, Hints
from uriba.webhooks import leases
from uriba.webhooks.catch_up import CatchUpPause
from uriba.webhooks.feed_cache import EncodedFeedCache
from uriba.webhooks.leases import LeasedEndpoint, LeaseLost
from uriba.webhooks.sender import Sender

log = structlog.get_logger()

ENDPOINTS_MAX = 1_000
"""Endpoints that one process sends for; other processes lease the rest."""

POLL_S = 0.5
"""How often leases are renewed and free endpoints are looked for, and how often the feed is read without a hint."""

RETRY_S = 0.5
"""The pause after an error."""


class Dispatcher:
    """Sends webhooks. Any number of processes may run one: leases divide the endpoints among them."""

    def __init__(self, database: Database, hints: Hints, settings: Settings) -> None:
        self._database = database
        self._hints = hints
        self._settings = settings
        self._feed_cache = EncodedFeedCache(database)
        self._catch_up_pause = CatchUpPause()
        self._senders: dict[UUID, tuple[Sender, asyncio.Task[None]]] = {}
        self._feed_changed = asyncio.Event()

    async def run(self) -> None:
        """Send until cancelled; then release all leases."""
        listener = asyncio.create_task(self._hints.follow({NUMBERED}, self._on_hint))
        async with OutboundClient(self._settings) as client:
            try:
                while True:
                    await self._run_once(client)
            finally:
                listener.cancel()
                await self._stop_senders()

    async def _on_hint(self, _: str) -> None:
        self._feed_changed.set()

    async def _run_once(self, client: OutboundClient) -> None:
        """Renew and claim leases, then read the feed for the senders until the next renewal."""
        loop = asyncio.get_running_loop()
        until = loop.time() + POLL_S
        try:
            await self._update_leases(client)
            while (left := until - loop.time()) > 0:
                self._feed_changed.clear()
                await self._read_feed()
                with suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        await self._feed_changed.wait()
        except Exception as error:
            log.warning("dispatcher failed and retries", error=str(error))
            await asyncio.sleep(RETRY_S)

    async def _read_feed(self) -> None:
        if not self._senders:
            self._feed_cache.clear()
            return
        while await self._feed_cache.read_new():
            for sender, _ in self._senders.values():
                sender.wake()

    async def _update_leases(self, client: OutboundClient) -> None:
        """Renew leases, stop senders whose lease is lost, and start senders for free endpoints."""
        loop = asyncio.get_running_loop()
        asked_at, term_s = loop.time(), self._settings.webhook_lease_s
        async with self._database.transaction(notify=False) as session:
            renewed = await leases.renew(session, [sender.lease for sender, _ in self._senders.values()], term_s=term_s)
            claimed = await leases.claim(session, term_s=term_s, limit=ENDPOINTS_MAX - len(renewed))
        for endpoint_id, (sender, task) in list(self._senders.items()):
            if endpoint_id not in renewed:
                task.cancel()
                del self._senders[endpoint_id]
            sender.lease_until = asked_at + term_s
        for endpoint in claimed:
            self._start_sender(endpoint, client, asked_at + term_s)

    def _start_sender(self, endpoint: LeasedEndpoint, client: OutboundClient, lease_until: float) -> None:
        sender = Sender(
            endpoint,
            database=self._database,
            settings=self._settings,
            client=client,
            feed_cache=self._feed_cache,
            catch_up_pause=self._catch_up_pause,
            lease_until=lease_until,
        )
        self._senders[sender.endpoint_id] = (sender, asyncio.create_task(self._run_sender(sender)))

    async def _run_sender(self, sender: Sender) -> None:
        """Run a sender. After an error its lease is released, so that it or another process starts anew."""
        try:
            await sender.run()
        except LeaseLost:
            log.debug("lease of endpoint lost", endpoint=str(sender.endpoint_id))
        except Exception as error:
            log.warning("sender failed and restarts", endpoint=str(sender.endpoint_id), error=str(error))
            await asyncio.sleep(RETRY_S)
            with suppress(Exception):
                await self._release([sender])
        if self._senders.get(sender.endpoint_id, (None, None))[0] is sender:
            del self._senders[sender.endpoint_id]

    async def _release(self, senders: list[Sender]) -> None:
        async with self._database.transaction(notify=False) as session:
            await leases.release(session, [sender.lease for sender in senders])

    async def _stop_senders(self) -> None:
        running = list(self._senders.values())
        for _, task in running:
            task.cancel()
        await await_uncancelled(asyncio.gather(*(task for _, task in running), return_exceptions=True))
        with suppress(Exception):
            await await_uncancelled(self._release([sender for sender, _ in running]))
