"""Faults of the event path with real processes: every event arrives, in order per subject, under one id."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any, cast

import pytest
from asyncpg import InterfaceError, PostgresError
from evidence import Verdict, feed_after, judge, table_after
from fleet import Fleet, fleet
from plan import Follower, Trade
from receiver import SINS, Receiver, receiving

from patience import eventually
from shop import ERRORS, Shop, open_shop
from uriba import invariants
from uriba.core import ids

pytestmark = pytest.mark.timeout(400)

SEED = int(os.environ.get("URIBA_FAULT_SEED", "20261123"))
RECOVERY_S = 60
UNTIL_S = 90
"""A worker that stands still may hold a lock for as long as PostgreSQL leaves its transaction idle: 10 s."""

TRADED = 12
"""Operations before and after a fault."""

CREATE = f"mutation ($i: EndpointInput!) {{ endpointCreate(input: $i) {{ endpoint {{ id }} secret {ERRORS} }} }}"
DELETE = f"mutation ($id: ID!) {{ endpointDelete(id: $id) {{ {ERRORS} }} }}"


class Scene:
    """A fleet at work, a shop in trade, and somebody who is told of it."""

    def __init__(self, hub: Fleet, shop: Shop, trade: Trade, receiver: Receiver, endpoint_id: str) -> None:
        self.hub, self.shop, self.trade, self.receiver = hub, shop, trade, receiver
        self.endpoint_id = endpoint_id
        self.start, self.cursor = 0, ""
        self.dice = random.Random(SEED)

    async def waiting(self) -> int:
        """How many events were committed and have not been taken by the receiver."""
        taken = {got.id for got in self.receiver.got if got.taken}
        return len(await table_after(self.hub.database, self.start) - taken)

    async def until(self, wanted: Callable[[], Awaitable[bool]]) -> None:
        await eventually(wanted, within_s=UNTIL_S)

    async def until_traded(self, operations: int = TRADED) -> None:
        """Wait until so many more operations were answered."""
        before = self.trade.done

        async def look() -> bool:
            return self.trade.done >= before + operations

        await self.until(look)

    async def until_hit(self, count: Callable[[], int], more: int = 1) -> None:
        """Wait until a fault has hit so many."""
        before = count()

        async def look() -> bool:
            return count() >= before + more

        await self.until(look)

    async def until_waiting(self, events: int = 5) -> None:
        async def look() -> bool:
            return await self.waiting() >= events

        await self.until(look)

    async def fence(self) -> int:
        """How many dispatchers have held the endpoint."""
        async with self.hub.database.reading() as session:
            key = ids.uuid(self.endpoint_id, "Endpoint")
            return int(await session.fetchval("SELECT fence FROM endpoint WHERE id = $1", key))


Fault = Callable[[Scene], Awaitable[int]]
"""Does its harm while trade goes on; how often it bit."""


async def worker_killed(scene: Scene) -> int:
    """Killed between commit and send: it stands still while events are committed, and never comes back."""
    hub, bitten = scene.hub, 0
    for _ in range(3):
        for worker in hub.workers:
            hub.freeze(worker)
        await scene.until_waiting()
        for worker in list(hub.workers):
            hub.kill(worker)
        bitten += await scene.waiting()
        await hub.start(workers=2)
        await scene.until_traded()
    return bitten


async def three_dispatchers(scene: Scene) -> int:
    """Three relays and dispatchers. All of them stand still until another one has taken over, so that whoever held the
    endpoint goes on with a lease that is over; then one is killed.
    """
    hub, before = scene.hub, await scene.fence()
    await hub.start(workers=3)
    for _ in range(2):
        await hub.workers_at_work()
        frozen, held = list(hub.workers), await scene.fence()
        for worker in frozen:
            hub.freeze(worker)
        await hub.start(workers=4)

        async def taken_over(held: int = held) -> bool:
            return await scene.fence() > held

        await scene.until(taken_over)
        for worker in frozen:
            hub.thaw(worker)
        await scene.until_traded()
        hub.kill(scene.dice.choice(frozen))
    return await scene.fence() - before


async def valkey_emptied(scene: Scene) -> int:
    from redis.asyncio import Redis

    assert scene.hub.settings.valkey_url
    gone = 0
    async with Redis.from_url(scene.hub.settings.valkey_url) as valkey:
        for _ in range(5):
            keys = cast(int, await valkey.dbsize())
            gone += keys
            await valkey.flushall()
            await asyncio.sleep(0.3)
    return gone


async def valkey_gone(scene: Scene) -> int:
    return await _wire(scene, scene.hub.to_valkey)


async def postgres_gone(scene: Scene) -> int:
    return await _wire(scene, scene.hub.to_postgres)


async def _wire(scene: Scene, wire: Any) -> int:
    """Cut for some seconds, then silent, then slow."""
    before = wire.hit
    wire.cut()
    await scene.until_hit(lambda: wire.hit, 3)
    await asyncio.sleep(2)
    wire.mend()
    wire.slow(0.05)
    await scene.until_hit(lambda: wire.hit, 3)
    wire.mend()
    wire.swallow()
    await scene.until_hit(lambda: wire.hit)
    await asyncio.sleep(1)
    wire.mend()
    return int(wire.hit - before)


async def postgres_restarted(scene: Scene) -> int:
    """Every connection is broken off; the time of the server's start says that it bit."""

    async def started() -> object:
        async with scene.hub.database.reading() as session:
            return await session.fetchval("SELECT pg_postmaster_start_time()")

    before = await started()
    await scene.hub.restart_postgres()

    async def another() -> bool:
        with suppress(OSError, PostgresError, InterfaceError):
            return await started() != before
        return False

    await scene.until(another)
    return 1


def sinner(sin: str) -> Fault:
    async def fault(scene: Scene) -> int:
        receiver = scene.receiver
        receiver.sin = sin
        await scene.until_hit(lambda: receiver.hit[sin], 3)
        await asyncio.sleep(scene.dice.uniform(1, 2))
        receiver.sin = None
        return receiver.hit[sin]

    fault.__name__ = sin.replace(" ", "_")
    return fault


@pytest.fixture(scope="module")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fleet]:
    async with fleet(tmp_path_factory.mktemp("fleet")) as found:
        await found.start(workers=2)
        yield found


async def settled(scene: Scene) -> Verdict:
    """What the receiver holds once all of it has come, or when its time is over."""
    end = asyncio.get_running_loop().time() + RECOVERY_S
    while True:
        feed = await feed_after(scene.shop.staff, scene.cursor)
        verdict = judge(scene.receiver, feed)
        whole = set(feed.values()) == await table_after(scene.hub.database, scene.start)
        if (whole and verdict.clean) or asyncio.get_running_loop().time() > end:
            assert whole, "the feed's pages and its table differ"
            return verdict
        await asyncio.sleep(0.3)


async def play(hub: Fleet, *faults: Fault) -> None:
    """Trade, do the harm, close, wait, and look."""
    shop = await open_shop(hub)  # type: ignore[arg-type]
    trade = Trade(shop, SEED)
    await trade.open()
    await quiet(hub)
    cursor = (await shop.staff.run("{ feed { end } }"))["feed"]["end"]
    async with hub.database.reading() as session:
        start = int(await session.fetchval("SELECT position FROM feed"))
    async with receiving() as receiver:
        made = await shop.staff.do(CREATE, i={"url": receiver.url})
        assert not made["errors"], made
        receiver.secret = made["secret"]
        scene = Scene(hub, shop, trade, receiver, made["endpoint"]["id"])
        scene.start, scene.cursor = start, cursor
        await hub.workers_at_work()
        follower = Follower(trade)
        trading, following = asyncio.create_task(trade.run()), asyncio.create_task(follower.run())
        try:
            await scene.until_traded()
            bitten = {fault.__name__: await fault(scene) for fault in faults}
            await scene.until_traded()
        finally:
            trade.close()
            await trading
        verdict = await settled(scene)
        newest = await trade.version()

        async def shown() -> bool:
            return follower.shown >= newest

        await scene.until(shown)
        following.cancel()
        assert follower.backwards == 0
        assert receiver.inward == 0
        await shop.staff.do(DELETE, id=made["endpoint"]["id"])
    report(bitten, trade, receiver, verdict)
    assert all(bitten.values()), f"a fault that hit nobody shows nothing: {bitten}"
    assert verdict.clean, verdict
    assert receiver.unsigned == 0
    await shop.close()
    broken = [f for f in await invariants.check(hub.database) if f.rows]
    assert not broken, [(f.invariant.name, f.examples) for f in broken]


async def quiet(hub: Fleet) -> None:
    async def look() -> bool:
        async with hub.database.reading() as session:
            return not await session.fetchval("SELECT count(*) FROM outbox_event WHERE position IS NULL")

    await eventually(look, within_s=RECOVERY_S)


def report(bitten: dict[str, int], trade: Trade, receiver: Receiver, verdict: Verdict) -> None:
    hits = ", ".join(f"{name} hit {hits} times" for name, hits in bitten.items())
    print(
        f"\nseed {SEED}: {hits}; {trade.done} operations, {trade.failed} calls failed, {len(receiver.got)} requests; "
        f"lost {len(verdict.lost)}, doubled {len(verdict.doubled)}, reordered {len(verdict.reordered)}"
    )


FAULTS: tuple[Fault, ...] = (
    worker_killed,
    three_dispatchers,
    valkey_emptied,
    valkey_gone,
    postgres_gone,
    postgres_restarted,
    *(sinner(sin) for sin in SINS),
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_every_event_arrives(hub: Fleet, fault: Fault) -> None:
    await play(hub, fault)


async def test_without_valkey_and_arq(hub: Fleet) -> None:
    hub.end()
    hub.with_valkey = False
    await hub.start(workers=2)

    await play(hub, worker_killed, sinner(SINS[0]))
