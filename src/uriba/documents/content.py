"""What stands on a receipt, an invoice or a gift receipt, before it is put into words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from uriba.core.money import Money


class DocumentKind(StrEnum):
    """RECEIPT and GIFT_RECEIPT are of an order, INVOICE is a receipt that names who bought; RETURN is of a return."""

    RECEIPT = "RECEIPT"
    INVOICE = "INVOICE"
    GIFT_RECEIPT = "GIFT_RECEIPT"
    RETURN = "RETURN"


class PaperSize(StrEnum):
    """A4, or a till's roll of 80 mm."""

    A4 = "a4"
    ROLL = "roll"


@dataclass(frozen=True, slots=True)
class DocumentIssuer:
    """Who sold; `place` is the store, where it is known and has another name."""

    name: str
    registration_number: str | None = None
    address: str | None = None
    phone: str | None = None
    place: str | None = None


@dataclass(frozen=True, slots=True)
class DocumentLine:
    """Units of an article. `cancelled`: those of them that were never handed over; `mark`: its rate, in the legend."""

    name: str
    sku: str
    quantity: int
    cancelled: int = 0
    unit: Money | None = None
    discount: Money | None = None
    total: Money | None = None
    rate: Decimal | None = None
    mark: str | None = None


@dataclass(frozen=True, slots=True)
class DocumentPromotion:
    """What a promotion took off, by the name that the customer was told."""

    name: str
    amount: Money


@dataclass(frozen=True, slots=True)
class DocumentTax:
    """What a rate comes to, as it was stored: gross is net and tax."""

    rate: Decimal
    mark: str | None
    gross: Money
    taxable: Money
    tax: Money


@dataclass(frozen=True, slots=True)
class DocumentTender:
    """Money by one tender. `change` was given back at once of the cash that was `tendered`."""

    method: str
    amount: Money
    tendered: Money | None = None
    change: Money | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class DocumentTotals:
    """An order's sums. `not_charged`: let go of, because goods were cancelled; `refunded`: given back since."""

    total: Money
    subtotal: Money | None = None
    discount: Money | None = None
    shipping: Money | None = None
    tax: Money | None = None
    not_charged: Money | None = None
    refunded: Money | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A document of an order (`number`, which tills find it by) or of a return (`return_number`).

    `qualified`: it is an invoice of Japan's qualified invoice system. `settled`: the money was taken. `sold_at` is when
    goods that came back were sold, `exchange` the order that they were exchanged for, or that an order's were exchanged
    from. `points`: earned with it, less those that went back. Times are shown in `zone`. A gift receipt has no amounts
    at all.
    """

    kind: DocumentKind
    lang: str
    number: str
    issued_at: datetime
    zone: str
    issuer: DocumentIssuer
    lines: Sequence[DocumentLine]
    receipt: str | None = None
    return_number: str | None = None
    sold_at: datetime | None = None
    exchange: str | None = None
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
    points: int = 0
    warnings: Sequence[str] = ()
