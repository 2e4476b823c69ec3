"""Hints through Valkey that something changed. They only shorten waits; any of them may be lost.

Valkey's channels are shared by all of its databases. So the name of a channel has the number of the URL's database:
hubs that share a server and have a database each do not wake each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from redis.asyncio import Redis
from redis.exceptions import ConnectionError, RedisError

COMMITTED = "committed"
"""Events were committed: the relay has work."""

NUMBERED = "numbered"
"""The feed has new events: subscriptions and dispatchers have work."""

KEYS = "keys"
"""A key was revoked: caches of keys are stale."""

RETRY_S = 0.5

SILENT_S = 2.0
"""After this time without a message a listener pings Valkey; after the same time without an answer it reconnects."""

log = structlog.get_logger()


class Hints:
    """Publishes and follows hints. Without Valkey it does nothing, and polling does the work."""

    def __init__(self, url: str) -> None:
        self.redis: Redis = Redis.from_url(url, socket_timeout=2, socket_connect_timeout=1)
        self._prefix = f"uriba:{self.redis.get_connection_kwargs().get('db') or 0}:"
        self._unpublished: set[str] = set()
        self._publisher: asyncio.Task[None] | None = None

    def channel(self, hint: str) -> str:
        """Return the name of the Valkey channel of a hint."""
        return self._prefix + hint

    def publish(self, hint: str) -> None:
        """Publish a hint soon, without waiting for it; several at once become one."""
        self._unpublished.add(hint)
        if self._publisher is None or self._publisher.done():
            self._publisher = asyncio.create_task(self._publish_all())

    async def _publish_all(self) -> None:
        while self._unpublished:
            await self.publish_now(self._unpublished.pop())

    async def publish_now(self, hint: str) -> None:
        """Publish a hint and wait for it; without Valkey it is lost."""
        try:
            await self.redis.publish(self.channel(hint), "")
        except (RedisError, OSError) as error:
            log.debug("hint not published", hint=hint, error=str(error))

    async def follow(self, hints: set[str], react: Callable[[str], Awaitable[None]]) -> None:
        """Call `react` with every hint of these, for ever; reconnect after every failure.

        `react` is also called with each of them after each connect, because hints before it were missed.
        """
        while True:
            try:
                await self._listen(hints, react)
            except (RedisError, OSError) as error:
                _raise_if_cancelled()
                log.debug("hints not received", error=str(error))
            await asyncio.sleep(RETRY_S)

    async def _listen(self, hints: set[str], react: Callable[[str], Awaitable[None]]) -> None:
        async with self.redis.pubsub() as listener:
            await listener.subscribe(*map(self.channel, hints))
            _raise_if_cancelled()
            pinged = False
            while True:
                # Without a timeout redis-py takes two quiet seconds for a lost connection, and hints are missed.
                message = await listener.get_message(timeout=SILENT_S)
                if message is not None and message["type"] != "pong":
                    await react(message["channel"].decode().removeprefix(self._prefix))
                elif message is None and pinged:
                    raise ConnectionError("Valkey does not answer.")
                elif message is None:
                    await listener.ping()
                pinged = message is None

    async def close(self) -> None:
        if self._publisher is not None:
            self._publisher.cancel()
        await self.redis.aclose()


def _raise_if_cancelled() -> None:
    """Raise the cancellation that redis-py replaced by an error of its own while it was connecting.

    Errors: `CancelledError`.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
