"""What staff offer and shoppers ask for: promotions of a shop's own channels, and coupons."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from client import Client
from shop import CHECKOUT, ERRORS, Shop

OFFERED = """
    id version coupons subtotal { amount } discount { amount } shipping { amount } total { amount currency }
    lines { id quantity discount { amount } total { amount } variant { sku } }
    promotions { code name coupon applied amount { amount } reasonCode reason excludedBy }
"""


async def promote(shop: Shop, code: str, **given: Any) -> str:
    """A promotion in the app, the web shop and the stores: 10 % off all goods, but for what is given; its code."""
    row = {"effect": "PERCENT_OFF_ITEMS", "channels": [shop.code(name) for name in ("app", "web", "stores")]} | given
    if "PERCENT" in row["effect"]:
        row = {"percent": "10"} | row
    payload = await write(shop.staff, [{"code": shop.code(code), "name": code.title()} | row])
    assert not payload["errors"], payload
    return shop.code(code)


async def write(client: Client, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """promotionsUpsert; the payload."""
    return await client.do(
        f"mutation ($p: [PromotionInput!]!) {{ promotionsUpsert(promotions: $p) {{ count {ERRORS} }} }}", p=rows
    )


async def issue(shop: Shop, code: str, promotion: str, **given: Any) -> str:
    """A coupon of a promotion; its code."""
    payload = await hand_out(shop.staff, [{"code": shop.code(code), "promotion": promotion} | given])
    assert not payload["errors"], payload
    return shop.code(code).upper()


async def hand_out(client: Client, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """couponsUpsert; the payload."""
    return await client.do(
        f"mutation ($c: [CouponInput!]!) {{ couponsUpsert(coupons: $c) {{ count {ERRORS} }} }}", c=rows
    )


async def look(client: Client, cart: dict[str, Any]) -> dict[str, Any]:
    """A cart with what it is offered."""
    data = await client.run(f"query ($c: ID!) {{ cart(id: $c) {{ {OFFERED} }} }}", c=cart["id"])
    return data["cart"]  # type: ignore[no-any-return]


async def ask(client: Client, cart: dict[str, Any], code: str, **given: Any) -> dict[str, Any]:
    """cartCouponAdd; the payload."""
    return await client.do(
        f"""mutation ($c: ID!, $code: String!, $key: String) {{
            cartCouponAdd(cartId: $c, code: $code, idempotencyKey: $key) {{ cart {{ {OFFERED} }} {ERRORS} }} }}""",
        c=cart["id"],
        code=code,
        **given,
    )


async def drop(client: Client, cart: dict[str, Any], code: str) -> dict[str, Any]:
    """cartCouponRemove; the payload."""
    return await client.do(
        f"""mutation ($c: ID!, $code: String!) {{
            cartCouponRemove(cartId: $c, code: $code) {{ cart {{ {OFFERED} }} {ERRORS} }} }}""",
        c=cart["id"],
        code=code,
    )


def judged(cart: dict[str, Any]) -> dict[str, str]:
    """The reason of each promotion, by the first part of its code."""
    return {found["code"].split("-")[0]: found["reasonCode"] for found in cart["promotions"]}


async def pay(client: Client, cart: dict[str, Any], amount: str | None = None, **payment: Any) -> dict[str, Any]:
    """checkout of all that a cart costs; the payload."""
    amount = amount or cart["total"]["amount"]
    given = {"method": "TEST", "token": "ok"} | payment
    payments = [{"amount": {"amount": amount, "currency": "JPY"}} | given] if amount != "0" else []
    asked = {"cartId": cart["id"], "idempotencyKey": uuid4().hex, "payments": payments}
    return await client.do(CHECKOUT, input=asked)


async def used(shop: Shop, code: str) -> int:
    """How often a coupon is used by orders that stand."""
    async with shop.hub.database.reading() as session:
        found: int = await session.fetchval("SELECT used FROM coupon WHERE code = $1", code)
    return found
