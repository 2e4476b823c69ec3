"""Hints: given soon, heard again after a loss, and never waited for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from wire import wire_to

from uriba.outbox import hints as hinting
from uriba.outbox.hints import Hints
from waiting import eventually

if TYPE_CHECKING:
    from conftest import RunningHub

NOWHERE = "redis://127.0.0.1:1"
"""An address where no Valkey is."""


async def test_many_hints_at_once_become_one(hub: RunningHub) -> None:
    assert hub.settings.valkey_url
    said: list[str] = []
    hints = Hints(hub.settings.valkey_url)

    async def count(channel: str, _: object) -> None:
        said.append(channel)

    hints.redis.publish = count  # type: ignore[method-assign,assignment]
    for _ in range(500):
        hints.publish("uriba:one")
        hints.publish("uriba:two")
    assert hints._publisher is not None
    await hints._publisher

    assert sorted(said) == ["uriba:one", "uriba:two"]
    await hints.close()


async def test_without_valkey_a_hint_is_not_given_and_nobody_fails() -> None:
    hints = Hints(NOWHERE)

    hints.publish("uriba:test")
    assert hints._publisher is not None
    await hints._publisher
    await hints.publish_now("uriba:test")

    assert hints._publisher.exception() is None
    await hints.close()


async def test_a_listener_hears_again_after_valkey_was_away(hub: RunningHub) -> None:
    assert hub.settings.valkey_url
    heard: list[str] = []

    async def react(channel: str) -> None:
        heard.append(channel)

    async def said_and_heard() -> bool:
        await hints.publish_now("uriba:test")
        return bool(heard)

    async with wire_to(hub.settings.valkey_url) as wire:
        hints = Hints(wire.url)
        listening = asyncio.create_task(hints.follow({"uriba:test"}, react))
        await eventually(said_and_heard)

        await wire.cut()
        await hints.publish_now("uriba:test")
        heard.clear()
        await wire.mend()

        await eventually(said_and_heard)
        assert set(heard) == {"uriba:test"}
        assert not listening.done()
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await hints.close()


async def test_a_listener_that_hears_nothing_for_long_hears_the_next_hint(
    hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It asks whether Valkey is there, over the one connection that it has, and each hint is said once."""
    assert hub.settings.valkey_url
    monkeypatch.setattr(hinting, "SILENT_S", 0.05)
    heard: asyncio.Queue[str] = asyncio.Queue()

    async with wire_to(hub.settings.valkey_url) as wire:
        hints, speaker = Hints(f"{wire.url}?socket_timeout=0.2"), Hints(hub.settings.valkey_url)
        listening = asyncio.create_task(hints.follow({"uriba:quiet"}, heard.put))
        async with asyncio.timeout(20):
            assert await heard.get() == "uriba:quiet", "it listens"
            for _ in range(3):
                await wire.carried(b"PING", times=10)
                await speaker.publish_now("uriba:quiet")
                assert await heard.get() == "uriba:quiet"

        assert wire.opened == 1
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await hints.close()
        await speaker.close()


async def test_a_listener_whose_valkey_says_nothing_any_more_listens_anew(
    hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither side ends the connection: what was said meanwhile is made up for by looking once."""
    assert hub.settings.valkey_url
    monkeypatch.setattr(hinting, "SILENT_S", 0.05)
    heard: asyncio.Queue[str] = asyncio.Queue()

    async with wire_to(hub.settings.valkey_url) as wire:
        hints = Hints(wire.url)
        listening = asyncio.create_task(hints.follow({"uriba:mute"}, heard.put))
        async with asyncio.timeout(20):
            assert await heard.get() == "uriba:mute", "it listens"
            wire.mute()
            assert await heard.get() == "uriba:mute", "it listens again"

        assert wire.opened == 2
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await hints.close()


async def test_a_listener_ends_whenever_it_is_told_to(hub: RunningHub) -> None:
    """Also while it connects: redis-py may answer a cancellation there with an error of its own."""
    assert hub.settings.valkey_url
    hints = Hints(hub.settings.valkey_url)

    async def react(_: str) -> None:
        return

    async def ended(after_s: float) -> None:
        listening = asyncio.create_task(hints.follow({"uriba:test"}, react))
        await asyncio.sleep(after_s)
        listening.cancel()
        await asyncio.wait({listening})

    async with asyncio.timeout(20):
        for n in range(40):
            await asyncio.gather(*(ended((n * 5 + k) / 50_000) for k in range(5)))
    await hints.close()
