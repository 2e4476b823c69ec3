"""Documents made from orders and returns. All amounts are the stored ones; nothing is computed again. Pure.

A Japanese receipt is a qualified simplified invoice (適格簡易請求書) if its issuer has a registration number, and a
qualified invoice if it also names the buyer. It shows the issuer and its number, the day, what was bought, a mark on
what is taxed at the reduced rate, and the total and the tax of each rate. The document of a return is a qualified
return invoice (適格返還請求書), which also shows the day of the sale.

Source: Japan's Consumption Tax Act, article 57-4 (1) to (3).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from zoneinfo import ZoneInfo

from uriba.core.money import Money
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
from uriba.documents.records import (
    OrderLineRecord,
    OrderRecord,
    OrderTaxRecord,
    PaymentRecord,
    ReturnLineRecord,
    ReturnRecord,
    ReturnTaxRecord,
    SaleRecord,
)
from uriba.orders.enums import OrderStatus, PaymentStatus
from uriba.stored_value.tenders import METHODS

REDUCED_RATE = Decimal("0.08")
"""Japan's reduced rate. Lines that are taxed at it are marked."""

REDUCED_MARK = "※"
RATE_MARKS = "ABCDEFGHIJ"
"""The marks of several rates outside Japan."""

SETTLED_STATUSES = frozenset({PaymentStatus.PAID, PaymentStatus.PARTIALLY_REFUNDED, PaymentStatus.REFUNDED})

Marks = Mapping[Decimal, str]


def order_document(order: OrderRecord, *, kind: DocumentKind, lang: str | None) -> Document:
    """Return the receipt, invoice or gift receipt of an order. Without `lang`, Japan's documents are Japanese."""
    japanese, currency = is_japanese(order), order.currency
    marks = _marks(japanese, [tax.rate for tax in order.taxes])
    settled, cancelled = order.payment_status in SETTLED_STATUSES, order.status == OrderStatus.CANCELLED
    document = Document(
        kind=kind,
        lang=lang or _default_lang(japanese),
        order_number=order.order_number,
        issued_at=order.placed_at,
        timezone=order.timezone,
        issuer=_issuer(order, japanese),
        lines=[_order_line(line, currency, marks) for line in order.lines],
        receipt_number=order.receipt_number,
        exchange_number=order.exchange_number,
        recipient=order.recipient if kind is DocumentKind.INVOICE else None,
        japanese=japanese,
        qualified=japanese and _may_be_qualified(order) and settled and not cancelled,
        settled=settled,
        cancelled=cancelled,
        prices_include_tax=order.prices_include_tax,
        promotions=[DocumentPromotion(p.name, Money(p.amount_minor, currency)) for p in order.promotions],
        totals=_order_totals(order),
        taxes=[_order_tax(tax, currency, marks) for tax in order.taxes],
        tenders=[_tender(payment, currency) for payment in order.payments],
        points_earned=order.points,
        warnings=_warnings(order, japanese),
    )
    return gift_receipt(document) if kind is DocumentKind.GIFT_RECEIPT else document


def gift_receipt(document: Document) -> Document:
    """Return a receipt without amounts: the units that were not cancelled, and the number of the order."""
    return Document(
        kind=DocumentKind.GIFT_RECEIPT,
        lang=document.lang,
        order_number=document.order_number,
        issued_at=document.issued_at,
        timezone=document.timezone,
        issuer=replace(document.issuer, registration_number=None),
        lines=[
            DocumentLine(name=line.name, sku=line.sku, quantity=line.quantity - line.cancelled_quantity)
            for line in document.lines
            if line.quantity > line.cancelled_quantity
        ],
        receipt_number=document.receipt_number,
        exchange_number=document.exchange_number,
        japanese=document.japanese,
        cancelled=document.cancelled,
    )


def return_document(record: ReturnRecord, *, lang: str | None) -> Document:
    """Return the invoice of a return: the returned goods and the refund.

    The hub has no taxes for a return that a till reported with its own amounts; its document is a plain receipt.
    """
    japanese, currency, taxed = is_japanese(record), record.currency, bool(record.taxes)
    marks = _marks(japanese, [tax.rate for tax in record.taxes])
    return Document(
        kind=DocumentKind.RETURN,
        lang=lang or _default_lang(japanese),
        order_number=record.order_number,
        return_number=return_number(record),
        issued_at=record.created_at,
        sold_at=record.placed_at,
        timezone=record.timezone,
        issuer=_issuer(record, japanese),
        lines=[_return_line(line, currency, marks, with_amount=taxed) for line in record.lines],
        receipt_number=record.receipt_number,
        exchange_number=record.exchange_number,
        japanese=japanese,
        qualified=japanese and taxed and _may_be_qualified(record),
        prices_include_tax=True,
        totals=_return_totals(record),
        taxes=[_return_tax(tax, currency, marks) for tax in record.taxes],
        tenders=[DocumentTender(p.method, Money(p.amount_minor, currency)) for p in record.payments],
        warnings=_warnings(record, japanese),
    )


def return_number(record: ReturnRecord) -> str:
    """Return the number of a return for people: the order's number and the end of the return's id."""
    return f"{record.order_number}-R{record.return_id.hex[-6:].upper()}"


def is_japanese(sale: SaleRecord) -> bool:
    """Whether Japan's rules apply: the sale is in yen, or its issuer is registered in Japan."""
    return sale.currency == "JPY" or japan_registration.normalize(_registration_number(sale)) is not None


def _default_lang(japanese: bool) -> str:
    return "ja" if japanese else "en"


def _registration_number(sale: SaleRecord) -> str | None:
    return sale.issuer.registration_number if sale.issuer else None


def _issuer(sale: SaleRecord, japanese: bool) -> DocumentIssuer:
    """Return the channel's issuer; what it does not have is that of the store, or else the channel's name."""
    number = _registration_number(sale)
    name = (sale.issuer and sale.issuer.name) or sale.store or sale.channel_name
    return DocumentIssuer(
        name=name,
        registration_number=japan_registration.normalize(number) if japanese else number,
        address=(sale.issuer and sale.issuer.address) or sale.store_address,
        phone=(sale.issuer and sale.issuer.phone) or sale.store_phone,
        store=sale.store if sale.store != name else None,
    )


def _may_be_qualified(sale: SaleRecord) -> bool:
    """Whether the issuer is registered, and the sale is not older than Japan's qualified invoices."""
    day = sale.placed_at.astimezone(ZoneInfo(sale.timezone)).date()
    registered = japan_registration.normalize(_registration_number(sale)) is not None
    return registered and day >= japan_registration.QUALIFIED_INVOICES_SINCE


def _warnings(sale: SaleRecord, japanese: bool) -> Sequence[str]:
    return japan_registration.warnings(_registration_number(sale)) if japanese else ()


def _marks(japanese: bool, rates: Iterable[Decimal]) -> Marks:
    """Return the mark of each rate: in Japan ※ for the reduced rate; elsewhere a letter for each of several rates."""
    rates = list(rates)
    if japanese:
        return {rate: REDUCED_MARK for rate in rates if rate == REDUCED_RATE}
    return dict(zip(rates, RATE_MARKS, strict=False)) if len(rates) > 1 else {}


def _order_line(line: OrderLineRecord, currency: str, marks: Marks) -> DocumentLine:
    return DocumentLine(
        name=line.name,
        sku=line.sku,
        quantity=line.quantity,
        cancelled_quantity=line.cancelled_quantity,
        unit_price=Money(line.unit_minor, currency),
        discount=Money(line.discount_minor, currency),
        total=Money(line.total_minor, currency),
        rate=line.rate,
        mark=marks.get(line.rate),
    )


def _return_line(line: ReturnLineRecord, currency: str, marks: Marks, *, with_amount: bool) -> DocumentLine:
    """Return a line of a return, without an amount if the till reported one amount for the whole return."""
    return DocumentLine(
        name=line.name,
        sku=line.sku,
        quantity=line.quantity,
        total=Money(line.refund_minor, currency) if with_amount else None,
        rate=line.rate,
        mark=marks.get(line.rate) if line.rate is not None else None,
    )


def _order_totals(order: OrderRecord) -> DocumentTotals:
    money = partial(Money, currency=order.currency)
    return DocumentTotals(
        total=money(order.total_minor),
        subtotal=money(order.subtotal_minor),
        discount=money(order.discount_minor),
        shipping=money(order.shipping_minor),
        tax=money(order.tax_minor),
        not_charged=money(sum(payment.voided_minor for payment in order.payments)),
        refunded=money(order.refunded_minor),
    )


def _return_totals(record: ReturnRecord) -> DocumentTotals:
    """Return the sums of a return. The taxed amount beyond that of the lines is refunded shipping."""
    money = partial(Money, currency=record.currency)
    if not record.taxes:
        return DocumentTotals(total=money(record.refund_minor))
    gross, lines = sum(tax.gross_minor for tax in record.taxes), sum(line.refund_minor for line in record.lines)
    return DocumentTotals(
        total=money(record.refund_minor),
        shipping=money(gross - lines),
        tax=money(sum(tax.tax_minor for tax in record.taxes)),
    )


def _order_tax(tax: OrderTaxRecord, currency: str, marks: Marks) -> DocumentTax:
    return DocumentTax(
        rate=tax.rate,
        mark=marks.get(tax.rate),
        gross=Money(tax.taxable_minor + tax.tax_minor, currency),
        taxable=Money(tax.taxable_minor, currency),
        tax=Money(tax.tax_minor, currency),
    )


def _return_tax(tax: ReturnTaxRecord, currency: str, marks: Marks) -> DocumentTax:
    return DocumentTax(
        rate=tax.rate,
        mark=marks.get(tax.rate),
        gross=Money(tax.gross_minor, currency),
        taxable=Money(tax.gross_minor - tax.tax_minor, currency),
        tax=Money(tax.tax_minor, currency),
    )


def _tender(payment: PaymentRecord, currency: str) -> DocumentTender:
    tendered, amount = payment.tendered_minor, payment.amount_minor
    return DocumentTender(
        method=payment.method,
        amount=Money(amount, currency),
        tendered=None if tendered is None else Money(tendered, currency),
        change=None if tendered is None else Money(tendered - amount, currency),
        reference=_reference(payment),
    )


def _reference(payment: PaymentRecord) -> str | None:
    """Return the reference for the customer: of gift cards and points, the first word of the hub's own reference."""
    if payment.reference and payment.method in METHODS:
        return payment.reference.partition(" ")[0]
    return payment.reference
