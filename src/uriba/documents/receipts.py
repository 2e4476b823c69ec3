"""Receipts, invoices and gift receipts of orders, and invoices of returns: built from rows, nothing counted anew. Pure.

A Japanese receipt is a qualified simplified invoice (適格簡易請求書) where its issuer has a registration number, and a
qualified invoice where it names who bought: issuer and number, the day, what was bought with a mark on what is taxed at
the reduced rate, and for each rate its total and its tax. A return's is a qualified return invoice (適格返還請求書): it
also says when the goods were sold. Source: Japan's Consumption Tax Act, article 57-4 (1) to (3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from uriba.core.money import Money
from uriba.db import Row
from uriba.documents import japan_registration
from uriba.documents.content import (
    Document,
    DocumentIssuer,
    DocumentKind,
    DocumentLine,
    DocumentPromotion,
    DocumentTax,
    DocumentTender,
    DocumentTotals,
)
from uriba.orders.models import OrderStatus, PaymentStatus
from uriba.stored_value.tenders import METHODS

REDUCED_RATE = Decimal("0.08")
"""Japan's reduced rate: what is taxed by it is marked."""

REDUCED_MARK = "※"

SETTLED_STATUSES = frozenset({PaymentStatus.PAID, PaymentStatus.PARTIALLY_REFUNDED, PaymentStatus.REFUNDED})


def order_document(row: Row, *, kind: DocumentKind, lang: str | None) -> Document:
    """An order's receipt, invoice or gift receipt."""
    japanese, marks = is_japanese(row), _marks(row)
    named = kind is DocumentKind.INVOICE
    qualified, settled = japanese and _qualifies(row), row["payment_status"] in SETTLED_STATUSES
    document = Document(
        kind=kind,
        lang=lang or ("ja" if japanese else "en"),
        number=row["number"],
        issued_at=row["placed_at"],
        zone=row["timezone"],
        issuer=_issuer(row, japanese),
        lines=[_bought(line, row["currency"], marks) for line in row["lines"]],
        receipt=row["receipt"],
        exchange=row["exchange"],
        recipient=row["recipient"] if named else None,
        japanese=japanese,
        qualified=qualified and settled and row["status"] != OrderStatus.CANCELLED,
        settled=settled,
        cancelled=row["status"] == OrderStatus.CANCELLED,
        prices_include_tax=row["prices_include_tax"],
        promotions=[DocumentPromotion(p["name"], Money(p["amount"], row["currency"])) for p in row["promotions"]],
        totals=_totals(row),
        taxes=_taxes(row, marks),
        tenders=[_tender(payment, row["currency"]) for payment in row["payments"]],
        points=row["points"],
        warnings=_warnings(row, japanese),
    )
    return gift_receipt(document) if kind is DocumentKind.GIFT_RECEIPT else document


def gift_receipt(document: Document) -> Document:
    """What goes with a gift: the goods that were handed over, and the number by which a till finds the order."""
    return Document(
        kind=DocumentKind.GIFT_RECEIPT,
        lang=document.lang,
        number=document.number,
        issued_at=document.issued_at,
        zone=document.zone,
        issuer=replace(document.issuer, registration_number=None),
        lines=[
            DocumentLine(name=line.name, sku=line.sku, quantity=line.quantity - line.cancelled)
            for line in document.lines
            if line.quantity > line.cancelled
        ],
        receipt=document.receipt,
        exchange=document.exchange,
        japanese=document.japanese,
        cancelled=document.cancelled,
    )


def return_document(row: Row, *, lang: str | None) -> Document:
    """The invoice of a return: of the goods that came back, and of the money that was given back for them.

    A return that only a till knows of has no taxes in the hub's books: then it is a plain receipt.
    """
    japanese, currency = is_japanese(row), row["currency"]
    marks = _marks(row)
    taxes = [
        DocumentTax(
            rate=Decimal(tax["rate"]),
            mark=marks.get(Decimal(tax["rate"])),
            gross=Money(tax["gross"], currency),
            taxable=Money(tax["gross"] - tax["tax"], currency),
            tax=Money(tax["tax"], currency),
        )
        for tax in row["taxes"]
    ]
    return Document(
        kind=DocumentKind.RETURN,
        lang=lang or ("ja" if japanese else "en"),
        number=row["number"],
        return_number=return_number(row),
        issued_at=row["created_at"],
        sold_at=row["placed_at"],
        zone=row["timezone"],
        issuer=_issuer(row, japanese),
        lines=[_brought_back(line, currency, marks, priced=bool(taxes)) for line in row["lines"]],
        receipt=row["receipt"],
        exchange=row["exchange"],
        japanese=japanese,
        qualified=japanese and bool(taxes) and _qualifies(row),
        prices_include_tax=True,
        totals=_given_back(row),
        taxes=taxes,
        tenders=[DocumentTender(p["method"], Money(p["amount"], currency)) for p in row["payments"]],
        warnings=_warnings(row, japanese),
    )


def return_number(row: Row) -> str:
    """A number for people: the order's, and the end of the return's id."""
    return f"{row['number']}-R{row['return_id'].hex[-6:].upper()}"


def is_japanese(row: Row) -> bool:
    """Whether Japan's rules are the document's: it is in yen, or its issuer is registered there."""
    return row["currency"] == "JPY" or japan_registration.normalize(_said(row).get("registration_number")) is not None


def _said(row: Row) -> dict[str, Any]:
    return row["issuer"] or {}


def _issuer(row: Row, japanese: bool) -> DocumentIssuer:
    """The channel's issuer; what it leaves out is the store's."""
    said, place = _said(row), row["place"]
    number = said.get("registration_number")
    name = said.get("name") or place or row["channel_name"]
    return DocumentIssuer(
        name=name,
        registration_number=japan_registration.normalize(number) if japanese else number,
        address=said.get("address") or row["place_address"],
        phone=said.get("phone") or row["place_phone"],
        place=place if place != name else None,
    )


def _qualifies(row: Row) -> bool:
    day = row["placed_at"].astimezone(ZoneInfo(row["timezone"])).date()
    return (
        day >= japan_registration.QUALIFIED_INVOICES_SINCE
        and japan_registration.normalize(_said(row).get("registration_number")) is not None
    )


def _warnings(row: Row, japanese: bool) -> Sequence[str]:
    return japan_registration.warnings(_said(row).get("registration_number")) if japanese else ()


def _marks(row: Row) -> dict[Decimal, str]:
    """In Japan ※ at the reduced rate; elsewhere a letter for each of several rates."""
    rates = [Decimal(tax["rate"]) for tax in row["taxes"]]
    if is_japanese(row):
        return {rate: REDUCED_MARK for rate in rates if rate == REDUCED_RATE}
    return dict(zip(rates, "ABCDEFGHIJ", strict=False)) if len(rates) > 1 else {}


def _bought(line: dict[str, Any], currency: str, marks: dict[Decimal, str]) -> DocumentLine:
    rate = Decimal(line["rate"])
    return DocumentLine(
        name=line["name"],
        sku=line["sku"],
        quantity=line["quantity"],
        cancelled=line["cancelled"],
        unit=Money(line["unit"], currency),
        discount=Money(line["discount"], currency),
        total=Money(line["total"], currency),
        rate=rate,
        mark=marks.get(rate),
    )


def _brought_back(line: dict[str, Any], currency: str, marks: dict[Decimal, str], *, priced: bool) -> DocumentLine:
    """A till tells what it paid back for a whole return, not for its lines."""
    rate = Decimal(line["rate"]) if line["rate"] else None
    return DocumentLine(
        name=line["name"],
        sku=line["sku"],
        quantity=line["quantity"],
        total=Money(line["refund"], currency) if priced else None,
        rate=rate,
        mark=marks.get(rate) if rate is not None else None,
    )


def _totals(row: Row) -> DocumentTotals:
    of = partial(Money, currency=row["currency"])
    return DocumentTotals(
        total=of(row["total_minor"]),
        subtotal=of(row["subtotal_minor"]),
        discount=of(row["discount_minor"]),
        shipping=of(row["shipping_minor"]),
        tax=of(row["tax_minor"]),
        not_charged=of(sum(payment["voided"] for payment in row["payments"])),
        refunded=of(row["refunded_minor"]),
    )


def _given_back(row: Row) -> DocumentTotals:
    """What came back beyond the lines is what had been paid for shipping."""
    of, gross = partial(Money, currency=row["currency"]), sum(tax["gross"] for tax in row["taxes"])
    lines = sum(line["refund"] for line in row["lines"])
    return DocumentTotals(
        total=of(row["refund_minor"]),
        shipping=of(gross - lines) if row["taxes"] else None,
        tax=of(sum(tax["tax"] for tax in row["taxes"])) if row["taxes"] else None,
    )


def _taxes(row: Row, marks: dict[Decimal, str]) -> list[DocumentTax]:
    currency = row["currency"]
    return [
        DocumentTax(
            rate=Decimal(tax["rate"]),
            mark=marks.get(Decimal(tax["rate"])),
            gross=Money(tax["taxable"] + tax["tax"], currency),
            taxable=Money(tax["taxable"], currency),
            tax=Money(tax["tax"], currency),
        )
        for tax in row["taxes"]
    ]


def _tender(payment: dict[str, Any], currency: str) -> DocumentTender:
    tendered, amount = payment["tendered"], payment["amount"]
    return DocumentTender(
        method=payment["method"],
        amount=Money(amount, currency),
        tendered=None if tendered is None else Money(tendered, currency),
        change=None if tendered is None else Money(tendered - amount, currency),
        reference=_reference(payment),
    )


def _reference(payment: dict[str, Any]) -> str | None:
    """What a customer knows a tender by; of gift cards and points the hub's own reference says more than that."""
    said: str | None = payment["reference"]
    return said.partition(" ")[0] if said and payment["method"] in METHODS else said
