"""Placed orders with promised units, and the facts that break or fill the promises."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from tests.support.client import Client
from tests.support.shop import ADDRESS, ORDER, Shop
from tests.support.waiting import wait_until
from uriba.core import ids
from uriba.db import Database, Row, Session
from uriba.db.statements import statement
from uriba.fulfillment.allocation import backorders
from uriba.inventory import ledger
from uriba.inventory.enums import StockReason
from uriba.inventory.ledger import Movement, StockFact
from uriba.worker import sweeps

FulfillmentSummary = tuple[str, str, str, dict[str, int]]
"""Status, method, location and units by SKU of a fulfillment, as the shop names them."""


class PlacedOrder(NamedTuple):
    """An order, and the client of its customer."""

    client: Client
    order: dict[str, Any]


async def place_to_ship(shop: Shop, channel: str = "app", **units: int) -> PlacedOrder:
    """Place an order to be shipped. The app sources from W1 first, then S1, then S2."""
    guest = shop.guest(channel)
    return await _check_out(shop, guest, await cart_to_ship(shop, guest, **units))


async def place_for_pickup(shop: Shop, place: str = "S1", by: Client | None = None, **units: int) -> PlacedOrder:
    """Place an order for pickup."""
    guest = by or shop.guest("app")
    chosen = await shop.set_fulfillment(guest, await shop.create_cart(guest, **units), "PICKUP", location=place)
    assert not chosen["errors"], chosen
    return await _check_out(shop, guest, chosen["cart"])


async def cart_to_ship(shop: Shop, client: Client, **units: int) -> dict[str, Any]:
    """Return a cart that is ready for checkout."""
    payload = await shop.set_fulfillment(client, await shop.create_cart(client, **units), "SHIP", address=ADDRESS)
    assert not payload["errors"], payload
    return payload["cart"]  # type: ignore[no-any-return]


async def _check_out(shop: Shop, guest: Client, cart: dict[str, Any]) -> PlacedOrder:
    paid = await shop.check_out(guest, cart, email="hana@example.com")
    assert not paid["errors"], paid
    return PlacedOrder(guest, paid["order"])


async def load_order(shop: Shop, placed: PlacedOrder) -> dict[str, Any]:
    """Return the order as it is now."""
    found = await shop.staff.execute(f"query ($o: ID!) {{ order(id: $o) {{ {ORDER} }} }}", o=placed.order["id"])
    return found["order"]  # type: ignore[no-any-return]


async def fulfillments(shop: Shop, placed: PlacedOrder) -> list[FulfillmentSummary]:
    """Return the order's fulfillments, oldest first."""
    return fulfillments_of(await load_order(shop, placed))


def fulfillments_of(order: Mapping[str, Any]) -> list[FulfillmentSummary]:
    return [
        (
            part["status"],
            part["method"],
            _name(part["location"]["code"]),
            {_name(line["orderLine"]["sku"]): line["quantity"] for line in part["lines"]},
        )
        for part in order["fulfillments"]
    ]


def _name(code: str) -> str:
    return code.split("-")[0]


def order_key(placed: PlacedOrder) -> UUID:
    found = ids.uuid(placed.order["id"], "Order")
    assert found is not None
    return found


async def level_key(session: Session, shop: Shop, sku: str, place: str) -> tuple[int, int]:
    return (
        await session.fetchval(statement("SELECT id FROM variant WHERE sku = :sku"), sku=shop.sku(sku)),
        await session.fetchval(statement("SELECT id FROM location WHERE code = :code"), code=shop.code(place)),
    )


async def sell_at_till(shop: Shop, sku: str, place: str, units: int) -> None:
    """Post a till's sale of units, whether they are promised or not."""
    async with shop.hub.database.transaction() as session:
        variant_id, location_id = await level_key(session, shop, sku, place)
        fact = StockFact(
            variant_id=variant_id,
            location_id=location_id,
            reason=StockReason.SALE,
            quantity=units,
            on_hand=-units,
            occurred_at=datetime.now(UTC),
            reference=f"test:{uuid4()}",
        )
        await ledger.post_facts(session, [fact], actor="test")


async def buy_unit(session: Session, shop: Shop, sku: str, place: str) -> None:
    """Sell one available unit in this transaction."""
    variant_id, location_id = await level_key(session, shop, sku, place)
    sale = Movement(
        variant_id=variant_id, location_id=location_id, reason=StockReason.SALE, quantity=1, on_hand=-1, need=1
    )
    await ledger.post(session, [sale], reference=f"test:{uuid4()}", actor="test")


async def receive_and_fill(session: Session, shop: Shop, **units: int) -> int:
    """Receive units in this transaction (TEA_S1=2) and fill back-orders; return the units that filled them."""
    return await backorders.fill(session, await _post_receipts(session, shop, **units), actor="test")


async def receive_without_filling(shop: Shop, **units: int) -> None:
    """Receive units without filling back-orders."""
    async with shop.hub.database.transaction() as session:
        await _post_receipts(session, shop, **units)


async def _post_receipts(session: Session, shop: Shop, **units: int) -> list[Row]:
    levels = [(await level_key(session, shop, *name.split("_")), quantity) for name, quantity in units.items()]
    await ledger.open_levels(session, [level for level, _ in levels])
    movements = [
        Movement(variant_id=v, location_id=place, reason=StockReason.RECEIPT, quantity=quantity, on_hand=quantity)
        for (v, place), quantity in levels
    ]
    return await ledger.post(session, movements, reference=f"test:{uuid4()}", actor="test")


async def sweep_shortages(shop: Shop) -> int:
    return await sweeps.resource_shortages(shop.hub.work)


async def sweep_backorders(shop: Shop) -> int:
    return await sweeps.serve_backorders(shop.hub.work)


async def level_quantities(shop: Shop, sku: str, place: str) -> tuple[int, int, int]:
    """Return on hand, committed and shortage of a level."""
    level = await shop.stock_level(sku, place)
    return level["onHand"], level["committed"], level["shortage"]


async def place_backordered(
    shop: Shop, *, place: str = "S1", sku: str = "TEA", units: int = 1, method: str = "PICKUP"
) -> PlacedOrder:
    """Place an order and sell all of its units at a till, so that it is back-ordered there."""
    await shop.receive(**{f"{sku}_{place}": units})
    placed = await (
        place_for_pickup(shop, place, **{sku: units}) if method == "PICKUP" else place_to_ship(shop, **{sku: units})
    )
    await sell_at_till(shop, sku, place, units)
    await sweep_shortages(shop)
    assert [part[0] for part in await fulfillments(shop, placed)] == ["REJECTED", "BACKORDERED"]
    return placed


async def count_open_shortages(shop: Shop, place: str) -> int:
    async with shop.hub.database.reading() as session:
        _, location_id = await level_key(session, shop, "TEA", place)
        return int(
            await session.fetchval(
                statement(
                    "SELECT count(*) FROM conflict "
                    "WHERE kind = 'SHORTAGE' AND status = 'OPEN' AND location_id = :location_id"
                ),
                location_id=location_id,
            )
        )


async def timeline_updates(shop: Shop, placed: PlacedOrder) -> list[dict[str, Any]]:
    """Return the data of the timeline's fulfillment updates, without the fulfillments' ids."""
    found = await shop.staff.execute(
        "query ($o: ID!) { order(id: $o) { timeline { type actor data } } }", o=placed.order["id"]
    )
    return [
        {name: value for name, value in line["data"].items() if name != "fulfillment"} | {"actor": line["actor"]}
        for line in found["order"]["timeline"]
        if line["type"] == "fulfillment.updated"
    ]


async def wait_until_blocked_by(database: Database, pid: int) -> None:
    """Wait until another backend waits for a lock of this one."""

    async def look() -> bool:
        async with database.reading() as session:
            return bool(
                await session.fetchval(
                    statement("SELECT count(*) FROM pg_stat_activity WHERE :pid = ANY(pg_blocking_pids(pid))"), pid=pid
                )
            )

    await wait_until(look)
