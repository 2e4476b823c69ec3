"""The content of a receipt, an invoice or a gift receipt as data, before it is written in a language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from uriba.core.money import Money


class DocumentKind(StrEnum):
    """An order has a RECEIPT, a GIFT_RECEIPT and an INVOICE (a receipt that names the buyer); a return has a RETURN."""

    RECEIPT = "RECEIPT"
    INVOICE = "INVOICE"
    GIFT_RECEIPT = "GIFT_RECEIPT"
    RETURN = "RETURN"


class PaperSize(StrEnum):
    """A4, or the 80 mm roll of a till."""

    A4 = "a4"
    ROLL = "roll"


@dataclass(frozen=True, slots=True)
class DocumentIssuer:
    """The seller. `store`: the name of the store, if it is known and differs from `name`."""

    name: str
    registration_number: str | None = None
    address: str | None = None
    phone: str | None = None
    store: str | None = None


@dataclass(frozen=True, slots=True)
class DocumentLine:
    """Units of a variant. `cancelled_quantity`: how many of them were cancelled; `mark`: the mark of its tax rate."""

    name: str
    sku: str
    quantity: int
    cancelled_quantity: int = 0
    unit_price: Money | None = None
    discount: Money | None = None
    total: Money | None = None
    rate: Decimal | None = None
    mark: str | None = None


@dataclass(frozen=True, slots=True)
class DocumentPromotion:
    """The amount that a promotion took off, under the name that the customer saw."""

    name: str
    amount: Money


@dataclass(frozen=True, slots=True)
class DocumentTax:
    """The stored totals of a tax rate. `gross` is `taxable` plus `tax`."""

    rate: Decimal
    mark: str | None
    gross: Money
    taxable: Money
    tax: Money


@dataclass(frozen=True, slots=True)
class DocumentTender:
    """The amount of a tender. For cash, `tendered` is what the customer handed over and `change` what came back."""

    method: str
    amount: Money
    tendered: Money | None = None
    change: Money | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class DocumentTotals:
    """The sums of an order or a return. `not_charged`: voided for cancelled goods; `refunded`: refunded since."""

    total: Money
    subtotal: Money | None = None
    discount: Money | None = None
    shipping: Money | None = None
    tax: Money | None = None
    not_charged: Money | None = None
    refunded: Money | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A document of an order, or of a return if it has a `return_number`.

    - `order_number` is in the QR code; tills find the order by it.
    - `sold_at` is the time of the sale, on documents of returns.
    - `exchange_number` is, on a return, the order that the goods were exchanged for; on an order, the order that its
      goods were exchanged from.
    - `japanese`: Japan's rules apply. `qualified`: it is an invoice of Japan's qualified invoice system.
    - `settled`: the order is paid. `points_earned` is less the points that were taken back.

    A gift receipt has no amounts.
    """

    kind: DocumentKind
    lang: str
    order_number: str
    issued_at: datetime
    timezone: str
    issuer: DocumentIssuer
    lines: Sequence[DocumentLine]
    receipt_number: str | None = None
    return_number: str | None = None
    sold_at: datetime | None = None
    exchange_number: str | None = None
    recipient: str | None = None
    japanese: bool = False
    qualified: bool = False
    settled: bool = True
    cancelled: bool = False
    prices_include_tax: bool = True
    promotions: Sequence[DocumentPromotion] = ()
    totals: DocumentTotals | None = None
    taxes: Sequence[DocumentTax] = ()
    tenders: Sequence[DocumentTender] = ()
    points_earned: int = 0
    warnings: Sequence[str] = ()
