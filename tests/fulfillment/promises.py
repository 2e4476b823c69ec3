"""Promises, the facts that break them, and what becomes of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from client import Client
from shop import ADDRESS, ORDER, Shop
from uriba.core import ids
from uriba.db import Database, Row, Session
from uriba.fulfillment.allocation import backorders
from uriba.inventory import ledger
from uriba.inventory.ledger import Movement, StockFact
from uriba.inventory.models import StockReason
from uriba.worker import sweeps
from waiting import eventually

Part = tuple[str, str, str, dict[str, int]]
"""Status, method, location and units by SKU of a fulfillment, as the shop names them."""


class Placed(NamedTuple):
    """A customer's order, and who may look at it."""

    client: Client
    order: dict[str, Any]


async def shipped(shop: Shop, channel: str = "app", **units: int) -> Placed:
    """A paid order to be shipped; the app takes W1 first, then S1, then S2."""
    guest = shop.guest(channel)
    return await _paid(shop, guest, await cart_to_ship(shop, guest, **units))


async def picked_up(shop: Shop, place: str = "S1", by: Client | None = None, **units: int) -> Placed:
    """A paid order to be picked up."""
    guest = by or shop.guest("app")
    chosen = await shop.fulfil(guest, await shop.cart(guest, **units), "PICKUP", location=place)
    assert not chosen["errors"], chosen
    return await _paid(shop, guest, chosen["cart"])


async def cart_to_ship(shop: Shop, client: Client, **units: int) -> dict[str, Any]:
    """A cart that is ready to pay."""
    payload = await shop.fulfil(client, await shop.cart(client, **units), "SHIP", address=ADDRESS)
    assert not payload["errors"], payload
    return payload["cart"]  # type: ignore[no-any-return]


async def _paid(shop: Shop, guest: Client, cart: dict[str, Any]) -> Placed:
    paid = await shop.check_out(guest, cart, email="hana@example.com")
    assert not paid["errors"], paid
    return Placed(guest, paid["order"])


async def read(shop: Shop, placed: Placed) -> dict[str, Any]:
    """The order as it is now."""
    found = await shop.staff.run(f"query ($o: ID!) {{ order(id: $o) {{ {ORDER} }} }}", o=placed.order["id"])
    return found["order"]  # type: ignore[no-any-return]


async def parts(shop: Shop, placed: Placed) -> list[Part]:
    """The order's fulfillments, oldest first."""
    return parts_of(await read(shop, placed))


def parts_of(order: Mapping[str, Any]) -> list[Part]:
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


def key(placed: Placed) -> UUID:
    found = ids.uuid(placed.order["id"], "Order")
    assert found is not None
    return found


async def level_key(session: Session, shop: Shop, sku: str, place: str) -> tuple[int, int]:
    return (
        await session.fetchval("SELECT id FROM variant WHERE sku = $1", shop.sku(sku)),
        await session.fetchval("SELECT id FROM location WHERE code = $1", shop.code(place)),
    )


async def sold(shop: Shop, sku: str, place: str, units: int) -> None:
    """A till has sold units, whatever was promised."""
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


async def take(session: Session, shop: Shop, sku: str, place: str) -> None:
    """Somebody buys a unit that is free, in this transaction."""
    variant_id, location_id = await level_key(session, shop, sku, place)
    sale = Movement(
        variant_id=variant_id, location_id=location_id, reason=StockReason.SALE, quantity=1, on_hand=-1, need=1
    )
    await ledger.post(session, [sale], reference=f"test:{uuid4()}", actor="test")


async def received(session: Session, shop: Shop, **units: int) -> int:
    """Goods arrive, in this transaction: received(session, shop, TEA_S1=2); the units that were waited for."""
    return await backorders.fill(session, await _put(session, shop, **units), actor="test")


async def arrive(shop: Shop, **units: int) -> None:
    """Goods arrive, and nobody looks who waits for them."""
    async with shop.hub.database.transaction() as session:
        await _put(session, shop, **units)


async def _put(session: Session, shop: Shop, **units: int) -> list[Row]:
    levels = [(await level_key(session, shop, *name.split("_")), quantity) for name, quantity in units.items()]
    await ledger.open_levels(session, [level for level, _ in levels])
    movements = [
        Movement(variant_id=v, location_id=place, reason=StockReason.RECEIPT, quantity=quantity, on_hand=quantity)
        for (v, place), quantity in levels
    ]
    return await ledger.post(session, movements, reference=f"test:{uuid4()}", actor="test")


async def resource(shop: Shop) -> int:
    return await sweeps.resource_shortages(shop.hub.work)


async def serve_waiting(shop: Shop) -> int:
    return await sweeps.serve_backorders(shop.hub.work)


async def numbers(shop: Shop, sku: str, place: str) -> tuple[int, int, int]:
    """On hand, committed and shortage."""
    level = await shop.level(sku, place)
    return level["onHand"], level["committed"], level["shortage"]


async def waits(shop: Shop, *, place: str = "S1", sku: str = "TEA", units: int = 1, method: str = "PICKUP") -> Placed:
    """An order whose units were all sold at a till: it is back-ordered there."""
    await shop.receive(**{f"{sku}_{place}": units})
    placed = await (picked_up(shop, place, **{sku: units}) if method == "PICKUP" else shipped(shop, **{sku: units}))
    await sold(shop, sku, place, units)
    await resource(shop)
    assert [part[0] for part in await parts(shop, placed)] == ["REJECTED", "BACKORDERED"]
    return placed


async def open_conflicts(shop: Shop, place: str) -> int:
    async with shop.hub.database.reading() as session:
        _, location_id = await level_key(session, shop, "TEA", place)
        return int(
            await session.fetchval(
                "SELECT count(*) FROM conflict WHERE kind = 'SHORTAGE' AND status = 'OPEN' AND location_id = $1",
                location_id,
            )
        )


async def told(shop: Shop, placed: Placed) -> list[dict[str, Any]]:
    """What the timeline says of fulfillments, without their ids."""
    found = await shop.staff.run(
        "query ($o: ID!) { order(id: $o) { timeline { type actor data } } }", o=placed.order["id"]
    )
    return [
        {name: value for name, value in line["data"].items() if name != "fulfillment"} | {"actor": line["actor"]}
        for line in found["order"]["timeline"]
        if line["type"] == "fulfillment.updated"
    ]


async def somebody_waits_for(database: Database, pid: int) -> None:
    """Wait until another process waits for a lock of this one."""

    async def look() -> bool:
        async with database.reading() as session:
            return bool(
                await session.fetchval(
                    "SELECT count(*) FROM pg_stat_activity WHERE $1 = ANY(pg_blocking_pids(pid))", pid
                )
            )

    await eventually(look)
