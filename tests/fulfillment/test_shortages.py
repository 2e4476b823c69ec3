"""Promises that facts made impossible: kept from elsewhere, or made to wait, and told."""

from __future__ import annotations

import asyncio

import pytest
from promises import (
    cart_to_ship,
    key,
    level_key,
    numbers,
    open_conflicts,
    parts,
    picked_up,
    read,
    received,
    resource,
    shipped,
    sold,
    somebody_waits_for,
    take,
    told,
)

from shop import ERRORS, Shop
from uriba.db import Session
from uriba.fulfillment.allocation import shortages
from uriba.fulfillment.allocation.shortages import plan_reallocations
from uriba.fulfillment.sourcing.selection import Supply
from waiting import backend_pid


async def test_what_is_to_be_shipped_comes_from_another_location(shop: Shop) -> None:
    await shop.receive(TEA_S1=2)
    placed = await shipped(shop, TEA=2)
    await shop.receive(TEA_S2=5)
    await sold(shop, "TEA", "S1", 2)
    assert await open_conflicts(shop, "S1") == 1

    await resource(shop)

    assert await parts(shop, placed) == [
        ("REJECTED", "SHIP", "S1", {"TEA": 2}),
        ("ALLOCATED", "SHIP", "S2", {"TEA": 2}),
    ]
    assert await numbers(shop, "TEA", "S1") == (0, 0, 0)
    assert await numbers(shop, "TEA", "S2") == (5, 2, 0)
    assert (await read(shop, placed))["status"] == "OPEN"
    assert await open_conflicts(shop, "S1") == 0


async def test_the_ledger_says_for_which_order(shop: Shop) -> None:
    await shop.receive(TEA_S1=1)
    placed = await shipped(shop, TEA=1)
    await shop.receive(TEA_W1=1)
    await sold(shop, "TEA", "S1", 1)

    await resource(shop)

    newest = [(await shop.level("TEA", place))["movements"]["edges"][0]["node"] for place in ("S1", "W1")]
    assert [(m["reason"], m["quantity"], m["committedDelta"]) for m in newest] == [("RELEASE", 1, -1), ("COMMIT", 1, 1)]
    assert {(m["reference"], m["actor"]) for m in newest} == {(f"order:{key(placed)}", "system:hub")}


async def test_what_nobody_else_has_waits_for_goods(shop: Shop) -> None:
    await shop.receive(TEA_S1=2)
    placed = await shipped(shop, TEA=2)
    await shop.receive(TEA_S2=1)
    await sold(shop, "TEA", "S1", 2)

    await resource(shop)

    assert await parts(shop, placed) == [
        ("REJECTED", "SHIP", "S1", {"TEA": 2}),
        ("BACKORDERED", "SHIP", "S1", {"TEA": 2}),
    ]
    assert await numbers(shop, "TEA", "S1") == (0, 0, 0)
    assert await numbers(shop, "TEA", "S2") == (1, 0, 0)
    assert (await read(shop, placed))["status"] == "OPEN"


async def test_a_location_that_ships_no_orders_is_no_way_out(shop: Shop) -> None:
    await shop.receive(TEA_S1=1)
    placed = await shipped(shop, TEA=1)
    place = {"code": shop.code("S2"), "name": "Sapporo", "kind": "STORE", "offersPickup": True}
    await shop.staff.do(
        f"mutation ($l: [LocationInput!]!) {{ locationsUpsert(locations: $l) {{ count {ERRORS} }} }}", l=[place]
    )
    await shop.receive(TEA_S2=5)
    await sold(shop, "TEA", "S1", 1)

    await resource(shop)

    assert [part[0::2] for part in await parts(shop, placed)] == [("REJECTED", "S1"), ("BACKORDERED", "S1")]


async def test_a_pickup_stays_at_the_store_that_the_customer_chose(shop: Shop) -> None:
    await shop.receive(TEA_S1=1, TEA_S2=9, TEA_W1=9)
    placed = await picked_up(shop, TEA=1)
    await sold(shop, "TEA", "S1", 1)

    await resource(shop)

    assert [part[0::2] for part in await parts(shop, placed)] == [("REJECTED", "S1"), ("BACKORDERED", "S1")]
    assert await numbers(shop, "TEA", "S2") == (9, 0, 0)


async def test_the_newest_promise_loses(shop: Shop) -> None:
    await shop.receive(TEA_S1=3)
    first, second, third = [await picked_up(shop, TEA=1) for _ in range(3)]
    await sold(shop, "TEA", "S1", 1)

    await resource(shop)

    assert [[part[0] for part in await parts(shop, one)] for one in (first, second, third)] == [
        ["ALLOCATED"],
        ["ALLOCATED"],
        ["REJECTED", "BACKORDERED"],
    ]
    assert await numbers(shop, "TEA", "S1") == (2, 2, 0)


async def test_only_as_many_units_are_taken_back_as_are_short(shop: Shop) -> None:
    await shop.receive(TEA_S1=5, POT_S1=1)
    first = await picked_up(shop, TEA=2)
    second = await picked_up(shop, TEA=3, POT=1)
    await sold(shop, "TEA", "S1", 2)

    await resource(shop)

    assert await parts(shop, first) == [("ALLOCATED", "PICKUP", "S1", {"TEA": 2})]
    assert await parts(shop, second) == [
        ("ALLOCATED", "PICKUP", "S1", {"TEA": 1, "POT": 1}),
        ("BACKORDERED", "PICKUP", "S1", {"TEA": 2}),
    ]
    assert await numbers(shop, "TEA", "S1") == (3, 3, 0)


async def test_a_line_that_is_gone_leaves_the_others_where_they_are(shop: Shop) -> None:
    await shop.receive(TEA_S1=1, POT_S1=1)
    placed = await shipped(shop, TEA=1, POT=1)
    await shop.receive(TEA_W1=1)
    await sold(shop, "TEA", "S1", 1)

    await resource(shop)

    assert await parts(shop, placed) == [
        ("ALLOCATED", "SHIP", "S1", {"POT": 1}),
        ("ALLOCATED", "SHIP", "W1", {"TEA": 1}),
    ]


async def test_two_lines_that_are_gone_wait_apart(shop: Shop) -> None:
    await shop.receive(TEA_S1=1, POT_S1=1)
    placed = await picked_up(shop, TEA=1, POT=1)
    await sold(shop, "TEA", "S1", 1)
    await sold(shop, "POT", "S1", 1)

    await resource(shop)

    found = await parts(shop, placed)
    assert sorted(str(part[3]) for part in found if part[0] == "BACKORDERED") == ["{'POT': 1}", "{'TEA': 1}"]
    assert [part[0] for part in found].count("REJECTED") == 1


async def test_what_is_put_aside_stays(shop: Shop) -> None:
    await shop.receive(TEA_S1=2)
    first, second = await picked_up(shop, TEA=1), await picked_up(shop, TEA=1)
    async with shop.hub.database.transaction() as session:
        await session.run("UPDATE fulfillment SET status = 'PICKED' WHERE order_id = $1", key(second))
    await sold(shop, "TEA", "S1", 2)

    await resource(shop)

    assert [part[0] for part in await parts(shop, second)] == ["PICKED"]
    assert [part[0] for part in await parts(shop, first)] == ["REJECTED", "BACKORDERED"]
    assert await numbers(shop, "TEA", "S1") == (0, 1, 1)
    async with shop.hub.database.reading() as session:
        level = await level_key(session, shop, "TEA", "S1")
        assert level not in await shortages.short_levels(session, 100)


async def test_two_sweeps_at_once_do_it_once(shop: Shop) -> None:
    await shop.receive(TEA_S1=4)
    placed = [await shipped(shop, TEA=1) for _ in range(4)]
    await shop.receive(TEA_S2=2)
    await sold(shop, "TEA", "S1", 3)

    await asyncio.gather(*(resource(shop) for _ in range(4)))

    found = [await parts(shop, one) for one in placed]
    assert [[part[0::2] for part in one if part[0] != "REJECTED"] for one in found] == [
        [("ALLOCATED", "S1")],
        [("BACKORDERED", "S1")],
        [("ALLOCATED", "S2")],
        [("ALLOCATED", "S2")],
    ]
    assert await numbers(shop, "TEA", "S1") == (1, 1, 0)


async def test_a_level_that_fails_holds_up_no_other(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.receive(TEA_S1=1, POT_S1=1)
    tea, pot = await picked_up(shop, TEA=1), await picked_up(shop, POT=1)
    await sold(shop, "TEA", "S1", 1)
    await sold(shop, "POT", "S1", 1)
    async with shop.hub.database.reading() as session:
        failing = await level_key(session, shop, "TEA", "S1")
    settle = shortages.reallocate_short_level

    async def sometimes(session: Session, level: tuple[int, int]) -> int:
        moved = await settle(session, level)
        if level == failing:
            raise ZeroDivisionError
        return moved

    monkeypatch.setattr(shortages, "reallocate_short_level", sometimes)

    with pytest.raises(ExceptionGroup) as failed:
        await resource(shop)
    assert [type(error) for error in failed.value.exceptions] == [ZeroDivisionError]

    assert [part[0] for part in await parts(shop, tea)] == ["ALLOCATED"]
    assert [part[0] for part in await parts(shop, pot)] == ["REJECTED", "BACKORDERED"]
    monkeypatch.undo()
    await resource(shop)
    assert [part[0] for part in await parts(shop, tea)] == ["REJECTED", "BACKORDERED"]


async def test_a_buyer_who_is_faster_has_the_last_unit_elsewhere(shop: Shop) -> None:
    """The sweep has seen the unit; before it can lock the level, a buyer has it."""
    await shop.receive(TEA_S1=1)
    placed = await shipped(shop, TEA=1)
    await shop.receive(TEA_W1=1)
    await sold(shop, "TEA", "S1", 1)

    async with shop.hub.database.transaction() as buyer:
        await take(buyer, shop, "TEA", "W1")
        sweep = asyncio.create_task(resource(shop))
        await somebody_waits_for(shop.hub.database, await backend_pid(buyer))
    await sweep

    assert [part[0::2] for part in await parts(shop, placed)] == [("REJECTED", "S1"), ("BACKORDERED", "S1")]
    assert await numbers(shop, "TEA", "W1") == (0, 0, 0)


async def test_goods_that_come_before_the_sweep_has_the_lock_need_no_sweep(shop: Shop) -> None:
    await shop.receive(TEA_S1=2)
    placed = await picked_up(shop, TEA=2)
    await sold(shop, "TEA", "S1", 2)

    async with shop.hub.database.transaction() as receipt:
        assert await received(receipt, shop, TEA_S1=1) == 0
        sweep = asyncio.create_task(resource(shop))
        await somebody_waits_for(shop.hub.database, await backend_pid(receipt))
    await sweep

    assert await parts(shop, placed) == [
        ("ALLOCATED", "PICKUP", "S1", {"TEA": 1}),
        ("BACKORDERED", "PICKUP", "S1", {"TEA": 1}),
    ]
    assert await numbers(shop, "TEA", "S1") == (1, 1, 0)


@pytest.mark.parametrize("sku", ["TEA", "POT", "CUP"])
async def test_a_sweep_and_checkouts_for_the_last_unit_elsewhere(shop: Shop, sku: str) -> None:
    await shop.receive(**{f"{sku}_S1": 1})
    placed = await shipped(shop, **{sku: 1})
    await shop.receive(**{f"{sku}_W1": 1})
    await sold(shop, sku, "S1", 1)
    guest = shop.guest("app")
    carts = [await cart_to_ship(shop, guest, **{sku: 1}) for _ in range(3)]

    _, *payloads = await asyncio.gather(resource(shop), *(shop.check_out(guest, cart) for cart in carts))

    bought = sum(payload["order"] is not None for payload in payloads)
    moved = (await parts(shop, placed))[-1][0] == "ALLOCATED"
    assert bought + moved == 1
    assert await numbers(shop, sku, "W1") == (1, 1, 0)


async def test_the_timeline_says_what_became_of_each_part(shop: Shop) -> None:
    await shop.receive(TEA_S1=3)
    placed = await shipped(shop, TEA=3)
    await shop.receive(TEA_S2=1)
    await sold(shop, "TEA", "S1", 1)

    await resource(shop)

    same = {"method": "SHIP", "reason": "SHORTAGE", "actor": "system:hub"}
    assert await told(shop, placed) == [
        {"status": "ALLOCATED", "location": shop.code("S1"), "units": 2, **same},
        {"status": "ALLOCATED", "location": shop.code("S2"), "units": 1, **same},
    ]


def test_one_locations_units_are_given_away_once() -> None:
    promises = [_promise(n, quantity=2) for n in (1, 2)]

    split = plan_reallocations((7, 1), promises, {5: [Supply(2, 3)]}, short=4, free={2: 3})

    assert [(part.fulfillment_id, part.status, part.location_id, part.quantity) for part in split] == [
        (1, "ALLOCATED", 2, 2),
        (2, "BACKORDERED", 1, 2),
    ]


def test_what_is_missing_of_a_promise_may_come_from_two_places() -> None:
    split = plan_reallocations(
        (7, 1), [_promise(1, quantity=3)], {5: [Supply(2, 1), Supply(3, 2)]}, short=3, free={2: 1, 3: 2}
    )

    assert sorted((part.location_id, part.quantity) for part in split) == [(2, 1), (3, 2)]


def test_where_nothing_is_short_nothing_is_moved() -> None:
    assert plan_reallocations((7, 1), [_promise(1, quantity=3)], {5: [Supply(2, 9)]}, short=0, free={2: 9}) == []


def _promise(n: int, *, quantity: int) -> dict[str, object]:
    return {"id": n, "order_id": n, "order_line_id": n, "method": "SHIP", "quantity": quantity, "channel_id": 5}
