"""Hints through Valkey: "look now". They only shorten waits; every one of them may be lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from redis.asyncio import Redis
from redis.exceptions import ConnectionError, RedisError

COMMITTED = "uriba:committed"
"""Somebody committed events: the relay looks."""

NUMBERED = "uriba:numbered"
"""The feed has grown: subscriptions look."""

KEYS = "uriba:keys"
"""A key was revoked: caches of keys are emptied."""

RETRY_S = 0.5

SILENT_S = 2.0
"""A listener that heard nothing for so long asks whether Valkey is there; after as long without an answer it is not."""

log = structlog.get_logger()


class Hints:
    """Publishes and follows hints; without Valkey it is silent, and polling does the work."""

    def __init__(self, url: str) -> None:
        self.redis: Redis = Redis.from_url(url, socket_timeout=2, socket_connect_timeout=1)
        self._unsaid: set[str] = set()
        self._speaker: asyncio.Task[None] | None = None

    def say(self, channel: str) -> None:
        """Give the hint soon, without waiting for it; many at once become one."""
        self._unsaid.add(channel)
        if self._speaker is None or self._speaker.done():
            self._speaker = asyncio.create_task(self._speak())

    async def _speak(self) -> None:
        while self._unsaid:
            await self.say_now(self._unsaid.pop())

    async def say_now(self, channel: str) -> None:
        """Give the hint and wait for it; without Valkey it is not given."""
        try:
            await self.redis.publish(channel, "")
        except (RedisError, OSError) as error:
            log.debug("hint not given", channel=channel, error=str(error))

    async def follow(self, channels: set[str], react: Callable[[str], Awaitable[None]]) -> None:
        """Call `react` with the channel of every hint, for ever; reconnects by itself.

        Also with every channel when it is listened to, first and again: what was said before, nobody heard.
        """
        while True:
            try:
                await self._listen(channels, react)
            except (RedisError, OSError) as error:
                _end_where_cancelled()
                log.debug("hints not heard", error=str(error))
            await asyncio.sleep(RETRY_S)

    async def _listen(self, channels: set[str], react: Callable[[str], Awaitable[None]]) -> None:
        async with self.redis.pubsub() as listener:
            await listener.subscribe(*channels)
            _end_where_cancelled()
            asked = False
            while True:
                # With no time given, redis-py takes two quiet seconds for a loss, and hints are lost until it is back.
                message = await listener.get_message(timeout=SILENT_S)
                if message is not None and message["type"] != "pong":
                    await react(message["channel"].decode())
                elif message is None and asked:
                    raise ConnectionError("Valkey does not answer.")
                elif message is None:
                    await listener.ping()
                asked = message is None

    async def close(self) -> None:
        if self._speaker is not None:
            self._speaker.cancel()
        await self.redis.aclose()


def _end_where_cancelled() -> None:
    """redis-py lets an error of its own take the place of a cancellation that finds it connecting.

    Errors: `CancelledError`.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
