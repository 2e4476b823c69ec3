"""Buyers with a cart that is ready to pay, and queries for what their checkouts did."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from tests.support.client import Client
from tests.support.shop import ADDRESS, CART, ERRORS, Shop
from uriba.core import ids


@dataclass(frozen=True)
class Buyer:
    """A client with a cart, and the checkout that pays for it."""

    client: Client
    cart: dict[str, Any]
    pay: Callable[[], Awaitable[dict[str, Any]]]


async def shipping_buyer(shop: Shop, client: Client, **units: int) -> Buyer:
    """Return a buyer whose cart is shipped and paid by card."""
    payload = await shop.set_fulfillment(client, await shop.create_cart(client, **units), "SHIP", address=ADDRESS)
    assert not payload["errors"], payload
    cart = payload["cart"]
    return Buyer(client, cart, lambda: shop.check_out(client, cart))


async def pickup_buyer(shop: Shop, client: Client, location: str = "S1", **units: int) -> Buyer:
    """Return a buyer whose cart is picked up and paid by card."""
    payload = await shop.set_fulfillment(client, await shop.create_cart(client, **units), "PICKUP", location=location)
    assert not payload["errors"], payload
    cart = payload["cart"]
    return Buyer(client, cart, lambda: shop.check_out(client, cart))


async def till_buyer(shop: Shop, client: Client, **units: int) -> Buyer:
    """Return a till with its own cart, paid in cash."""
    cart = await shop.create_cart(client, **units)
    return Buyer(client, cart, lambda: shop.check_out(client, cart, method="CASH"))


def codes(payload: dict[str, Any]) -> list[str]:
    """Return the codes of a payload's errors."""
    return [error["code"] for error in payload["errors"]]


def cart_key(cart: dict[str, Any]) -> UUID:
    key = ids.uuid(cart["id"], "Cart")
    assert key is not None
    return key


async def read_cart(client: Client, cart: dict[str, Any]) -> dict[str, Any]:
    data = await client.execute(f"query ($c: ID!) {{ cart(id: $c) {{ {CART} }} }}", c=cart["id"])
    return data["cart"]  # type: ignore[no-any-return]


async def charge_statuses(shop: Shop, cart: dict[str, Any]) -> list[str]:
    """Return the status of every charge for a cart at the sandbox gateway."""
    async with shop.hub.database.reading() as session:
        rows = await session.fetch(
            "SELECT t.status FROM sandbox_charge t JOIN checkout_attempt a ON t.key LIKE a.id || '-%' WHERE a.cart_id = $1",
            cart_key(cart),
        )
    return [row["status"] for row in rows]


async def order_count(shop: Shop, cart: dict[str, Any]) -> int:
    async with shop.hub.database.reading() as session:
        return int(await session.fetchval("SELECT count(*) FROM orders WHERE cart_id = $1", cart_key(cart)))


async def stop_shipping_from(shop: Shop, location: str, name: str) -> None:
    """Let the store offer pickup only."""
    place = {"code": shop.code(location), "name": name, "kind": "STORE", "offersPickup": True, "shipsOrders": False}
    payload = await shop.staff.mutate(
        f"mutation ($l: [LocationInput!]!) {{ locationsUpsert(locations: $l) {{ count {ERRORS} }} }}", l=[place]
    )
    assert not payload["errors"], payload
