"""Calls that create promotions and coupons in a shop's own channels, and that use them."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from tests.support.client import Client
from tests.support.shop import CHECKOUT, ERRORS, Shop

OFFER_FIELDS = """
    id version coupons subtotal { amount } discount { amount } shipping { amount } total { amount currency }
    lines { id quantity discount { amount } total { amount } variant { sku } }
    promotions { code name coupon applied amount { amount } reasonCode reason excludedBy }
"""


async def create_promotion(shop: Shop, code: str, **given: Any) -> str:
    """Create a promotion in app, web shop and stores, by default 10 % off all goods; return its code."""
    row = {"effect": "PERCENT_OFF_ITEMS", "channels": [shop.code(name) for name in ("app", "web", "stores")]} | given
    if "PERCENT" in row["effect"]:
        row = {"percent": "10"} | row
    payload = await upsert_promotions(shop.staff, [{"code": shop.code(code), "name": code.title()} | row])
    assert not payload["errors"], payload
    return shop.code(code)


async def upsert_promotions(client: Client, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Call promotionsUpsert; return the payload."""
    return await client.mutate(
        f"mutation ($p: [PromotionInput!]!) {{ promotionsUpsert(promotions: $p) {{ count {ERRORS} }} }}", p=rows
    )


async def create_coupon(shop: Shop, code: str, promotion: str, **given: Any) -> str:
    """Create a coupon of a promotion; return its code."""
    payload = await upsert_coupons(shop.staff, [{"code": shop.code(code), "promotion": promotion} | given])
    assert not payload["errors"], payload
    return shop.code(code).upper()


async def upsert_coupons(client: Client, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Call couponsUpsert; return the payload."""
    return await client.mutate(
        f"mutation ($c: [CouponInput!]!) {{ couponsUpsert(coupons: $c) {{ count {ERRORS} }} }}", c=rows
    )


async def read_offers(client: Client, cart: dict[str, Any]) -> dict[str, Any]:
    """Return a cart with its promotions."""
    data = await client.execute(f"query ($c: ID!) {{ cart(id: $c) {{ {OFFER_FIELDS} }} }}", c=cart["id"])
    return data["cart"]  # type: ignore[no-any-return]


async def add_coupon(client: Client, cart: dict[str, Any], code: str, **given: Any) -> dict[str, Any]:
    """Call cartCouponAdd; return the payload."""
    return await client.mutate(
        f"""mutation ($c: ID!, $code: String!, $key: String) {{
            cartCouponAdd(cartId: $c, code: $code, idempotencyKey: $key) {{ cart {{ {OFFER_FIELDS} }} {ERRORS} }} }}""",
        c=cart["id"],
        code=code,
        **given,
    )


async def remove_coupon(client: Client, cart: dict[str, Any], code: str) -> dict[str, Any]:
    """Call cartCouponRemove; return the payload."""
    return await client.mutate(
        f"""mutation ($c: ID!, $code: String!) {{
            cartCouponRemove(cartId: $c, code: $code) {{ cart {{ {OFFER_FIELDS} }} {ERRORS} }} }}""",
        c=cart["id"],
        code=code,
    )


def reasons(cart: dict[str, Any]) -> dict[str, str]:
    """Return the reason of each promotion, by the first part of its code."""
    return {found["code"].split("-")[0]: found["reasonCode"] for found in cart["promotions"]}


async def pay(client: Client, cart: dict[str, Any], amount: str | None = None, **payment: Any) -> dict[str, Any]:
    """Call checkout for the total of a cart; return the payload."""
    amount = amount or cart["total"]["amount"]
    given = {"method": "TEST", "token": "ok"} | payment
    payments = [{"amount": {"amount": amount, "currency": "JPY"}} | given] if amount != "0" else []
    input = {"cartId": cart["id"], "idempotencyKey": uuid4().hex, "payments": payments}
    return await client.mutate(CHECKOUT, input=input)


async def use_count(shop: Shop, code: str) -> int:
    """Return the number of a coupon's uses, without cancelled orders."""
    async with shop.hub.database.reading() as session:
        found: int = await session.fetchval("SELECT used FROM coupon WHERE code = $1", code)
    return found
