"""Back-orders are filled by receipts, first come, first served, in the receipt's own transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from tests.support.placed_orders import (
    PlacedOrder,
    buy_unit,
    fulfillments,
    fulfillments_of,
    level_key,
    level_quantities,
    order_key,
    place_backordered,
    place_for_pickup,
    place_to_ship,
    receive_and_fill,
    receive_without_filling,
    sell_at_till,
    sweep_backorders,
    sweep_shortages,
    timeline_updates,
    wait_until_blocked_by,
)
from tests.support.shop import ERRORS, ORDER, Shop
from tests.support.waiting import backend_pid
from uriba.db import Row, Session
from uriba.db.statements import Statement, statement
from uriba.fulfillment.allocation import backorders
from uriba.fulfillment.allocation.backorders import Backorder, assign
from uriba.inventory import queries
from uriba.orders import locks

ORDER_CHANGED = f"subscription ($o: ID!) {{ orderChanged(orderId: $o) {{ {ORDER} }} }}"


async def open_fulfillments(shop: Shop, *placed: PlacedOrder) -> list[list[tuple[str, str, int]]]:
    """Return status, location and units of each order's fulfillments that are not rejected."""
    return [
        [
            (status, place, sum(units.values()))
            for status, _, place, units in await fulfillments(shop, one)
            if status != "REJECTED"
        ]
        for one in placed
    ]


async def test_a_receipt_fills_back_orders_in_its_own_transaction(shop: Shop) -> None:
    placed = await place_backordered(shop, units=2)

    async with shop.hub.database.transaction() as session:
        filled = await receive_and_fill(session, shop, TEA_S1=5)
        statuses = await session.fetchval(_STATUSES, order_id=order_key(placed))

    assert (filled, statuses) == (2, "REJECTED ALLOCATED")
    assert await level_quantities(shop, "TEA", "S1") == (5, 2, 0)


_STATUSES = statement("SELECT string_agg(status, ' ' ORDER BY id) FROM fulfillment WHERE order_id = :order_id")


async def test_a_receipt_by_staff_fills_back_orders(shop: Shop) -> None:
    placed = await place_backordered(shop)

    await shop.receive(TEA_S1=1)

    assert await open_fulfillments(shop, placed) == [[("ALLOCATED", "S1", 1)]]


async def test_a_receipt_by_a_till_fills_back_orders(shop: Shop) -> None:
    placed = await place_backordered(shop, units=2)
    till, now = await shop.terminal("S1"), datetime.now(UTC).isoformat()
    fact = {
        "eventId": uuid4().hex,
        "sequence": 1,
        "type": "RECEIPT",
        "occurredAt": now,
        "lines": [{"sku": shop.sku("TEA"), "quantity": 3}],
    }

    payload = await till.mutate(
        f"mutation ($i: PosSyncInput!) {{ posSync(input: $i) {{ results {{ status }} {ERRORS} }} }}",
        i={"sentAt": now, "events": [fact]},
    )

    assert payload == {"results": [{"status": "APPLIED"}], "errors": []}
    assert await open_fulfillments(shop, placed) == [[("ALLOCATED", "S1", 2)]]
    assert await level_quantities(shop, "TEA", "S1") == (3, 2, 0)


async def test_a_receipt_that_is_rolled_back_fills_no_back_order(shop: Shop) -> None:
    placed = await place_backordered(shop)

    with pytest.raises(ZeroDivisionError):
        async with shop.hub.database.transaction() as session:
            assert await receive_and_fill(session, shop, TEA_S1=1) == 1
            raise ZeroDivisionError

    assert await open_fulfillments(shop, placed) == [[("BACKORDERED", "S1", 1)]]


async def test_the_oldest_order_is_filled_first(shop: Shop) -> None:
    await shop.receive(TEA_S1=3)
    placed = [await place_for_pickup(shop, TEA=1) for _ in range(3)]
    await sell_at_till(shop, "TEA", "S1", 3)
    await sweep_shortages(shop)

    await shop.receive(TEA_S1=2)
    two = await open_fulfillments(shop, *placed)
    await shop.receive(TEA_S1=1)

    assert two == [[("ALLOCATED", "S1", 1)], [("ALLOCATED", "S1", 1)], [("BACKORDERED", "S1", 1)]]
    assert await open_fulfillments(shop, *placed) == [[("ALLOCATED", "S1", 1)]] * 3
    assert await level_quantities(shop, "TEA", "S1") == (3, 3, 0)


async def test_a_line_is_filled_in_part_and_the_rest_stays_back_ordered(shop: Shop) -> None:
    placed = await place_backordered(shop, units=3)

    await shop.receive(TEA_S1=1)
    one = await open_fulfillments(shop, placed)
    await shop.receive(TEA_S1=2)

    assert one == [[("BACKORDERED", "S1", 2), ("ALLOCATED", "S1", 1)]]
    assert await open_fulfillments(shop, placed) == [[("ALLOCATED", "S1", 2), ("ALLOCATED", "S1", 1)]]
    assert await level_quantities(shop, "TEA", "S1") == (3, 3, 0)


async def test_units_to_be_shipped_are_filled_by_another_locations_receipt(shop: Shop) -> None:
    placed = await place_backordered(shop, method="SHIP", units=2)

    await shop.receive(TEA_W1=5)

    assert await fulfillments(shop, placed) == [
        ("REJECTED", "SHIP", "S1", {"TEA": 2}),
        ("REJECTED", "SHIP", "S1", {"TEA": 2}),
        ("ALLOCATED", "SHIP", "W1", {"TEA": 2}),
    ]
    assert (await level_quantities(shop, "TEA", "S1"), await level_quantities(shop, "TEA", "W1")) == (
        (0, 0, 0),
        (5, 2, 0),
    )


async def test_units_to_be_shipped_are_filled_by_several_locations(shop: Shop) -> None:
    first, second = (
        await place_backordered(shop, method="SHIP"),
        await place_backordered(shop, sku="POT", method="SHIP", units=2),
    )

    async with shop.hub.database.transaction() as session:
        assert await receive_and_fill(session, shop, TEA_S2=1, POT_S2=1, POT_W1=1) == 3

    assert await open_fulfillments(shop, first) == [[("ALLOCATED", "S2", 1)]]
    assert sorted((await open_fulfillments(shop, second))[0]) == [("ALLOCATED", "S2", 1), ("ALLOCATED", "W1", 1)]


async def test_a_pickup_is_not_filled_by_another_location(shop: Shop) -> None:
    placed = await place_backordered(shop)

    await shop.receive(TEA_S2=5, TEA_W1=5)

    assert await open_fulfillments(shop, placed) == [[("BACKORDERED", "S1", 1)]]
    assert await allocated_by_sweep(shop) == []


async def allocated_by_sweep(shop: Shop) -> list[str]:
    """Run the sweep; return the allocated fulfillments of this shop."""
    await sweep_backorders(shop)
    async with shop.hub.database.reading() as session:
        rows = await session.fetch(_ALLOCATED, codes=f"%-{shop.suffix}")
    return [str(row["id"]) for row in rows]


_ALLOCATED = statement("""
    SELECT f.id FROM fulfillment f JOIN location p ON p.id = f.location_id
    WHERE p.code LIKE :codes AND f.status = 'ALLOCATED'
""")


async def test_a_location_outside_the_channel_does_not_fill_its_orders(shop: Shop) -> None:
    placed = await place_backordered(shop, method="SHIP")
    channel = {
        "code": shop.code("app"),
        "name": "App",
        "kind": "APP",
        "currency": "JPY",
        "locations": [shop.code("S1"), shop.code("S2")],
        "taxRates": [{"taxClass": "standard", "rate": "0.10"}, {"taxClass": "reduced", "rate": "0.08"}],
    }
    upserted = await shop.staff.mutate(
        f"mutation ($c: [ChannelInput!]!) {{ channelsUpsert(channels: $c) {{ count {ERRORS} }} }}", c=[channel]
    )
    assert not upserted["errors"], upserted

    await shop.receive(TEA_W1=5)

    assert await open_fulfillments(shop, placed) == [[("BACKORDERED", "S1", 1)]]


async def test_safety_stock_does_not_fill_back_orders(shop: Shop) -> None:
    placed = await place_backordered(shop)
    counted = {"sku": shop.sku("TEA"), "location": shop.code("S1"), "onHand": 2, "safetyStock": 2}
    await shop.staff.mutate(
        f"mutation ($i: StockSetInput!) {{ stockSet(input: $i) {{ {ERRORS} }} }}",
        i={"changes": [counted], "idempotencyKey": uuid4().hex},
    )
    kept = await open_fulfillments(shop, placed)

    await shop.receive(TEA_S1=1)

    assert kept == [[("BACKORDERED", "S1", 1)]]
    assert await open_fulfillments(shop, placed) == [[("ALLOCATED", "S1", 1)]]


async def test_a_locked_order_is_skipped_and_filled_by_the_sweep(shop: Shop) -> None:
    await shop.receive(TEA_S1=2)
    first, second = await place_for_pickup(shop, TEA=1), await place_for_pickup(shop, TEA=1)
    await sell_at_till(shop, "TEA", "S1", 2)
    await sweep_shortages(shop)

    async with shop.hub.database.transaction() as other:
        await locks.lock(other, order_key(first))
        async with shop.hub.database.transaction() as session:
            assert await receive_and_fill(session, shop, TEA_S1=5) == 1
        meanwhile = await open_fulfillments(shop, first, second)
    await sweep_backorders(shop)

    assert meanwhile == [[("BACKORDERED", "S1", 1)], [("ALLOCATED", "S1", 1)]]
    assert await open_fulfillments(shop, first, second) == [[("ALLOCATED", "S1", 1)]] * 2
    assert await level_quantities(shop, "TEA", "S1") == (5, 2, 0)


async def test_without_back_orders_it_costs_one_statement_and_without_units_none(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[Statement] = []
    fetch = Session.fetch

    async def counting_fetch(session: Session, statement: Statement, **params: object) -> list[Row]:
        fetched.append(statement)
        return await fetch(session, statement, **params)

    await receive_without_filling(shop, TEA_S2=1)
    async with shop.hub.database.transaction() as session:
        (level,) = await queries.levels_by_key(session, [await level_key(session, shop, "TEA", "S2")])
        row = (await queries.levels_by_key(session, [level]))[level]
        monkeypatch.setattr(Session, "fetch", counting_fetch)
        assert await backorders.fill(session, [dict(row) | {"available": 0}], actor="test") == 0
        without_units = len(fetched)
        assert await backorders.fill(session, [row], actor="test") == 0

    assert (without_units, len(fetched)) == (0, 1)


async def test_the_sweep_fills_back_orders_without_a_receipt(shop: Shop) -> None:
    placed = await place_backordered(shop, method="SHIP", units=2)
    await receive_without_filling(shop, TEA_S2=3)

    await sweep_backorders(shop)

    assert await open_fulfillments(shop, placed) == [[("ALLOCATED", "S2", 2)]]
    assert await level_quantities(shop, "TEA", "S2") == (3, 2, 0)


async def test_concurrent_sweeps_fill_a_back_order_once(shop: Shop) -> None:
    await shop.receive(TEA_S1=3)
    placed = [await place_to_ship(shop, TEA=1) for _ in range(3)]
    await sell_at_till(shop, "TEA", "S1", 3)
    await sweep_shortages(shop)
    await receive_without_filling(shop, TEA_S1=1, TEA_S2=1)

    await asyncio.gather(*(sweep_backorders(shop) for _ in range(4)))
    await sweep_backorders(shop)  # Orders that were skipped, because another sweep had locked them.

    found = [one[0][0] for one in await open_fulfillments(shop, *placed)]
    assert found == ["ALLOCATED", "ALLOCATED", "BACKORDERED"]
    assert (await level_quantities(shop, "TEA", "S1"), await level_quantities(shop, "TEA", "S2")) == (
        (1, 1, 0),
        (1, 1, 0),
    )


async def test_a_buyer_who_is_faster_than_the_sweep_gets_the_unit(shop: Shop) -> None:
    placed = await place_backordered(shop)
    await receive_without_filling(shop, TEA_S1=1)

    async with shop.hub.database.transaction() as buyer:
        await buy_unit(buyer, shop, "TEA", "S1")
        sweep = asyncio.create_task(sweep_backorders(shop))
        await wait_until_blocked_by(shop.hub.database, await backend_pid(buyer))
    await sweep

    assert await open_fulfillments(shop, placed) == [[("BACKORDERED", "S1", 1)]]
    assert await level_quantities(shop, "TEA", "S1") == (0, 0, 0)


async def test_the_customers_subscription_shows_the_back_order_and_its_filling(shop: Shop) -> None:
    await shop.receive(TEA_S1=1)
    placed = await place_for_pickup(shop, by=await shop.customer(), TEA=1)

    async with placed.client.subscribe(ORDER_CHANGED, o=placed.order["id"]) as subscription:
        assert [part[0] for part in fulfillments_of(await subscription.next())] == ["ALLOCATED"]
        await sell_at_till(shop, "TEA", "S1", 1)
        await sweep_shortages(shop)
        waiting = await subscription.until(lambda order: len(order["fulfillments"]) > 1)
        await shop.receive(TEA_S1=1)
        served = await subscription.until(lambda order: fulfillments_of(order)[-1][0] == "ALLOCATED")

    assert [part[0] for part in fulfillments_of(waiting)] == ["REJECTED", "BACKORDERED"]
    assert [part[0] for part in fulfillments_of(served)] == ["REJECTED", "ALLOCATED"]


async def test_the_timeline_has_the_back_order_and_its_filling(shop: Shop) -> None:
    placed = await place_backordered(shop, units=2)

    async with shop.hub.database.transaction() as session:
        await receive_and_fill(session, shop, TEA_S1=2)

    here = {"location": shop.code("S1"), "method": "PICKUP", "units": 2}
    assert await timeline_updates(shop, placed) == [
        {"status": "REJECTED", "reason": "SHORTAGE", "actor": "system:hub", **here},
        {"status": "BACKORDERED", "reason": "SHORTAGE", "actor": "system:hub", **here},
        {"status": "ALLOCATED", "reason": "RECEIPT", "actor": "test", **here},
    ]


def test_the_own_location_comes_first_then_the_channels_order() -> None:
    waiting = [_backorder("SHIP", units=1, shipping_location_ids=[1, 2, 3]) for _ in range(3)]

    filled = assign(waiting, {(7, 1): 1, (7, 2): 1, (7, 3): 1})

    assert [(r.location_id, r.keeps_fulfillment) for r in filled] == [(2, True), (1, False), (3, False)]


def test_no_more_units_are_assigned_than_are_available() -> None:
    waiting = [_backorder("PICKUP", units=2) for _ in range(3)]

    assert [r.quantity for r in assign(waiting, {(7, 2): 3})] == [2, 1]
    assert assign(waiting, {(7, 2): -4}) == []


def _backorder(method: str, *, units: int, shipping_location_ids: Sequence[int] = ()) -> Backorder:
    """Return a back-order of variant 7 at location 2."""
    id = UUID(int=1)
    return Backorder(id, id, 2, method, id, units, 7, shipping_location_ids)
