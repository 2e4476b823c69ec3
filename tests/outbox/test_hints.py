"""Hints: published soon, received again after a loss, and never waited for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.support.valkey_proxy import valkey_proxy
from tests.support.waiting import wait_until
from uriba.outbox import hints as hints_module
from uriba.outbox.hints import Hints

if TYPE_CHECKING:
    from tests.support.hub import RunningHub

NO_VALKEY = "redis://127.0.0.1:1"
"""An address without a Valkey."""

SILENT_S = 0.5
"""Long enough for Valkey's answer to a ping, also on a busy machine."""


async def test_many_hints_at_once_become_one(hub: RunningHub) -> None:
    assert hub.settings.valkey_url
    published: list[str] = []
    hints = Hints(hub.settings.valkey_url)

    async def record(channel: str, _: object) -> None:
        published.append(channel)

    hints.redis.publish = record  # type: ignore[method-assign,assignment]
    for _ in range(500):
        hints.publish("one")
        hints.publish("two")
    assert hints._publisher is not None
    await hints._publisher

    assert sorted(published) == [hints.channel("one"), hints.channel("two")]
    await hints.close()


async def test_publishing_without_valkey_raises_nothing() -> None:
    hints = Hints(NO_VALKEY)

    hints.publish("test")
    assert hints._publisher is not None
    await hints._publisher
    await hints.publish_now("test")

    assert hints._publisher.exception() is None
    await hints.close()


async def test_hints_of_one_database_of_valkey_do_not_reach_another(hub: RunningHub) -> None:
    received: dict[int, asyncio.Queue[str]] = {}
    tasks: list[asyncio.Task[None]] = []

    async with valkey_proxy(hub.settings.valkey_url or "") as proxy:
        hints = {number: Hints(proxy.url_of(number)) for number in (14, 15)}
        for number, one in hints.items():
            received[number] = asyncio.Queue()
            tasks.append(asyncio.create_task(one.follow({"first", "last"}, received[number].put)))
            assert {await received[number].get(), await received[number].get()} == {"first", "last"}, "it follows"
        await hints[14].publish_now("first")
        await hints[15].publish_now("last")

        assert await received[14].get() == "first"
        assert await received[15].get() == "last", "the hint first was published before and did not come"
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for one in hints.values():
            await one.close()


@pytest.mark.parametrize(
    ("url", "channel"),
    [
        ("redis://127.0.0.1:1", "uriba:0:test"),
        ("redis://127.0.0.1:1/3", "uriba:3:test"),
        ("unix:///tmp/valkey.sock", "uriba:0:test"),
        ("unix:///tmp/valkey.sock?db=7", "uriba:7:test"),
    ],
)
async def test_the_channel_of_a_hint_has_the_number_of_the_database(url: str, channel: str) -> None:
    hints = Hints(url)

    assert hints.channel("test") == channel
    await hints.close()


async def test_a_follower_receives_hints_again_after_valkey_was_away(hub: RunningHub) -> None:
    assert hub.settings.valkey_url
    received: list[str] = []

    async def react(channel: str) -> None:
        received.append(channel)

    async def publish_and_receive() -> bool:
        await hints.publish_now("test")
        return bool(received)

    async with valkey_proxy(hub.settings.valkey_url) as proxy:
        hints = Hints(proxy.url)
        following = asyncio.create_task(hints.follow({"test"}, react))
        await wait_until(publish_and_receive)

        await proxy.cut()
        await hints.publish_now("test")
        received.clear()
        await proxy.listen()

        await wait_until(publish_and_receive)
        assert set(received) == {"test"}
        assert not following.done()
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await hints.close()


async def test_a_follower_receives_the_next_hint_after_a_long_silence(
    hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It pings Valkey over its one connection, and each hint is received once."""
    assert hub.settings.valkey_url
    monkeypatch.setattr(hints_module, "SILENT_S", SILENT_S)
    received: asyncio.Queue[str] = asyncio.Queue()

    async with valkey_proxy(hub.settings.valkey_url) as proxy:
        hints, publisher = Hints(f"{proxy.url}?socket_timeout={SILENT_S}"), Hints(hub.settings.valkey_url)
        following = asyncio.create_task(hints.follow({"quiet"}, received.put))
        async with asyncio.timeout(20):
            assert await received.get() == "quiet", "it follows"
            for _ in range(2):
                await proxy.wait_until_sent(b"PING", times=2)
                await publisher.publish_now("quiet")
                assert await received.get() == "quiet"

        assert proxy.opened == 1
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await hints.close()
        await publisher.close()


async def test_a_follower_reconnects_when_valkey_stops_answering(
    hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither side ends the connection. The follower reports every channel once to make up for lost hints."""
    assert hub.settings.valkey_url
    monkeypatch.setattr(hints_module, "SILENT_S", SILENT_S)
    received: asyncio.Queue[str] = asyncio.Queue()

    async with valkey_proxy(hub.settings.valkey_url) as proxy:
        hints = Hints(proxy.url)
        following = asyncio.create_task(hints.follow({"mute"}, received.put))
        async with asyncio.timeout(20):
            assert await received.get() == "mute", "it follows"
            proxy.freeze()
            assert await received.get() == "mute", "it follows again"

        assert proxy.opened == 2
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await hints.close()


async def test_a_follower_ends_when_it_is_cancelled(hub: RunningHub) -> None:
    """Also while it connects: redis-py may replace a cancellation there by an error of its own."""
    assert hub.settings.valkey_url
    hints = Hints(hub.settings.valkey_url)

    async def react(_: str) -> None:
        return

    async def ended(after_s: float) -> None:
        following = asyncio.create_task(hints.follow({"test"}, react))
        await asyncio.sleep(after_s)
        following.cancel()
        await asyncio.wait({following})

    async with asyncio.timeout(20):
        for n in range(40):
            await asyncio.gather(*(ended((n * 5 + k) / 50_000) for k in range(5)))
    await hints.close()
