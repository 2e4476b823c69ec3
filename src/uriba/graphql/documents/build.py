"""The API's types built from the content of documents."""

from __future__ import annotations

from decimal import Decimal

from uriba.core.money import Money as Amount
from uriba.documents import content
from uriba.documents.layout import notes, title
from uriba.documents.translations import tender_label
from uriba.graphql.documents.types import (
    Document,
    DocumentIssuer,
    DocumentLine,
    DocumentPromotion,
    DocumentTax,
    DocumentTender,
    DocumentTotals,
)
from uriba.graphql.scalars import DecimalString, Money, money_of


def build_document(document: content.Document, url: str) -> Document:
    """Return a document as the API shows it."""
    return Document(
        content=document,
        kind=document.kind,
        lang=document.lang,
        title=title(document),
        number=document.order_number,
        return_number=document.return_number,
        receipt=document.receipt_number,
        issued_at=document.issued_at,
        sold_at=document.sold_at,
        exchange=document.exchange_number,
        timezone=document.timezone,
        issuer=_issuer(document.issuer),
        recipient=document.recipient,
        qualified=document.qualified,
        lines=[_line(line) for line in document.lines],
        promotions=[DocumentPromotion(name=p.name, amount=_money(p.amount)) for p in document.promotions],
        totals=_totals(document.totals) if document.totals else None,
        taxes=[_tax(tax) for tax in document.taxes],
        tenders=[_tender(tender, document.lang) for tender in document.tenders],
        points=document.points_earned,
        notes=notes(document),
        warnings=list(document.warnings),
        url=url,
    )


def _issuer(issuer: content.DocumentIssuer) -> DocumentIssuer:
    return DocumentIssuer(
        name=issuer.name,
        registration_number=issuer.registration_number,
        address=issuer.address,
        phone=issuer.phone,
        place=issuer.store,
    )


def _line(line: content.DocumentLine) -> DocumentLine:
    return DocumentLine(
        name=line.name,
        sku=line.sku,
        quantity=line.quantity,
        cancelled_quantity=line.cancelled_quantity,
        unit_price=_optional_money(line.unit_price),
        discount=_optional_money(line.discount),
        total=_optional_money(line.total),
        rate=None if line.rate is None else _rate(line.rate),
        mark=line.mark,
    )


def _tax(tax: content.DocumentTax) -> DocumentTax:
    return DocumentTax(
        rate=_rate(tax.rate),
        mark=tax.mark,
        gross=_money(tax.gross),
        taxable=_money(tax.taxable),
        tax=_money(tax.tax),
    )


def _tender(tender: content.DocumentTender, lang: str) -> DocumentTender:
    return DocumentTender(
        method=tender.method,
        label=tender_label(tender.method, lang),
        amount=_money(tender.amount),
        tendered=_optional_money(tender.tendered),
        change=_optional_money(tender.change),
        reference=tender.reference,
    )


def _totals(totals: content.DocumentTotals) -> DocumentTotals:
    return DocumentTotals(
        subtotal=_optional_money(totals.subtotal),
        discount=_optional_money(totals.discount),
        shipping=_optional_money(totals.shipping),
        tax=_optional_money(totals.tax),
        total=_money(totals.total),
        not_charged=_optional_money(totals.not_charged),
        refunded=_optional_money(totals.refunded),
    )


def _rate(rate: Decimal) -> DecimalString:
    return DecimalString(f"{rate.normalize():f}")


def _optional_money(amount: Amount | None) -> Money | None:
    return None if amount is None else _money(amount)


def _money(amount: Amount) -> Money:
    return money_of(amount.minor, amount.currency)
