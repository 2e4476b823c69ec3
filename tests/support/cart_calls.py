"""Calls of the cart API by customers, devices and tills, in addition to those of `shop`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tests.support.client import Client
from tests.support.shop import CART, ERRORS, Shop
from uriba.core import ids


def codes(payload: dict[str, Any]) -> list[str]:
    """Return the codes of a payload's errors."""
    return [error["code"] for error in payload["errors"]]


def quantities(cart: dict[str, Any]) -> dict[str, int]:
    """Return units by SKU, as the shop names them: {"TEA": 2}."""
    found: dict[str, int] = {}
    for line in cart["lines"]:
        name = line["variant"]["sku"].split("-")[0]
        found[name] = found.get(name, 0) + line["quantity"]
    return found


def methods(cart: dict[str, Any]) -> dict[str, str]:
    """Return the method of each line by SKU, for carts with one line of each."""
    return {line["variant"]["sku"].split("-")[0]: line["method"] for line in cart["lines"]}


def line(cart: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the only line of this variant."""
    (found,) = (line for line in cart["lines"] if line["variant"]["sku"].startswith(f"{name}-"))
    return found


def warnings(cart: dict[str, Any], name: str) -> list[str]:
    return [warning["code"] for warning in line(cart, name)["warnings"]]


def key(cart: dict[str, Any]) -> UUID:
    """Return the cart's key in the database."""
    found = ids.uuid(cart["id"], "Cart")
    assert found is not None
    return found


async def read(client: Client, cart: dict[str, Any]) -> dict[str, Any] | None:
    data = await client.execute(f"query ($c: ID!) {{ cart(id: $c) {{ {CART} }} }}", c=cart["id"])
    return data["cart"]  # type: ignore[no-any-return]


async def create(client: Client, **given: Any) -> dict[str, Any]:
    """Call cartCreate; return the payload."""
    return await client.mutate(
        f"mutation ($i: CartCreateInput!) {{ cartCreate(input: $i) {{ cart {{ {CART} }} {ERRORS} }} }}", i=given
    )


async def set_quantities(
    client: Client, cart: dict[str, Any], version: int | None = None, **by_sku: int
) -> dict[str, Any]:
    """Call cartLinesUpdate for the lines of these variants; return the payload."""
    return await set_lines(
        client, cart, [{"lineId": line(cart, name)["id"], "quantity": n} for name, n in by_sku.items()], version
    )


async def set_lines(
    client: Client, cart: dict[str, Any], lines: list[dict[str, Any]], version: int | None = None
) -> dict[str, Any]:
    """Call cartLinesUpdate; return the payload."""
    return await client.mutate(
        f"""mutation ($c: ID!, $l: [CartLineUpdateInput!]!, $v: Int) {{
            cartLinesUpdate(cartId: $c, lines: $l, expectedVersion: $v) {{ cart {{ {CART} }} {ERRORS} }} }}""",
        c=cart["id"],
        l=lines,
        v=version,
    )


async def hand_off(client: Client, cart: dict[str, Any]) -> dict[str, Any]:
    """Call cartHandoff; return the payload."""
    return await client.mutate(
        f"mutation ($c: ID!) {{ cartHandoff(cartId: $c) {{ code qr expiresAt {ERRORS} }} }}", c=cart["id"]
    )


async def claim(client: Client, code: str) -> dict[str, Any]:
    """Call cartClaim; return the payload."""
    return await client.mutate(
        f"mutation ($c: String!) {{ cartClaim(code: $c) {{ cart {{ {CART} }} {ERRORS} }} }}", c=code
    )


async def hand_over(shopper: Client, cart: dict[str, Any], to: Client) -> dict[str, Any]:
    """Hand a cart off and claim it; return it as its new holder sees it."""
    payload = await claim(to, (await hand_off(shopper, cart))["code"])
    assert not payload["errors"], payload
    return payload["cart"]  # type: ignore[no-any-return]


async def merge(
    client: Client, source: dict[str, Any], into: dict[str, Any] | None = None, policy: str = "SUM"
) -> dict[str, Any]:
    """Call cartMerge; return the payload."""
    return await client.mutate(
        f"""mutation ($f: ID!, $i: ID, $p: CartMergePolicy!) {{
            cartMerge(fromCartId: $f, intoCartId: $i, policy: $p) {{ cart {{ {CART} }} {ERRORS} }} }}""",
        f=source["id"],
        i=into["id"] if into else None,
        p=policy,
    )


async def reprice(shop: Shop, name: str, amount: str, **given: Any) -> None:
    """Set a new price everywhere, or in the given channel or location."""
    for place in ("channel", "location"):
        if place in given:
            given[place] = shop.code(given[place])
    payload = await shop.staff.mutate(
        f"mutation ($p: [PriceInput!]!) {{ pricesUpsert(prices: $p) {{ count {ERRORS} }} }}",
        p=[{"sku": shop.sku(name), "amount": {"amount": amount, "currency": "JPY"}, **given}],
    )
    assert not payload["errors"], payload


async def discontinue(shop: Shop, name: str) -> None:
    payload = await shop.staff.mutate(
        f"mutation ($p: [ProductInput!]!) {{ productsUpsert(products: $p) {{ count {ERRORS} }} }}",
        p=[
            {
                "handle": shop.code(name.lower()),
                "name": name.title(),
                "variants": [
                    {"sku": shop.sku(name), "name": name.title(), "taxClass": "reduced", "discontinued": True}
                ],
            }
        ],
    )
    assert not payload["errors"], payload


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
        i={"changes": [change], "idempotencyKey": shop.code(f"keep-{name}-{location}-{on_hand}")},
    )
    assert not payload["errors"], payload
