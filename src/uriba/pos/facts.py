"""Facts as a till tells them, and what can be wrong with one by itself. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from hashlib import sha256

import msgspec

from uriba.core import money
from uriba.core.errors import Code, DomainError, Problem
from uriba.core.quantities import QUANTITY_MAX
from uriba.core.text import CODE_SIZE_MAX, TEXT_SIZE_MAX, has_control
from uriba.pos.models import PosEventType

LINES_MAX = 1_000
"""Lines of one fact."""

TENDERS_MAX = 20

COUPONS_MAX = 50

PRICED = frozenset({PosEventType.SALE, PosEventType.RETURN})
"""What has a receipt, prices and tenders."""


class Line(msgspec.Struct, frozen=True, rename="camel"):
    """Units of a SKU (or of a barcode's); prices in major units, tax included, as they were printed."""

    sku: str
    quantity: int
    unit_price: str | None = None
    discount: str = "0"


class Tendered(msgspec.Struct, frozen=True, rename="camel"):
    """Money taken, or given back, in major units."""

    method: str
    amount: str
    reference: str | None = None


class Told(msgspec.Struct, frozen=True, rename="camel"):
    """One fact as it was sent."""

    event_id: str
    sequence: int
    type: PosEventType
    occurred_at: datetime
    lines: tuple[Line, ...]
    receipt: str | None = None
    original_receipt: str | None = None
    tenders: tuple[Tendered, ...] | None = None
    loyalty_card: str | None = None
    cart_id: str | None = None
    coupons: tuple[str, ...] = ()

    @property
    def digest(self) -> bytes:
        """Proves that the same was sent again."""
        return sha256(msgspec.json.encode(self)).digest()

    @property
    def named(self) -> bool:
        """Whether the hub can tell it from every other fact of its till."""
        return self.sequence >= 1 and 0 < len(self.event_id) <= CODE_SIZE_MAX and not has_control(self.event_id)


def problems(fact: Told) -> list[Problem]:
    """All that is wrong with a fact, whatever the hub knows of goods and prices."""
    return [*_of_name(fact), *_of_texts(fact), *_of_lines(fact), *_of_tenders(fact)]


def _of_name(fact: Told) -> Iterator[Problem]:
    if fact.sequence < 1:
        yield Problem(Code.INVALID, "A sequence begins with 1.", ("sequence",))
    if not 0 < len(fact.event_id) <= CODE_SIZE_MAX or has_control(fact.event_id):
        yield Problem(Code.INVALID, f"An event id has 1 to {CODE_SIZE_MAX} plain characters.", ("eventId",))


def _of_texts(fact: Told) -> Iterator[Problem]:
    texts: list[tuple[str | None, tuple[str, ...]]] = [
        (fact.receipt, ("receipt",)),
        (fact.original_receipt, ("originalReceipt",)),
        (fact.loyalty_card, ("loyaltyCard",)),
    ]
    texts += [(coupon, ("coupons", str(n))) for n, coupon in enumerate(fact.coupons)]
    for n, tender in enumerate(fact.tenders or ()):
        texts.append((tender.method or "", ("tenders", str(n), "method")))
        texts.append((tender.reference, ("tenders", str(n), "reference")))
        if not tender.method.strip():
            yield Problem(Code.INVALID, "Say by which method it was paid.", ("tenders", str(n), "method"))
    for value, path in texts:
        if value is not None and (len(value) > TEXT_SIZE_MAX or has_control(value)):
            yield Problem(Code.INVALID, f"This has at most {TEXT_SIZE_MAX} plain characters.", path)
    if fact.loyalty_card is not None and not 0 < len(fact.loyalty_card.strip()) <= CODE_SIZE_MAX:
        yield Problem(Code.INVALID, f"A loyalty card has 1 to {CODE_SIZE_MAX} characters.", ("loyaltyCard",))


def _of_lines(fact: Told) -> Iterator[Problem]:
    if not 1 <= len(fact.lines) <= LINES_MAX:
        yield Problem(Code.LIMIT_EXCEEDED, f"A fact has 1 to {LINES_MAX:,} lines.", ("lines",))
        return
    fits, sentence = _QUANTITIES.get(fact.type, _UNITS)
    for n, line in enumerate(fact.lines):
        if not fits(line.quantity):
            yield Problem(Code.INVALID_QUANTITY, sentence, ("lines", str(n), "quantity"))
    if fact.type is PosEventType.COUNT and len({line.sku for line in fact.lines}) < len(fact.lines):
        yield Problem(Code.INVALID, "A count names each SKU once.", ("lines",))


_UNITS: tuple[Callable[[int], bool], str] = (
    lambda quantity: 1 <= quantity <= QUANTITY_MAX,
    f"A quantity is from 1 to {QUANTITY_MAX:,}.",
)
_QUANTITIES: dict[PosEventType, tuple[Callable[[int], bool], str]] = {
    PosEventType.COUNT: (lambda quantity: 0 <= quantity <= QUANTITY_MAX, f"A count is from 0 to {QUANTITY_MAX:,}."),
    PosEventType.ADJUSTMENT: (
        lambda quantity: 1 <= abs(quantity) <= QUANTITY_MAX,
        f"An adjustment is from 1 to {QUANTITY_MAX:,}, or below zero.",
    ),
}


def _of_tenders(fact: Told) -> Iterator[Problem]:
    if len(fact.tenders or ()) > TENDERS_MAX:
        yield Problem(Code.LIMIT_EXCEEDED, f"A fact has at most {TENDERS_MAX} tenders.", ("tenders",))
    if len(fact.coupons) > COUPONS_MAX:
        yield Problem(Code.LIMIT_EXCEEDED, f"A fact has at most {COUPONS_MAX} coupons.", ("coupons",))


class Amounts(msgspec.Struct, frozen=True):
    """What a fact is worth, in minor units: (unit, discount, total) of each line, and each tender."""

    lines: tuple[tuple[int, int, int], ...]
    tenders: tuple[int, ...] | None

    @property
    def total(self) -> int:
        return sum(total for _, _, total in self.lines)


def amounts(fact: Told, currency: str, unit_minors: Sequence[int | None]) -> Amounts | list[Problem]:
    """The amounts of a fact in a currency, or why they cannot be; `unit_minors`: prices of lines that say none."""
    found: list[Problem] = []
    lines = []
    for n, line in enumerate(fact.lines):
        try:
            lines.append(_line(line, currency, unit_minors[n], n))
        except DomainError as error:
            found.extend(error.problems)
    tenders = []
    for n, tender in enumerate(fact.tenders or ()):
        try:
            minor = money.to_minor(tender.amount, currency, "tenders", n, "amount")
            if minor < 0:
                found.append(Problem(Code.INVALID, "An amount is not negative.", ("tenders", str(n), "amount")))
            tenders.append(minor)
        except DomainError as error:
            found.extend(error.problems)
    if found:
        return found
    made = Amounts(tuple(lines), None if fact.tenders is None else tuple(tenders))
    if max(made.total, sum(tenders)) > money.AMOUNT_MINOR_MAX:
        return [Problem(Code.INVALID, "This is more than an amount can be.", ("lines",))]
    if fact.type is PosEventType.SALE and made.tenders is not None and sum(made.tenders) != made.total:
        said, due = money.Money(sum(made.tenders), currency), money.Money(made.total, currency)
        return [Problem(Code.PAYMENT_MISMATCH, f"The tenders are {said}, the lines are {due}.", ("tenders",))]
    return made


def _line(line: Line, currency: str, unit_minor: int | None, n: int) -> tuple[int, int, int]:
    """Errors: `DomainError` for a price or discount that cannot be."""
    at = ("lines", n)
    unit = money.to_minor(line.unit_price, currency, *at, "unitPrice") if line.unit_price is not None else unit_minor
    if unit is None:
        raise DomainError.of([Problem(Code.INVALID, "Say the price.", ("lines", str(n), "unitPrice"))])
    discount = money.to_minor(line.discount, currency, *at, "discount")
    if unit < 0:
        raise DomainError.of([Problem(Code.INVALID, "A price is not negative.", ("lines", str(n), "unitPrice"))])
    if not 0 <= discount <= unit * line.quantity:
        sentence = "A discount is from nothing to what the line costs."
        raise DomainError.of([Problem(Code.INVALID, sentence, ("lines", str(n), "discount"))])
    return unit, discount, unit * line.quantity - discount
