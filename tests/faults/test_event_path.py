"""Faults of the event path with real processes: every event arrives, in order per subject, under one id."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, cast

import pytest
from asyncpg import InterfaceError, PostgresError
from redis.asyncio import Redis

from tests.support.delivery_check import DeliveryCheck, compare_with_feed, feed_after, table_ids_after
from tests.support.faulty_receiver import FAILURES, FaultyReceiver, faulty_receiver
from tests.support.hub_processes import HubProcesses, hub_processes
from tests.support.shop import ERRORS, Shop, open_shop
from tests.support.waiting import wait_until
from tests.support.workload import CartFollower, Workload
from uriba import invariants
from uriba.core import ids
from uriba.db.statements import statement

pytestmark = [pytest.mark.engines, pytest.mark.timeout(400)]

SEED = int(os.environ.get("URIBA_FAULT_SEED", "20261123"))
RECOVERY_S = 60
RECHECK_S = 0.3
WAIT_S = 90
TAKE_OVER_S = 30
"""A frozen worker may hold a lock until PostgreSQL ends its idle transaction: 10 s."""

OPERATIONS = 12
"""Operations before and after a fault."""

REFUSED = 40
"""Connections that are refused before an engine can be reached again."""

CREATE = f"mutation ($i: EndpointInput!) {{ endpointCreate(input: $i) {{ endpoint {{ id }} secret {ERRORS} }} }}"
DELETE = f"mutation ($id: ID!) {{ endpointDelete(id: $id) {{ {ERRORS} }} }}"

_FENCE = statement("SELECT fence FROM endpoint WHERE id = :endpoint_id")
_STARTED_AT = statement("SELECT pg_postmaster_start_time()")
_FEED_END = statement("SELECT position FROM feed")
_UNNUMBERED = statement("SELECT count(*) FROM outbox_event WHERE position IS NULL")


class Scenario:
    """Running processes, a workload, and a receiver of its events."""

    def __init__(
        self, hub: HubProcesses, shop: Shop, workload: Workload, receiver: FaultyReceiver, endpoint_id: str
    ) -> None:
        self.hub, self.shop, self.workload, self.receiver = hub, shop, workload, receiver
        self.endpoint_id = endpoint_id
        self.start, self.cursor = 0, ""
        self.rng = random.Random(SEED)

    async def undelivered(self) -> int:
        """Return how many events are committed and not accepted by the receiver."""
        accepted = {request.id for request in self.receiver.requests if request.accepted}
        return len(await table_ids_after(self.hub.database, self.start) - accepted)

    async def wait_until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        await wait_until(condition, within_s=WAIT_S)

    async def wait_for_operations(self, operations: int = OPERATIONS) -> None:
        """Wait until this many more operations succeeded."""
        before = self.workload.done

        async def look() -> bool:
            return self.workload.done >= before + operations

        await self.wait_until(look)

    async def wait_for_affected(self, count: Callable[[], int], more: int = 1) -> None:
        """Wait until a fault's counter has grown by this much."""
        before = count()

        async def look() -> bool:
            return count() >= before + more

        await self.wait_until(look)

    async def wait_for_undelivered(self, events: int = 5) -> None:
        async def look() -> bool:
            return await self.undelivered() >= events

        await self.wait_until(look)

    async def is_taken_over(self, fence: int) -> bool:
        """Wait until another worker leases the endpoint; return whether one did in time."""
        with suppress(AssertionError):
            await wait_until(partial(self._is_beyond, fence), within_s=TAKE_OVER_S)
            return True
        return False

    async def _is_beyond(self, fence: int) -> bool:
        return await self.fence() > fence

    async def fence(self) -> int:
        """Return how often the endpoint was leased."""
        async with self.hub.database.reading() as session:
            key = ids.uuid(self.endpoint_id, "Endpoint")
            return int(await session.fetchval(_FENCE, endpoint_id=key))


Fault = Callable[[Scenario], Awaitable[int]]
"""Inject a fault while the workload runs; return how much it affected."""


async def worker_killed(scenario: Scenario) -> int:
    """Kill workers between commit and send: freeze them until events are committed, then kill them."""
    hub, affected = scenario.hub, 0
    for _ in range(3):
        for worker in hub.workers:
            hub.freeze(worker)
        await scenario.wait_for_undelivered()
        for worker in list(hub.workers):
            hub.kill(worker)
        affected += await scenario.undelivered()
        await hub.start(workers=2)
        await scenario.wait_for_operations()
    return affected


async def three_dispatchers(scenario: Scenario) -> int:
    """Run three relays and dispatchers. Freeze all of them until a fourth has taken over, so that the previous holder goes on
    with an expired lease; then kill one.
    """
    hub, before = scenario.hub, await scenario.fence()
    await hub.start(workers=3)
    for _ in range(2):
        await hub.wait_until_endpoints_leased()
        frozen, fence = list(hub.workers), await scenario.fence()
        for worker in frozen:
            hub.freeze(worker)
        await hub.start(workers=4)
        while not await scenario.is_taken_over(fence):
            # A worker that prepares a statement holds its locks while it is frozen: see docs/faults.md.
            for worker in frozen:
                hub.resume(worker)
            await scenario.wait_for_operations()
            for worker in frozen:
                hub.freeze(worker)
        for worker in frozen:
            hub.resume(worker)
        await scenario.wait_for_operations()
        hub.kill(scenario.rng.choice(frozen))
    return await scenario.fence() - before


async def valkey_emptied(scenario: Scenario) -> int:
    assert scenario.hub.settings.valkey_url
    deleted = 0
    async with Redis.from_url(scenario.hub.settings.valkey_url) as valkey:
        for _ in range(3):
            await scenario.wait_until(lambda: has_keys(valkey))
            deleted += cast(int, await valkey.dbsize())
            await valkey.flushall()
    return deleted


async def has_keys(valkey: Redis) -> bool:
    return cast(int, await valkey.dbsize()) > 0


async def valkey_unreachable(scenario: Scenario) -> int:
    return await _break_connection(scenario, scenario.hub.valkey_proxy)


async def postgres_unreachable(scenario: Scenario) -> int:
    return await _break_connection(scenario, scenario.hub.postgres_proxy)


async def _break_connection(scenario: Scenario, proxy: Any) -> int:
    """Cut a connection, slow it, and stall it, each until the processes have met the fault several times."""
    before = proxy.affected
    proxy.cut()
    await scenario.wait_for_affected(lambda: proxy.affected, REFUSED)
    proxy.repair()
    proxy.slow(0.05)
    await scenario.wait_for_affected(lambda: proxy.affected, 3)
    proxy.repair()
    proxy.stall()
    await scenario.wait_for_affected(lambda: proxy.affected, 3)
    proxy.repair()
    return int(proxy.affected - before)


async def postgres_restarted(scenario: Scenario) -> int:
    """Restart PostgreSQL, which breaks every connection. The server's start time shows that it happened."""

    async def started() -> object:
        async with scenario.hub.database.reading() as session:
            return await session.fetchval(_STARTED_AT)

    before = await started()
    await scenario.hub.restart_postgres()

    async def another() -> bool:
        with suppress(OSError, PostgresError, InterfaceError):
            return await started() != before
        return False

    await scenario.wait_until(another)
    return 1


def receiver_failure(failure: str) -> Fault:
    async def fault(scenario: Scenario) -> int:
        receiver = scenario.receiver
        receiver.failure = failure
        await scenario.wait_for_affected(lambda: receiver.failed[failure], scenario.rng.randint(6, 10))
        receiver.failure = None
        return receiver.failed[failure]

    fault.__name__ = failure.replace(" ", "_")
    return fault


@pytest.fixture(scope="module")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[HubProcesses]:
    async with hub_processes(tmp_path_factory.mktemp("faults")) as found:
        await found.start(workers=2)
        yield found


async def check_when_recovered(scenario: Scenario) -> DeliveryCheck:
    """Return the comparison when everything has arrived, or at the end of the recovery time."""
    end = asyncio.get_running_loop().time() + RECOVERY_S
    while True:
        feed = await feed_after(scenario.shop.staff, scenario.cursor)
        check = compare_with_feed(scenario.receiver, feed)
        whole = set(feed.values()) == await table_ids_after(scenario.hub.database, scenario.start)
        if (whole and check.is_clean) or asyncio.get_running_loop().time() > end:
            assert whole, "the pages of the feed and its table differ"
            return check
        await asyncio.sleep(RECHECK_S)


async def run_with_faults(hub: HubProcesses, *faults: Fault) -> None:
    """Run the workload, inject the faults, stop, wait for recovery, and check."""
    shop = await open_shop(hub)  # type: ignore[arg-type]
    workload = Workload(shop, SEED)
    await workload.open()
    await wait_until_numbered(hub)
    cursor = (await shop.staff.execute("{ feed { end } }"))["feed"]["end"]
    async with hub.database.reading() as session:
        start = int(await session.fetchval(_FEED_END))
    async with faulty_receiver() as receiver:
        made = await shop.staff.mutate(CREATE, i={"url": receiver.url})
        assert not made["errors"], made
        receiver.secret = made["secret"]
        scenario = Scenario(hub, shop, workload, receiver, made["endpoint"]["id"])
        scenario.start, scenario.cursor = start, cursor
        await hub.wait_until_endpoints_leased()
        follower = CartFollower(workload)
        working, following = asyncio.create_task(workload.run()), asyncio.create_task(follower.run())
        try:
            await scenario.wait_for_operations()
            affected = {fault.__name__: await fault(scenario) for fault in faults}
            await scenario.wait_for_operations()
        finally:
            workload.close()
            await working
        check = await check_when_recovered(scenario)
        newest = await workload.cart_version()

        async def caught_up() -> bool:
            return follower.version >= newest

        await scenario.wait_until(caught_up)
        following.cancel()
        assert follower.backwards == 0
        assert receiver.redirected == 0
        await shop.staff.mutate(DELETE, id=made["endpoint"]["id"])
    report(affected, workload, receiver, check)
    assert all(affected.values()), f"a fault affected nothing: {affected}"
    assert check.is_clean, check
    assert receiver.unsigned == 0
    await shop.close()
    broken = [f for f in await invariants.check(hub.database) if f.rows]
    assert not broken, [(f.invariant.name, f.examples) for f in broken]


async def wait_until_numbered(hub: HubProcesses) -> None:
    async def look() -> bool:
        async with hub.database.reading() as session:
            return not await session.fetchval(_UNNUMBERED)

    await wait_until(look, within_s=RECOVERY_S)


def report(affected: dict[str, int], workload: Workload, receiver: FaultyReceiver, check: DeliveryCheck) -> None:
    hits = ", ".join(f"{name} affected {count}" for name, count in affected.items())
    print(
        f"\nseed {SEED}: {hits}; {workload.done} operations, {workload.failed} calls failed, {len(receiver.requests)} requests; "
        f"lost {len(check.lost)}, wrong ids {len(check.wrong_ids)}, reordered {len(check.reordered)}"
    )


FAULTS: tuple[Fault, ...] = (
    worker_killed,
    three_dispatchers,
    valkey_emptied,
    valkey_unreachable,
    postgres_unreachable,
    postgres_restarted,
    *(receiver_failure(failure) for failure in FAILURES),
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_every_event_arrives(hub: HubProcesses, fault: Fault) -> None:
    await run_with_faults(hub, fault)


async def test_without_valkey_and_arq(hub: HubProcesses) -> None:
    hub.kill_all()
    hub.with_valkey = False
    await hub.start(workers=2)

    await run_with_faults(hub, worker_killed, receiver_failure(FAILURES[0]))
