"""Who waits for goods is served by what arrives: first come, first served, in the receipt's own transaction."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from promises import (
    Placed,
    arrive,
    key,
    level_key,
    numbers,
    parts,
    parts_of,
    picked_up,
    received,
    resource,
    serve_waiting,
    shipped,
    sold,
    somebody_waits_for,
    take,
    told,
    waits,
)

from shop import ERRORS, ORDER, Shop
from uriba.db import Row, Session
from uriba.fulfillment.allocation import backorders
from uriba.fulfillment.allocation.backorders import assign
from uriba.inventory import queries
from waiting import backend_pid

ORDER_CHANGED = f"subscription ($o: ID!) {{ orderChanged(orderId: $o) {{ {ORDER} }} }}"


async def now_open(shop: Shop, *placed: Placed) -> list[list[tuple[str, str, int]]]:
    """Status, location and units of the parts that are not rejected, of each order."""
    return [
        [
            (status, place, sum(units.values()))
            for status, _, place, units in await parts(shop, one)
            if status != "REJECTED"
        ]
        for one in placed
    ]


async def test_a_receipt_serves_who_waits_in_its_own_transaction(shop: Shop) -> None:
    placed = await waits(shop, units=2)

    async with shop.hub.database.transaction() as session:
        served = await received(session, shop, TEA_S1=5)
        seen = await session.fetchval(
            "SELECT string_agg(status, ' ' ORDER BY id) FROM fulfillment WHERE order_id = $1", key(placed)
        )

    assert (served, seen) == (2, "REJECTED ALLOCATED")
    assert await numbers(shop, "TEA", "S1") == (5, 2, 0)


async def test_goods_that_staff_book_in_serve_who_waits(shop: Shop) -> None:
    placed = await waits(shop)

    await shop.receive(TEA_S1=1)

    assert await now_open(shop, placed) == [[("ALLOCATED", "S1", 1)]]


async def test_a_receipt_at_a_till_serves_who_waits(shop: Shop) -> None:
    placed = await waits(shop, units=2)
    till, now = await shop.terminal("S1"), datetime.now(UTC).isoformat()
    fact = {
        "eventId": uuid4().hex,
        "sequence": 1,
        "type": "RECEIPT",
        "occurredAt": now,
        "lines": [{"sku": shop.sku("TEA"), "quantity": 3}],
    }

    payload = await till.do(
        f"mutation ($i: PosSyncInput!) {{ posSync(input: $i) {{ results {{ status }} {ERRORS} }} }}",
        i={"sentAt": now, "events": [fact]},
    )

    assert payload == {"results": [{"status": "APPLIED"}], "errors": []}
    assert await now_open(shop, placed) == [[("ALLOCATED", "S1", 2)]]
    assert await numbers(shop, "TEA", "S1") == (3, 2, 0)


async def test_a_receipt_that_is_rolled_back_serves_nobody(shop: Shop) -> None:
    placed = await waits(shop)

    with pytest.raises(ZeroDivisionError):
        async with shop.hub.database.transaction() as session:
            assert await received(session, shop, TEA_S1=1) == 1
            raise ZeroDivisionError

    assert await now_open(shop, placed) == [[("BACKORDERED", "S1", 1)]]


async def test_first_come_first_served(shop: Shop) -> None:
    await shop.receive(TEA_S1=3)
    placed = [await picked_up(shop, TEA=1) for _ in range(3)]
    await sold(shop, "TEA", "S1", 3)
    await resource(shop)

    await shop.receive(TEA_S1=2)
    two = await now_open(shop, *placed)
    await shop.receive(TEA_S1=1)

    assert two == [[("ALLOCATED", "S1", 1)], [("ALLOCATED", "S1", 1)], [("BACKORDERED", "S1", 1)]]
    assert await now_open(shop, *placed) == [[("ALLOCATED", "S1", 1)]] * 3
    assert await numbers(shop, "TEA", "S1") == (3, 3, 0)


async def test_part_of_a_line_is_served_and_the_rest_waits_on(shop: Shop) -> None:
    placed = await waits(shop, units=3)

    await shop.receive(TEA_S1=1)
    one = await now_open(shop, placed)
    await shop.receive(TEA_S1=2)

    assert one == [[("BACKORDERED", "S1", 2), ("ALLOCATED", "S1", 1)]]
    assert await now_open(shop, placed) == [[("ALLOCATED", "S1", 2), ("ALLOCATED", "S1", 1)]]
    assert await numbers(shop, "TEA", "S1") == (3, 3, 0)


async def test_what_is_to_be_shipped_is_served_by_another_locations_receipt(shop: Shop) -> None:
    placed = await waits(shop, method="SHIP", units=2)

    await shop.receive(TEA_W1=5)

    assert await parts(shop, placed) == [
        ("REJECTED", "SHIP", "S1", {"TEA": 2}),
        ("REJECTED", "SHIP", "S1", {"TEA": 2}),
        ("ALLOCATED", "SHIP", "W1", {"TEA": 2}),
    ]
    assert (await numbers(shop, "TEA", "S1"), await numbers(shop, "TEA", "W1")) == ((0, 0, 0), (5, 2, 0))


async def test_what_is_to_be_shipped_may_come_from_two_receipts_at_once(shop: Shop) -> None:
    first, second = await waits(shop, method="SHIP"), await waits(shop, sku="POT", method="SHIP", units=2)

    async with shop.hub.database.transaction() as session:
        assert await received(session, shop, TEA_S2=1, POT_S2=1, POT_W1=1) == 3

    assert await now_open(shop, first) == [[("ALLOCATED", "S2", 1)]]
    assert sorted((await now_open(shop, second))[0]) == [("ALLOCATED", "S2", 1), ("ALLOCATED", "W1", 1)]


async def test_goods_at_another_store_are_not_for_a_pickup(shop: Shop) -> None:
    placed = await waits(shop)

    await shop.receive(TEA_S2=5, TEA_W1=5)

    assert await now_open(shop, placed) == [[("BACKORDERED", "S1", 1)]]
    assert await serve_waiting_of(shop) == []


async def serve_waiting_of(shop: Shop) -> list[str]:
    """The fulfillments of this shop's orders that the sweep has served."""
    await serve_waiting(shop)
    async with shop.hub.database.reading() as session:
        rows = await session.fetch(
            "SELECT f.id FROM fulfillment f JOIN location p ON p.id = f.location_id "
            "WHERE p.code LIKE $1 AND f.status = 'ALLOCATED'",
            f"%-{shop.mark}",
        )
    return [str(row["id"]) for row in rows]


async def test_a_channel_that_does_not_sell_a_locations_stock_is_not_served_by_it(shop: Shop) -> None:
    placed = await waits(shop, method="SHIP")
    channel = {
        "code": shop.code("app"),
        "name": "App",
        "kind": "APP",
        "currency": "JPY",
        "locations": [shop.code("S1"), shop.code("S2")],
        "taxRates": [{"taxClass": "standard", "rate": "0.10"}, {"taxClass": "reduced", "rate": "0.08"}],
    }
    upserted = await shop.staff.do(
        f"mutation ($c: [ChannelInput!]!) {{ channelsUpsert(channels: $c) {{ count {ERRORS} }} }}", c=[channel]
    )
    assert not upserted["errors"], upserted

    await shop.receive(TEA_W1=5)

    assert await now_open(shop, placed) == [[("BACKORDERED", "S1", 1)]]


async def test_safety_stock_is_kept_back(shop: Shop) -> None:
    placed = await waits(shop)
    counted = {"sku": shop.sku("TEA"), "location": shop.code("S1"), "onHand": 2, "safetyStock": 2}
    await shop.staff.do(
        f"mutation ($i: StockSetInput!) {{ stockSet(input: $i) {{ {ERRORS} }} }}",
        i={"changes": [counted], "idempotencyKey": uuid4().hex},
    )
    kept = await now_open(shop, placed)

    await shop.receive(TEA_S1=1)

    assert kept == [[("BACKORDERED", "S1", 1)]]
    assert await now_open(shop, placed) == [[("ALLOCATED", "S1", 1)]]


async def test_an_order_that_is_locked_is_skipped_and_served_by_the_sweep(shop: Shop) -> None:
    await shop.receive(TEA_S1=2)
    first, second = await picked_up(shop, TEA=1), await picked_up(shop, TEA=1)
    await sold(shop, "TEA", "S1", 2)
    await resource(shop)

    async with shop.hub.database.transaction() as other:
        await other.fetch("SELECT FROM orders WHERE id = $1 FOR UPDATE", key(first))
        async with shop.hub.database.transaction() as session:
            assert await received(session, shop, TEA_S1=5) == 1
        meanwhile = await now_open(shop, first, second)
    await serve_waiting(shop)

    assert meanwhile == [[("BACKORDERED", "S1", 1)], [("ALLOCATED", "S1", 1)]]
    assert await now_open(shop, first, second) == [[("ALLOCATED", "S1", 1)]] * 2
    assert await numbers(shop, "TEA", "S1") == (5, 2, 0)


async def test_where_nobody_waits_it_costs_one_statement_and_without_goods_none(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    fetch = Session.fetch

    async def counted(session: Session, sql: str, *args: object) -> list[Row]:
        asked.append(sql)
        return await fetch(session, sql, *args)

    await arrive(shop, TEA_S2=1)
    async with shop.hub.database.transaction() as session:
        (level,) = await queries.levels_by_key(session, [await level_key(session, shop, "TEA", "S2")])
        row = (await queries.levels_by_key(session, [level]))[level]
        monkeypatch.setattr(Session, "fetch", counted)
        assert await backorders.fill(session, [dict(row) | {"on_hand": 0}], actor="test") == 0
        nothing = len(asked)
        assert await backorders.fill(session, [row], actor="test") == 0

    assert (nothing, len(asked)) == (0, 1)


async def test_the_sweep_serves_units_that_came_free_by_themselves(shop: Shop) -> None:
    placed = await waits(shop, method="SHIP", units=2)
    await arrive(shop, TEA_S2=3)

    await serve_waiting(shop)

    assert await now_open(shop, placed) == [[("ALLOCATED", "S2", 2)]]
    assert await numbers(shop, "TEA", "S2") == (3, 2, 0)


async def test_two_sweeps_at_once_serve_once(shop: Shop) -> None:
    await shop.receive(TEA_S1=3)
    placed = [await shipped(shop, TEA=1) for _ in range(3)]
    await sold(shop, "TEA", "S1", 3)
    await resource(shop)
    await arrive(shop, TEA_S1=1, TEA_S2=1)

    await asyncio.gather(*(serve_waiting(shop) for _ in range(4)))
    await serve_waiting(shop)  # Whoever was skipped while another sweep looked at it.

    found = [one[0][0] for one in await now_open(shop, *placed)]
    assert found == ["ALLOCATED", "ALLOCATED", "BACKORDERED"]
    assert (await numbers(shop, "TEA", "S1"), await numbers(shop, "TEA", "S2")) == ((1, 1, 0), (1, 1, 0))


async def test_a_buyer_who_is_faster_than_the_sweep_has_the_unit(shop: Shop) -> None:
    placed = await waits(shop)
    await arrive(shop, TEA_S1=1)

    async with shop.hub.database.transaction() as buyer:
        await take(buyer, shop, "TEA", "S1")
        sweep = asyncio.create_task(serve_waiting(shop))
        await somebody_waits_for(shop.hub.database, await backend_pid(buyer))
    await sweep

    assert await now_open(shop, placed) == [[("BACKORDERED", "S1", 1)]]
    assert await numbers(shop, "TEA", "S1") == (0, 0, 0)


async def test_the_customer_sees_it_wait_and_then_go_on(shop: Shop) -> None:
    await shop.receive(TEA_S1=1)
    placed = await picked_up(shop, by=await shop.customer(), TEA=1)

    async with placed.client.subscribe(ORDER_CHANGED, o=placed.order["id"]) as following:
        assert [part[0] for part in parts_of(await following.next())] == ["ALLOCATED"]
        await sold(shop, "TEA", "S1", 1)
        await resource(shop)
        waiting = await following.until(lambda order: len(order["fulfillments"]) > 1)
        await shop.receive(TEA_S1=1)
        served = await following.until(lambda order: parts_of(order)[-1][0] == "ALLOCATED")

    assert [part[0] for part in parts_of(waiting)] == ["REJECTED", "BACKORDERED"]
    assert [part[0] for part in parts_of(served)] == ["REJECTED", "ALLOCATED"]


async def test_the_timeline_says_that_it_waits_and_when_it_goes_on(shop: Shop) -> None:
    placed = await waits(shop, units=2)

    async with shop.hub.database.transaction() as session:
        await received(session, shop, TEA_S1=2)

    here = {"location": shop.code("S1"), "method": "PICKUP", "units": 2}
    assert await told(shop, placed) == [
        {"status": "REJECTED", "reason": "SHORTAGE", "actor": "system:hub", **here},
        {"status": "BACKORDERED", "reason": "SHORTAGE", "actor": "system:hub", **here},
        {"status": "ALLOCATED", "reason": "RECEIPT", "actor": "test", **here},
    ]


def test_the_own_location_comes_first_then_the_channels_best() -> None:
    row = {"id": 1, "order_id": 1, "order_line_id": 1, "variant_id": 7, "method": "SHIP"}
    waiting = [row | {"quantity": 1, "location_id": 2, "ships_from": [1, 2, 3]} for _ in range(3)]

    served = assign(waiting, {(7, 1): 1, (7, 2): 1, (7, 3): 1})

    assert [(split.location_id, split.stays) for split in served] == [(2, True), (1, False), (3, False)]


def test_more_units_than_there_are_are_given_to_nobody() -> None:
    row = {"id": 1, "order_id": 1, "order_line_id": 1, "variant_id": 7, "method": "PICKUP"}
    waiting = [row | {"quantity": 2, "location_id": 2, "ships_from": []} for _ in range(3)]

    assert [split.quantity for split in assign(waiting, {(7, 2): 3})] == [2, 1]
    assert assign(waiting, {(7, 2): -4}) == []
