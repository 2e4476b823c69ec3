"""Carts at the doors of one retailer, ready to pay, and what became of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from client import Client
from shop import ADDRESS, CART, ERRORS, Shop
from uriba.core import ids


@dataclass(frozen=True)
class Door:
    """One shopper with a cart, and how this one pays."""

    client: Client
    cart: dict[str, Any]
    pay: Callable[[], Awaitable[dict[str, Any]]]


async def online(shop: Shop, client: Client, **units: int) -> Door:
    """A cart to be shipped, paid by card."""
    payload = await shop.fulfil(client, await shop.cart(client, **units), "SHIP", address=ADDRESS)
    assert not payload["errors"], payload
    cart = payload["cart"]
    return Door(client, cart, lambda: shop.check_out(client, cart))


async def pickup(shop: Shop, client: Client, location: str = "S1", **units: int) -> Door:
    """A cart to be picked up, paid by card."""
    payload = await shop.fulfil(client, await shop.cart(client, **units), "PICKUP", location=location)
    assert not payload["errors"], payload
    cart = payload["cart"]
    return Door(client, cart, lambda: shop.check_out(client, cart))


async def till(shop: Shop, client: Client, **units: int) -> Door:
    """A till's own cart, paid in cash."""
    cart = await shop.cart(client, **units)
    return Door(client, cart, lambda: shop.check_out(client, cart, method="CASH"))


def codes(payload: dict[str, Any]) -> list[str]:
    return [error["code"] for error in payload["errors"]]


def key(cart: dict[str, Any]) -> UUID:
    found = ids.uuid(cart["id"], "Cart")
    assert found is not None
    return found


async def read(client: Client, cart: dict[str, Any]) -> dict[str, Any]:
    data = await client.run(f"query ($c: ID!) {{ cart(id: $c) {{ {CART} }} }}", c=cart["id"])
    return data["cart"]  # type: ignore[no-any-return]


async def charges(shop: Shop, cart: dict[str, Any]) -> list[str]:
    """The status of every charge for a cart in the book of the provider TEST."""
    async with shop.hub.database.reading() as session:
        rows = await session.fetch(
            "SELECT t.status FROM sandbox_charge t JOIN checkout_attempt a ON t.key LIKE a.id || '-%' WHERE a.cart_id = $1",
            key(cart),
        )
    return [row["status"] for row in rows]


async def orders(shop: Shop, cart: dict[str, Any]) -> int:
    async with shop.hub.database.reading() as session:
        return int(await session.fetchval("SELECT count(*) FROM orders WHERE cart_id = $1", key(cart)))


async def close_for_shipping(shop: Shop, location: str, name: str) -> None:
    """The store offers pickup, but ships no orders."""
    place = {"code": shop.code(location), "name": name, "kind": "STORE", "offersPickup": True, "shipsOrders": False}
    payload = await shop.staff.do(
        f"mutation ($l: [LocationInput!]!) {{ locationsUpsert(locations: $l) {{ count {ERRORS} }} }}", l=[place]
    )
    assert not payload["errors"], payload
