"""Stored orders and returns, requests for documents, and the text of PDFs."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from uuid import UUID

import httpx
import msgspec
from pypdf import PdfReader

from tests.support.client import Client
from tests.support.shop import ERRORS, Shop
from uriba.documents.records import OrderRecord, ReturnRecord, SaleRecord

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
QUERY = f"""query ($order: ID, $cart: ID, $return: ID, $kind: DocumentKind, $lang: String) {{
    document(orderId: $order, cartId: $cart, returnId: $return, kind: $kind, lang: $lang) {{
        {DOCUMENT} html(paper: ROLL) }} }}"""


async def query_document(client: Client, **variables: Any) -> Any:
    """Return the document; `variables` are order, cart or return, and kind and lang."""
    return (await client.execute(QUERY, **variables))["document"]


async def get_page(client: Client, path: str) -> httpx.Response:
    """Return the hub's response for a path."""
    return await client.http.get(client.url.removesuffix("/graphql") + path)


def pdf_text(file: bytes) -> str:
    """Return the text of a PDF with single spaces."""
    pages = [pdf_page.extract_text() for pdf_page in PdfReader(BytesIO(file)).pages]
    return re.sub(r"[^\S\n]+", " ", "\n".join(pages))


def line(name: str, quantity: int, unit: int, rate: str, *, discount: int = 0, cancelled: int = 0) -> dict[str, Any]:
    """Return a line of an order as stored."""
    return {
        "name": name,
        "sku": name.upper(),
        "quantity": quantity,
        "cancelled_quantity": cancelled,
        "unit_minor": unit,
        "discount_minor": discount,
        "total_minor": unit * quantity - discount,
        "rate": rate,
    }


def payment(method: str, amount: int, *, tendered: int | None = None, voided: int = 0) -> dict[str, Any]:
    """Return a payment as stored."""
    return {
        "method": method,
        "amount_minor": amount,
        "voided_minor": voided,
        "tendered_minor": tendered,
        "reference": None,
    }


def order_record(**changes: Any) -> OrderRecord:
    """Return a sale of a till: 2 Tea at 8 % less ¥9, a Pot at 10 %; ¥587 in cash of ¥1,000, the rest by card."""
    row = _ORDER | changes
    assert set(row) == set(_ORDER)
    return msgspec.convert(row, OrderRecord)


def return_record(**changes: Any) -> ReturnRecord:
    """Return the return of a Tea of that sale in Sapporo, with a cash refund of ¥643."""
    row = _RETURN | changes
    assert set(row) == set(_RETURN)
    return msgspec.convert(row, ReturnRecord)


_ORDER = {
    "order_number": "100042",
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
    "store": "渋谷店",
    "store_address": None,
    "store_phone": None,
    "timezone": "Asia/Tokyo",
    "payment_status": "PAID",
    "subtotal_minor": 4596,
    "discount_minor": 9,
    "shipping_minor": 0,
    "tax_minor": 395,
    "total_minor": 4587,
    "refunded_minor": 0,
    "receipt_number": "217-4",
    "exchange_number": None,
    "recipient": "佐藤 花",
    "lines": [line("Tea", 2, 648, "0.080000", discount=9), line("Pot", 1, 3300, "0.100000")],
    "taxes": [
        {"rate": "0.100000", "taxable_minor": 3000, "tax_minor": 300},
        {"rate": "0.080000", "taxable_minor": 1192, "tax_minor": 95},
    ],
    "payments": [payment("CASH", 587, tendered=1000), payment("CARD", 4000)],
    "promotions": [],
    "points": 0,
}

_SALE = {name: _ORDER[name] for name in SaleRecord.__struct_fields__}
_RETURN = _SALE | {
    "return_id": UUID(int=0xABCDEF),
    "store": "札幌店",
    "receipt_number": None,
    "refund_minor": 643,
    "created_at": datetime(2026, 12, 1, 3, 0, tzinfo=UTC),
    "lines": [{"name": "Tea", "sku": "TEA", "quantity": 1, "refund_minor": 643, "rate": "0.080000"}],
    "taxes": [{"rate": "0.080000", "gross_minor": 643, "tax_minor": 48}],
    "payments": [{"method": "CASH", "amount_minor": 643}],
}


async def set_issuer(shop: Shop, channel: str, **changes: Any) -> None:
    """Give a channel of the shop an issuer, and other changed settings."""
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
    payload = await shop.staff.mutate(
        f"mutation ($c: [ChannelInput!]!) {{ channelsUpsert(channels: $c) {{ count {ERRORS} }} }}", c=[row | changes]
    )
    assert not payload["errors"], payload
