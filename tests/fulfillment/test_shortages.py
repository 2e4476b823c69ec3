"""Shortages: promised units that a till sold come from another location or are back-ordered."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from tests.support.placed_orders import (
    buy_unit,
    cart_to_ship,
    count_open_shortages,
    fulfillments,
    level_key,
    level_quantities,
    load_order,
    order_key,
    place_for_pickup,
    place_to_ship,
    receive_and_fill,
    sell_at_till,
    sweep_shortages,
    timeline_updates,
    wait_until_blocked_by,
)
from tests.support.shop import ERRORS, Shop
from tests.support.waiting import backend_pid
from uriba.db import Session
from uriba.db.statements import statement
from uriba.fulfillment.allocation import shortages
from uriba.fulfillment.allocation.shortages import BrokenPromise, plan_reallocations
from uriba.fulfillment.sourcing.selection import Supply


async def test_units_to_be_shipped_come_from_another_location(shop: Shop) -> None:
    await shop.receive(TEA_S1=2)
    placed = await place_to_ship(shop, TEA=2)
    await shop.receive(TEA_S2=5)
    await sell_at_till(shop, "TEA", "S1", 2)
    assert await count_open_shortages(shop, "S1") == 1

    await sweep_shortages(shop)

    assert await fulfillments(shop, placed) == [
        ("REJECTED", "SHIP", "S1", {"TEA": 2}),
        ("ALLOCATED", "SHIP", "S2", {"TEA": 2}),
    ]
    assert await level_quantities(shop, "TEA", "S1") == (0, 0, 0)
    assert await level_quantities(shop, "TEA", "S2") == (5, 2, 0)
    assert (await load_order(shop, placed))["status"] == "OPEN"
    assert await count_open_shortages(shop, "S1") == 0


async def test_the_movements_refer_to_the_order(shop: Shop) -> None:
    await shop.receive(TEA_S1=1)
    placed = await place_to_ship(shop, TEA=1)
    await shop.receive(TEA_W1=1)
    await sell_at_till(shop, "TEA", "S1", 1)

    await sweep_shortages(shop)

    newest = [(await shop.stock_level("TEA", place))["movements"]["edges"][0]["node"] for place in ("S1", "W1")]
    assert [(m["reason"], m["quantity"], m["committedDelta"]) for m in newest] == [("RELEASE", 1, -1), ("COMMIT", 1, 1)]
    assert {(m["reference"], m["actor"]) for m in newest} == {(f"order:{order_key(placed)}", "system:hub")}


async def test_units_that_no_other_location_has_are_back_ordered(shop: Shop) -> None:
    await shop.receive(TEA_S1=2)
    placed = await place_to_ship(shop, TEA=2)
    await shop.receive(TEA_S2=1)
    await sell_at_till(shop, "TEA", "S1", 2)

    await sweep_shortages(shop)

    assert await fulfillments(shop, placed) == [
        ("REJECTED", "SHIP", "S1", {"TEA": 2}),
        ("BACKORDERED", "SHIP", "S1", {"TEA": 2}),
    ]
    assert await level_quantities(shop, "TEA", "S1") == (0, 0, 0)
    assert await level_quantities(shop, "TEA", "S2") == (1, 0, 0)
    assert (await load_order(shop, placed))["status"] == "OPEN"


async def test_a_location_that_ships_no_orders_is_not_used(shop: Shop) -> None:
    await shop.receive(TEA_S1=1)
    placed = await place_to_ship(shop, TEA=1)
    place = {"code": shop.code("S2"), "name": "Sapporo", "kind": "STORE", "offersPickup": True}
    await shop.staff.mutate(
        f"mutation ($l: [LocationInput!]!) {{ locationsUpsert(locations: $l) {{ count {ERRORS} }} }}", l=[place]
    )
    await shop.receive(TEA_S2=5)
    await sell_at_till(shop, "TEA", "S1", 1)

    await sweep_shortages(shop)

    assert [part[0::2] for part in await fulfillments(shop, placed)] == [("REJECTED", "S1"), ("BACKORDERED", "S1")]


async def test_a_pickup_is_back_ordered_at_its_store(shop: Shop) -> None:
    await shop.receive(TEA_S1=1, TEA_S2=9, TEA_W1=9)
    placed = await place_for_pickup(shop, TEA=1)
    await sell_at_till(shop, "TEA", "S1", 1)

    await sweep_shortages(shop)

    assert [part[0::2] for part in await fulfillments(shop, placed)] == [("REJECTED", "S1"), ("BACKORDERED", "S1")]
    assert await level_quantities(shop, "TEA", "S2") == (9, 0, 0)


async def test_the_newest_promise_is_broken_first(shop: Shop) -> None:
    await shop.receive(TEA_S1=3)
    first, second, third = [await place_for_pickup(shop, TEA=1) for _ in range(3)]
    await sell_at_till(shop, "TEA", "S1", 1)

    await sweep_shortages(shop)

    assert [[part[0] for part in await fulfillments(shop, one)] for one in (first, second, third)] == [
        ["ALLOCATED"],
        ["ALLOCATED"],
        ["REJECTED", "BACKORDERED"],
    ]
    assert await level_quantities(shop, "TEA", "S1") == (2, 2, 0)


async def test_only_as_many_units_are_reallocated_as_are_short(shop: Shop) -> None:
    await shop.receive(TEA_S1=5, POT_S1=1)
    first = await place_for_pickup(shop, TEA=2)
    second = await place_for_pickup(shop, TEA=3, POT=1)
    await sell_at_till(shop, "TEA", "S1", 2)

    await sweep_shortages(shop)

    assert await fulfillments(shop, first) == [("ALLOCATED", "PICKUP", "S1", {"TEA": 2})]
    assert await fulfillments(shop, second) == [
        ("ALLOCATED", "PICKUP", "S1", {"TEA": 1, "POT": 1}),
        ("BACKORDERED", "PICKUP", "S1", {"TEA": 2}),
    ]
    assert await level_quantities(shop, "TEA", "S1") == (3, 3, 0)


async def test_other_lines_of_the_fulfillment_stay_allocated(shop: Shop) -> None:
    await shop.receive(TEA_S1=1, POT_S1=1)
    placed = await place_to_ship(shop, TEA=1, POT=1)
    await shop.receive(TEA_W1=1)
    await sell_at_till(shop, "TEA", "S1", 1)

    await sweep_shortages(shop)

    assert await fulfillments(shop, placed) == [
        ("ALLOCATED", "SHIP", "S1", {"POT": 1}),
        ("ALLOCATED", "SHIP", "W1", {"TEA": 1}),
    ]


async def test_two_short_lines_become_two_back_orders(shop: Shop) -> None:
    await shop.receive(TEA_S1=1, POT_S1=1)
    placed = await place_for_pickup(shop, TEA=1, POT=1)
    await sell_at_till(shop, "TEA", "S1", 1)
    await sell_at_till(shop, "POT", "S1", 1)

    await sweep_shortages(shop)

    found = await fulfillments(shop, placed)
    assert sorted(str(part[3]) for part in found if part[0] == "BACKORDERED") == ["{'POT': 1}", "{'TEA': 1}"]
    assert [part[0] for part in found].count("REJECTED") == 1


_SET_PICKED = statement("UPDATE fulfillment SET status = 'PICKED' WHERE order_id = :order_id")


async def test_picked_units_stay_allocated(shop: Shop) -> None:
    await shop.receive(TEA_S1=2)
    first, second = await place_for_pickup(shop, TEA=1), await place_for_pickup(shop, TEA=1)
    async with shop.hub.database.transaction() as session:
        await session.run(_SET_PICKED, order_id=order_key(second))
    await sell_at_till(shop, "TEA", "S1", 2)

    await sweep_shortages(shop)

    assert [part[0] for part in await fulfillments(shop, second)] == ["PICKED"]
    assert [part[0] for part in await fulfillments(shop, first)] == ["REJECTED", "BACKORDERED"]
    assert await level_quantities(shop, "TEA", "S1") == (0, 1, 1)
    async with shop.hub.database.reading() as session:
        level = await level_key(session, shop, "TEA", "S1")
        assert level not in await shortages.short_levels(session, 100)


async def test_concurrent_sweeps_reallocate_once(shop: Shop) -> None:
    await shop.receive(TEA_S1=4)
    placed = [await place_to_ship(shop, TEA=1) for _ in range(4)]
    await shop.receive(TEA_S2=2)
    await sell_at_till(shop, "TEA", "S1", 3)

    await asyncio.gather(*(sweep_shortages(shop) for _ in range(4)))

    found = [await fulfillments(shop, one) for one in placed]
    assert [[part[0::2] for part in one if part[0] != "REJECTED"] for one in found] == [
        [("ALLOCATED", "S1")],
        [("BACKORDERED", "S1")],
        [("ALLOCATED", "S2")],
        [("ALLOCATED", "S2")],
    ]
    assert await level_quantities(shop, "TEA", "S1") == (1, 1, 0)


async def test_a_failure_of_one_level_does_not_stop_the_others(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.receive(TEA_S1=1, POT_S1=1)
    tea, pot = await place_for_pickup(shop, TEA=1), await place_for_pickup(shop, POT=1)
    await sell_at_till(shop, "TEA", "S1", 1)
    await sell_at_till(shop, "POT", "S1", 1)
    async with shop.hub.database.reading() as session:
        failing = await level_key(session, shop, "TEA", "S1")
    reallocate = shortages.reallocate_short_level

    async def failing_for_tea(session: Session, level: tuple[int, int]) -> int:
        moved = await reallocate(session, level)
        if level == failing:
            raise ZeroDivisionError
        return moved

    monkeypatch.setattr(shortages, "reallocate_short_level", failing_for_tea)

    with pytest.raises(ExceptionGroup) as failed:
        await sweep_shortages(shop)
    assert [type(error) for error in failed.value.exceptions] == [ZeroDivisionError]

    assert [part[0] for part in await fulfillments(shop, tea)] == ["ALLOCATED"]
    assert [part[0] for part in await fulfillments(shop, pot)] == ["REJECTED", "BACKORDERED"]
    monkeypatch.undo()
    await sweep_shortages(shop)
    assert [part[0] for part in await fulfillments(shop, tea)] == ["REJECTED", "BACKORDERED"]


async def test_a_buyer_who_is_faster_than_the_sweep_gets_the_unit_elsewhere(shop: Shop) -> None:
    """The sweep has read the unit; a buyer gets it before the sweep locks the level."""
    await shop.receive(TEA_S1=1)
    placed = await place_to_ship(shop, TEA=1)
    await shop.receive(TEA_W1=1)
    await sell_at_till(shop, "TEA", "S1", 1)

    async with shop.hub.database.transaction() as buyer:
        await buy_unit(buyer, shop, "TEA", "W1")
        sweep = asyncio.create_task(sweep_shortages(shop))
        await wait_until_blocked_by(shop.hub.database, await backend_pid(buyer))
    await sweep

    assert [part[0::2] for part in await fulfillments(shop, placed)] == [("REJECTED", "S1"), ("BACKORDERED", "S1")]
    assert await level_quantities(shop, "TEA", "W1") == (0, 0, 0)


async def test_units_received_before_the_sweep_has_the_lock_stay_allocated(shop: Shop) -> None:
    await shop.receive(TEA_S1=2)
    placed = await place_for_pickup(shop, TEA=2)
    await sell_at_till(shop, "TEA", "S1", 2)

    async with shop.hub.database.transaction() as receipt:
        assert await receive_and_fill(receipt, shop, TEA_S1=1) == 0
        sweep = asyncio.create_task(sweep_shortages(shop))
        await wait_until_blocked_by(shop.hub.database, await backend_pid(receipt))
    await sweep

    assert await fulfillments(shop, placed) == [
        ("ALLOCATED", "PICKUP", "S1", {"TEA": 1}),
        ("BACKORDERED", "PICKUP", "S1", {"TEA": 1}),
    ]
    assert await level_quantities(shop, "TEA", "S1") == (1, 1, 0)


@pytest.mark.parametrize("sku", ["TEA", "POT", "CUP"])
async def test_a_sweep_and_checkouts_compete_for_the_last_unit_elsewhere(shop: Shop, sku: str) -> None:
    await shop.receive(**{f"{sku}_S1": 1})
    placed = await place_to_ship(shop, **{sku: 1})
    await shop.receive(**{f"{sku}_W1": 1})
    await sell_at_till(shop, sku, "S1", 1)
    guest = shop.guest("app")
    carts = [await cart_to_ship(shop, guest, **{sku: 1}) for _ in range(3)]

    _, *payloads = await asyncio.gather(sweep_shortages(shop), *(shop.check_out(guest, cart) for cart in carts))

    bought = sum(payload["order"] is not None for payload in payloads)
    moved = (await fulfillments(shop, placed))[-1][0] == "ALLOCATED"
    assert bought + moved == 1
    assert await level_quantities(shop, sku, "W1") == (1, 1, 0)


async def test_the_timeline_has_each_changed_fulfillment(shop: Shop) -> None:
    await shop.receive(TEA_S1=3)
    placed = await place_to_ship(shop, TEA=3)
    await shop.receive(TEA_S2=1)
    await sell_at_till(shop, "TEA", "S1", 1)

    await sweep_shortages(shop)

    same = {"method": "SHIP", "reason": "SHORTAGE", "actor": "system:hub"}
    assert await timeline_updates(shop, placed) == [
        {"status": "ALLOCATED", "location": shop.code("S1"), "units": 2, **same},
        {"status": "ALLOCATED", "location": shop.code("S2"), "units": 1, **same},
    ]


def test_units_of_a_location_are_assigned_once() -> None:
    promises = [_promise(n, quantity=2) for n in (1, 2)]

    reallocations = plan_reallocations((7, 1), promises, {5: [Supply(2, 3)]}, short=4, available={2: 3})

    assert [(r.fulfillment_id.int, r.status, r.location_id, r.quantity) for r in reallocations] == [
        (1, "ALLOCATED", 2, 2),
        (2, "BACKORDERED", 1, 2),
    ]


def test_a_promise_may_be_reallocated_to_two_locations() -> None:
    reallocations = plan_reallocations(
        (7, 1), [_promise(1, quantity=3)], {5: [Supply(2, 1), Supply(3, 2)]}, short=3, available={2: 1, 3: 2}
    )

    assert sorted((r.location_id, r.quantity) for r in reallocations) == [(2, 1), (3, 2)]


def test_without_a_shortage_nothing_is_reallocated() -> None:
    assert plan_reallocations((7, 1), [_promise(1, quantity=3)], {5: [Supply(2, 9)]}, short=0, available={2: 9}) == []


def _promise(n: int, *, quantity: int) -> BrokenPromise:
    """Return a promise of channel 5."""
    return BrokenPromise(UUID(int=n), UUID(int=n), UUID(int=n), "SHIP", 5, quantity, 0)
