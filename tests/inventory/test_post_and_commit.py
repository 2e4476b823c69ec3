"""post_and_commit: the same as post as the last step of a transaction, committed within one round trip."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.support.scratch_database import open_scratch_database
from tests.support.waiting import backend_pid, wait_until_blocked
from uriba.catalog import locations, products
from uriba.catalog.enums import LocationKind
from uriba.catalog.locations import LocationRow
from uriba.catalog.products import ProductRow, VariantRow
from uriba.db import Database, Session
from uriba.inventory import ledger
from uriba.inventory.enums import StockReason
from uriba.inventory.errors import LedgerRefused, LevelRefusal
from uriba.inventory.ledger import Movement

if TYPE_CHECKING:
    from tests.support.hub import RunningHub

ONE_WAY, OTHER_WAY = 1, 2
"""Two locations with the same movements, refusals_of_post in two ways."""


@pytest.fixture
async def database(hub: RunningHub) -> AsyncIterator[Database]:
    async with open_scratch_database(hub.settings) as (_, found):
        async with found.transaction() as session:
            await locations.upsert(session, [LocationRow(f"S{n}", "Store", LocationKind.STORE) for n in (1, 2)])
            await products.upsert(session, [ProductRow(f"p{n}", "Tea", [VariantRow(f"P{n}", "Tea")]) for n in range(4)])
            await ledger.open_levels(session, [(n, place) for n in range(1, 5) for place in (ONE_WAY, OTHER_WAY)])
        yield found


def at(place: int, movements: Sequence[Movement]) -> list[Movement]:
    return [Movement(**{**_fields(m), "location_id": place}) for m in movements]


def _fields(movement: Movement) -> dict[str, Any]:
    return {name: getattr(movement, name) for name in movement.__struct_fields__}


def move(chance: random.Random) -> Movement:
    units, variant = chance.randint(1, 6), chance.randint(1, 4)
    given: dict[str, Any] = chance.choice(
        [
            {"reason": StockReason.COMMIT, "committed": units, "need": units},
            {"reason": StockReason.RESERVE, "reserved": units, "need": units},
            {"reason": StockReason.RESERVE, "reserved": units, "till_need": units},
            {"reason": StockReason.SALE, "on_hand": -units, "till_need": units},
            {"reason": StockReason.SALE, "on_hand": -units},
            {"reason": StockReason.ADJUSTMENT, "on_hand": -units, "floor": True},
            {"reason": StockReason.DAMAGE, "unavailable": units},
        ]
    )
    return Movement(variant_id=variant, location_id=0, quantity=units, **given)


def receipts(chance: random.Random) -> list[Movement]:
    return [
        Movement(variant_id=n, location_id=0, reason=StockReason.RECEIPT, quantity=30, on_hand=chance.randint(5, 30))
        for n in range(1, 5)
    ]


async def refusals_of_post(database: Database, movements: Sequence[Movement]) -> list[LevelRefusal]:
    try:
        async with database.transaction() as session:
            await ledger.post(session, at(ONE_WAY, movements), reference="same", actor="same")
    except LedgerRefused as refused:
        return sorted(refused.refusals, key=lambda refusal: refusal.variant_id)
    return []


async def refusals_of_post_and_commit(database: Database, movements: Sequence[Movement]) -> list[LevelRefusal]:
    try:
        async with database.transaction() as session:
            await ledger.post_and_commit(session, at(OTHER_WAY, movements), reference="same", actor="same")
    except LedgerRefused as refused:
        return sorted(refused.refusals, key=lambda refusal: refusal.variant_id)
    return []


async def state(session: Session, place: int) -> list[list[tuple[Any, ...]]]:
    """Return levels, movements, shortages and events of a location, without ids and times."""
    found = []
    for sql in (
        "SELECT variant_id, on_hand, committed, reserved, unavailable, shortage, version FROM stock_level "
        "WHERE location_id = $1 ORDER BY variant_id",
        "SELECT variant_id, reason, quantity, on_hand_delta, committed_delta, reserved_delta, unavailable_delta, "
        "reference, actor, occurred_at = recorded_at FROM stock_movement WHERE location_id = $1 "
        "ORDER BY variant_id, recorded_at, reason, quantity, on_hand_delta, reserved_delta, committed_delta",
        "SELECT variant_id, quantity, settled, reference FROM shortage WHERE location_id = $1 ORDER BY variant_id, id",
        "SELECT split_part(subject, ':', 2), type, version, data FROM outbox_event "
        "WHERE subject LIKE 'StockLevel:%:' || $1::bigint ORDER BY 1, 3",
    ):
        rows = await session.fetch(sql, place)
        found.append([tuple(row.values()) for row in rows])
    return found


async def test_post_and_commit_has_the_results_and_refusals_of_post(database: Database) -> None:
    chance = random.Random(5)
    refused = 0

    for turn in range(60):
        if turn % 20 == 0:
            goods = receipts(chance)
            async with database.transaction() as session:
                for place in (ONE_WAY, OTHER_WAY):
                    await ledger.post(session, at(place, goods), reference="goods", actor="same")
        movements = [move(chance) for _ in range(chance.randint(1, 4))]
        one, other = await refusals_of_post(database, movements), await refusals_of_post_and_commit(database, movements)
        refused += bool(one)
        assert [(r.variant_id, r.why, r.available) for r in one] == [(r.variant_id, r.why, r.available) for r in other]
        assert all(refusal.location_id == OTHER_WAY for refusal in other)

    async with database.reading() as session:
        one_state, other_state = await state(session, ONE_WAY), await state(session, OTHER_WAY)
    assert one_state == other_state
    assert 5 < refused < 55
    assert one_state[2], "no shortage was opened"


async def test_earlier_writes_are_committed_or_rolled_back_with_it(database: Database) -> None:
    sale = Movement(variant_id=1, location_id=1, reason=StockReason.SALE, quantity=1, on_hand=-1, till_need=1)
    receipt = Movement(variant_id=1, location_id=1, reason=StockReason.RECEIPT, quantity=1, on_hand=1)
    async with database.transaction() as session:
        await ledger.post(session, [receipt], reference="goods", actor="test")

    async def sell(key: str) -> None:
        async with database.transaction() as session:
            await session.run(
                "INSERT INTO sandbox_charge (key, status, amount_minor, currency) VALUES ($1, '', 0, '')", key
            )
            await ledger.post_and_commit(session, [sale], reference="sale", actor="test")

    first, second = uuid4().hex, uuid4().hex
    await sell(first)
    with pytest.raises(LedgerRefused):
        await sell(second)

    async with database.reading() as session:
        kept = await session.fetch("SELECT key FROM sandbox_charge")
    assert [row["key"] for row in kept] == [first]


async def test_its_locks_are_released_when_it_returns(database: Database) -> None:
    receipt = Movement(variant_id=1, location_id=1, reason=StockReason.RECEIPT, quantity=9, on_hand=9)
    sale = Movement(variant_id=1, location_id=1, reason=StockReason.SALE, quantity=1, on_hand=-1, till_need=1)
    async with database.transaction() as session:
        await ledger.post(session, [receipt], reference="goods", actor="test")

    async with database.transaction() as first:
        await ledger.post_and_commit(first, [sale], reference="first", actor="test")
        async with database.transaction() as second:
            await ledger.post_and_commit(second, [sale], reference="second", actor="test")

    async with database.reading() as session:
        assert await session.fetchval("SELECT on_hand FROM stock_level WHERE (variant_id, location_id) = (1, 1)") == 7


@pytest.mark.parametrize(("there", "received", "sold"), [(1, 9, 5), (9, -4, 5), (0, 3, 3)])
async def test_a_post_that_waited_for_a_lock_uses_the_newest_level(
    database: Database, there: int, received: int, sold: int
) -> None:
    def change(units: int, *, need: int = 0) -> Movement:
        return Movement(
            variant_id=1, location_id=1, reason=StockReason.SALE, quantity=units, on_hand=units, till_need=need
        )

    async with database.transaction() as session:
        await ledger.post(session, [change(there)], reference="goods", actor="test")
    pid: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def sell() -> None:
        async with database.transaction() as session:
            pid.set_result(await backend_pid(session))
            await ledger.post_and_commit(session, [change(-sold, need=sold)], reference="second", actor="test")

    async with database.transaction() as first:
        await ledger.post(first, [change(received)], reference="first", actor="test")
        second = asyncio.create_task(sell())
        await wait_until_blocked(database, await pid)
    await second

    async with database.reading() as session:
        left = await session.fetchval("SELECT on_hand FROM stock_level WHERE (variant_id, location_id) = (1, 1)")
    assert left == there + received - sold


@pytest.mark.parametrize("given", [{"on_hand": 1}, {"counted": 3}, {"reserved": -1}, {"committed": -2, "on_hand": -1}])
async def test_refuses_movements_that_may_settle_a_shortage(database: Database, given: dict[str, int]) -> None:
    settling = Movement(variant_id=1, location_id=1, reason=StockReason.RECEIPT, quantity=1, **given)

    with pytest.raises(AssertionError, match="post"):
        async with database.transaction() as session:
            await ledger.post_and_commit(session, [settling], reference="test", actor="test")
