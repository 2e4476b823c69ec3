"""Mutations of stock, for tests."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from tests.support.client import Client
from tests.support.shop import ERRORS, Shop
from uriba.db import Session

LEVEL = """
    id onHand committed reserved unavailable safetyStock available shortage updatedAt
    variant { sku } location { code }
"""
ADJUST = f"mutation ($i: StockAdjustInput!) {{ stockAdjust(input: $i) {{ levels {{ {LEVEL} }} {ERRORS} }} }}"
SET = f"mutation ($i: StockSetInput!) {{ stockSet(input: $i) {{ levels {{ {LEVEL} }} {ERRORS} }} }}"

Change = tuple[str, str, int]
"""An article of the shop, one of its locations, and units."""


async def adjust_stock(
    shop: Shop, *changes: Change, by: Client | None = None, reason: str = "ADJUSTMENT", key: str | None = None
) -> dict[str, Any]:
    """Call stockAdjust and return the payload."""
    rows = [{"sku": shop.sku(sku), "location": shop.code(place), "delta": delta} for sku, place, delta in changes]
    return await (by or shop.staff).mutate(
        ADJUST, i={"changes": rows, "reason": reason, "idempotencyKey": key or uuid4().hex}
    )


async def set_stock(
    shop: Shop, *changes: tuple[str, str, dict[str, int]], by: Client | None = None, key: str | None = None
) -> dict[str, Any]:
    """Call stockSet and return the payload."""
    rows = [{"sku": shop.sku(sku), "location": shop.code(place), **given} for sku, place, given in changes]
    return await (by or shop.staff).mutate(SET, i={"changes": rows, "idempotencyKey": key or uuid4().hex})


async def level_ids(shop: Shop, sku: str, location: str) -> tuple[int, int]:
    """Return the (variant, location) of a level, which need not exist."""
    async with shop.hub.database.reading() as session:
        return (
            await session.fetchval("SELECT id FROM variant WHERE sku = $1", shop.sku(sku)),
            await session.fetchval("SELECT id FROM location WHERE code = $1", shop.code(location)),
        )


async def place_pickup_order(shop: Shop, sku: str, units: int) -> dict[str, Any]:
    """Place a guest's paid order for pickup at S1, which commits the units, and return it."""
    guest = shop.guest()
    cart = await shop.create_cart(guest, **{sku: units})
    chosen = await shop.set_fulfillment(guest, cart, "PICKUP", location="S1")
    paid = await shop.check_out(guest, chosen["cart"], email="hana@example.com")
    assert not paid["errors"], paid
    return paid["order"]  # type: ignore[no-any-return]


async def shortages(session: Session, level: tuple[int, int]) -> list[tuple[int, int, bool]]:
    """Return (units, settled, whether it is settled completely) of a level's shortages, the oldest first."""
    rows = await session.fetch(
        "SELECT quantity, settled, settled_at FROM shortage WHERE (variant_id, location_id) = ($1, $2) ORDER BY id",
        *level,
    )
    return [(row["quantity"], row["settled"], row["settled_at"] is not None) for row in rows]


async def level_events(session: Session, level: tuple[int, int]) -> list[tuple[str, int]]:
    """Return (type, version) of a level's events, in order."""
    rows = await session.fetch(
        "SELECT type, version FROM outbox_event WHERE subject = $1 ORDER BY version",
        f"StockLevel:{level[0]}:{level[1]}",
    )
    return [(row["type"], row["version"]) for row in rows]


def codes(payload: dict[str, Any]) -> list[tuple[str, tuple[str, ...]]]:
    """Return code and path of a payload's errors."""
    return [(error["code"], tuple(error["path"] or ())) for error in payload["errors"]]


MOVE = f"""mutation ($i: StockMoveInput!) {{ stockMove(input: $i) {{
    levels {{ onHand unavailable available unavailableByState {{ state quantity }} variant {{ sku }} }} {ERRORS} }} }}"""

Move = tuple[str, str, int, str, str]
"""An article of the shop, one of its locations, units, from, to."""


async def move_stock(
    shop: Shop, *rows: Move, by: Client | None = None, key: str | None = None, reason: str | None = None
) -> dict[str, Any]:
    """Call stockMove and return the payload."""
    return await (by or shop.staff).mutate(MOVE, i=move_input(shop, *rows, key=key, reason=reason))


def move_input(shop: Shop, *rows: Move, key: str | None = None, reason: str | None = None) -> dict[str, Any]:
    moves = [
        {"sku": shop.sku(sku), "location": shop.code(place), "quantity": quantity, "from": source, "to": to}
        for sku, place, quantity, source, to in rows
    ]
    return {"moves": moves, "reason": reason, "idempotencyKey": key or uuid4().hex}
