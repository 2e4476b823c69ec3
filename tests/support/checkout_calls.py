"""Carts that are ready to pay, calls of checkout, and reads of attempts, charges and orders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from tests.support.client import Client
from tests.support.shop import ADDRESS, CART, CHECKOUT, ERRORS, Shop
from tests.support.waiting import wait_until
from uriba.core import ids


def codes(payload: dict[str, Any]) -> list[str]:
    """Return the codes of a payload's errors."""
    return [error["code"] for error in payload["errors"]]


def codes_and_paths(payload: dict[str, Any]) -> list[tuple[str, list[str] | None]]:
    """Return the codes and paths of a payload's errors."""
    return [(error["code"], error["path"]) for error in payload["errors"]]


def key(node: dict[str, Any], kind: str = "Cart") -> UUID:
    """Return the key of a node in the database."""
    found = ids.uuid(node["id"], kind)
    assert found is not None
    return found


def fulfilled_units(order: dict[str, Any]) -> dict[tuple[str, str], dict[str, int]]:
    """Return the units by SKU of each (method, location), as the shop names them: {("SHIP", "W1"): {"TEA": 2}}."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    for part in order["fulfillments"]:
        units = found.setdefault((part["method"], _name(part["location"]["code"])), {})
        for line in part["lines"]:
            sku = _name(line["orderLine"]["sku"])
            units[sku] = units.get(sku, 0) + line["quantity"]
    return found


def _name(code: str) -> str:
    return code.split("-")[0]


async def read(client: Client, cart: dict[str, Any]) -> dict[str, Any]:
    data = await client.execute(f"query ($c: ID!) {{ cart(id: $c) {{ {CART} }} }}", c=cart["id"])
    return data["cart"]  # type: ignore[no-any-return]


async def cart_to_ship(shop: Shop, client: Client, channel: str | None = None, **units: int) -> dict[str, Any]:
    """Return a cart with an address whose lines are all shipped."""
    payload = await shop.set_fulfillment(
        client, await shop.create_cart(client, channel, **units), "SHIP", address=ADDRESS
    )
    assert not payload["errors"], payload
    return payload["cart"]  # type: ignore[no-any-return]


async def cart_to_pick_up(shop: Shop, client: Client, location: str = "S1", **units: int) -> dict[str, Any]:
    """Return a cart whose lines are picked up at a store."""
    payload = await shop.set_fulfillment(client, await shop.create_cart(client, **units), "PICKUP", location=location)
    assert not payload["errors"], payload
    return payload["cart"]  # type: ignore[no-any-return]


async def choose_methods(shop: Shop, till: Client, cart: dict[str, Any], **chosen: str) -> dict[str, Any]:
    """Choose the method of single lines: choose_methods(shop, till, cart, POT="SHIP"). SHIP sets an address."""
    for name, method in chosen.items():
        line_ids = [line["id"] for line in cart["lines"] if line["variant"]["sku"] == shop.sku(name)]
        given = {"address": ADDRESS} if method == "SHIP" else {}
        payload = await shop.set_fulfillment(till, cart, method, lineIds=line_ids, **given)
        assert not payload["errors"], payload
        cart = payload["cart"]
    return cart


async def pay(client: Client, cart: dict[str, Any], *payments: Mapping[str, Any], **given: Any) -> dict[str, Any]:
    """Call checkout with these payments in yen; return the payload."""
    tenders = [dict(p) | {"amount": {"amount": p["amount"], "currency": "JPY"}} for p in payments]
    return await client.mutate(
        CHECKOUT, input={"cartId": cart["id"], "idempotencyKey": uuid4().hex, "payments": tenders} | given
    )


def card(amount: str, token: str = "ok") -> dict[str, str]:
    return {"method": "TEST", "amount": amount, "token": token}


def cash(amount: str, reference: str | None = None) -> dict[str, str | None]:
    return {"method": "CASH", "amount": amount, "reference": reference}


async def set_safety_stock(shop: Shop, name: str, location: str, *, on_hand: int, safety_stock: int) -> None:
    """Count a level and give it a safety stock."""
    change = {
        "sku": shop.sku(name),
        "location": shop.code(location),
        "onHand": on_hand,
        "safetyStock": safety_stock,
    }
    payload = await shop.staff.mutate(
        f"mutation ($i: StockSetInput!) {{ stockSet(input: $i) {{ levels {{ onHand }} {ERRORS} }} }}",
        i={"changes": [change], "idempotencyKey": uuid4().hex},
    )
    assert not payload["errors"], payload


async def stock_quantities(shop: Shop, name: str, location: str) -> tuple[int, int, int]:
    """Return on hand, committed and reserved."""
    level = await shop.stock_level(name, location)
    return level["onHand"], level["committed"], level["reserved"]


async def attempts(shop: Shop, cart: dict[str, Any]) -> list[Mapping[str, Any]]:
    """Return the cart's payment attempts, oldest first."""
    async with shop.hub.database.reading() as session:
        return await session.fetch(
            "SELECT id, status, draft, next_at FROM checkout_attempt WHERE cart_id = $1 ORDER BY created_at", key(cart)
        )


async def charges(shop: Shop, cart: dict[str, Any]) -> list[tuple[str, int]]:
    """Return the sandbox's charges of a cart: (status, yen)."""
    async with shop.hub.database.reading() as session:
        rows = await session.fetch(
            "SELECT t.status, t.amount_minor FROM sandbox_charge t JOIN checkout_attempt a ON t.key LIKE a.id || '-%' "
            "WHERE a.cart_id = $1 ORDER BY t.key",
            key(cart),
        )
    return [(row["status"], row["amount_minor"]) for row in rows]


async def order_count(shop: Shop, cart: dict[str, Any]) -> int:
    async with shop.hub.database.reading() as session:
        return int(await session.fetchval("SELECT count(*) FROM orders WHERE cart_id = $1", key(cart)))


async def make_due(shop: Shop, cart: dict[str, Any]) -> None:
    """Make the cart's attempts due for the sweep."""
    async with shop.hub.database.transaction() as session:
        await session.run("UPDATE checkout_attempt SET next_at = now() WHERE cart_id = $1", key(cart))


async def expire_hold(shop: Shop, cart: dict[str, Any]) -> None:
    """Make the cart's holds expire now."""
    async with shop.hub.database.transaction() as session:
        await session.run(
            "UPDATE hold SET expires_at = now() FROM checkout_attempt a WHERE a.id = owner_id AND a.cart_id = $1",
            key(cart),
        )


async def wait_for_attempt(shop: Shop, cart: dict[str, Any]) -> UUID:
    """Wait until the cart has a payment attempt; return its id."""
    found = await wait_until(lambda: attempts(shop, cart))
    return UUID(str(found[-1]["id"]))
