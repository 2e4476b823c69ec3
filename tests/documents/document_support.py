"""Orders as rows, documents as a client asks for them, and what is printed on a PDF."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from uuid import UUID, uuid4

import httpx
from pypdf import PdfReader

from client import Client
from shop import ERRORS, Shop

NUMBER = "T7000012050002"
"""The registration number of the National Tax Agency's own corporate number."""

ISSUER = {
    "name": "売り場商店株式会社",
    "registrationNumber": NUMBER,
    "address": "東京都渋谷区神宮前1-2-3",
    "phone": "03-1234-5678",
}

DOCUMENT = """
    kind lang title number returnNumber receipt issuedAt soldAt exchange timezone recipient qualified points notes warnings url
    issuer { name registrationNumber address phone place }
    lines { name sku quantity cancelledQuantity unitPrice { amount } discount { amount } total { amount } rate mark }
    promotions { name amount { amount } }
    totals {
        subtotal { amount } discount { amount } shipping { amount } tax { amount } total { amount currency }
        notCharged { amount } refunded { amount }
    }
    taxes { rate mark gross { amount } taxable { amount } tax { amount } }
    tenders { method label amount { amount } tendered { amount } change { amount } reference }
"""
ASK = f"""query ($order: ID, $cart: ID, $return: ID, $kind: DocumentKind, $lang: String) {{
    document(orderId: $order, cartId: $cart, returnId: $return, kind: $kind, lang: $lang) {{
        {DOCUMENT} html(paper: ROLL) }} }}"""


async def ask(client: Client, **given: Any) -> Any:
    """The document; given: order, cart or return, kind, lang."""
    return (await client.run(ASK, **given))["document"]


async def page(client: Client, path: str) -> httpx.Response:
    """What the hub answers below its own address."""
    return await client.http.get(client.url.removesuffix("/graphql") + path)


def printed(file: bytes) -> str:
    """The text on a PDF, as it is read back out of the file, in single spaces."""
    pages = [found.extract_text() for found in PdfReader(BytesIO(file)).pages]
    return re.sub(r"[^\S\n]+", " ", "\n".join(pages))


def line(name: str, quantity: int, unit: int, rate: str, *, discount: int = 0, cancelled: int = 0) -> dict[str, Any]:
    return {
        "name": name,
        "sku": name.upper(),
        "quantity": quantity,
        "cancelled": cancelled,
        "unit": unit,
        "discount": discount,
        "total": unit * quantity - discount,
        "rate": rate,
    }


def paid(method: str, amount: int, *, tendered: int | None = None, voided: int = 0) -> dict[str, Any]:
    return {"method": method, "amount": amount, "voided": voided, "tendered": tendered, "reference": None}


def sold(**given: Any) -> dict[str, Any]:
    """A sale at a till: 2 Tea at 8 % less ¥9, a Pot at 10 %; ¥587 in cash of ¥1,000, the rest by card."""
    row = {
        "id": uuid4(),
        "number": "100042",
        "status": "COMPLETED",
        "currency": "JPY",
        "prices_include_tax": True,
        "placed_at": datetime(2026, 11, 22, 16, 57, tzinfo=UTC),
        "channel_name": "Stores",
        "issuer": {
            "name": ISSUER["name"],
            "registration_number": NUMBER,
            "address": ISSUER["address"],
            "phone": ISSUER["phone"],
        },
        "place": "渋谷店",
        "place_address": None,
        "place_phone": None,
        "timezone": "Asia/Tokyo",
        "payment_status": "PAID",
        "subtotal_minor": 4596,
        "discount_minor": 9,
        "shipping_minor": 0,
        "tax_minor": 395,
        "total_minor": 4587,
        "refunded_minor": 0,
        "receipt": "217-4",
        "exchange": None,
        "recipient": "佐藤 花",
        "lines": [line("Tea", 2, 648, "0.080000", discount=9), line("Pot", 1, 3300, "0.100000")],
        "taxes": [
            {"rate": "0.100000", "taxable": 3000, "tax": 300},
            {"rate": "0.080000", "taxable": 1192, "tax": 95},
        ],
        "payments": [paid("CASH", 587, tendered=1000), paid("CARD", 4000)],
        "promotions": [],
        "points": 0,
    }
    assert set(given) <= set(row)
    return row | given


def brought_back(**given: Any) -> dict[str, Any]:
    """A Tea of that sale, brought back to Sapporo; its ¥643 went back in cash."""
    head = {name: value for name, value in sold().items() if not name.endswith("_minor")}
    row = head | {
        "return_id": UUID(int=0xABCDEF),
        "place": "札幌店",
        "receipt": None,
        "refund_minor": 643,
        "created_at": datetime(2026, 12, 1, 3, 0, tzinfo=UTC),
        "lines": [{"name": "Tea", "sku": "TEA", "quantity": 1, "refund": 643, "rate": "0.080000"}],
        "taxes": [{"rate": "0.080000", "gross": 643, "tax": 48}],
        "payments": [{"method": "CASH", "amount": 643}],
    }
    return row | given


async def issue_by(shop: Shop, channel: str, **given: Any) -> None:
    """Give a channel of the shop an issuer, and what else is given."""
    kinds = {"app": "APP", "web": "WEB", "stores": "STORE"}
    places = ["S1", "S2", "W1"] if channel == "stores" else ["S1", "W1", "S2"]
    row = {
        "code": shop.code(channel),
        "name": channel.title(),
        "kind": kinds[channel],
        "currency": "JPY",
        "locations": [shop.code(place) for place in places],
        "taxRates": [{"taxClass": "standard", "rate": "0.10"}, {"taxClass": "reduced", "rate": "0.08"}],
        "shippingPrice": "500" if channel == "web" else "0",
        "issuer": ISSUER,
    }
    payload = await shop.staff.do(
        f"mutation ($c: [ChannelInput!]!) {{ channelsUpsert(channels: $c) {{ count {ERRORS} }} }}", c=[row | given]
    )
    assert not payload["errors"], payload
