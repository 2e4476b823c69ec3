"""Facts: the content of a till's events, and the checks that need nothing but the fact itself. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

import msgspec

from uriba.core import digests, money
from uriba.core.errors import Code, DomainError, Problem
from uriba.core.quantities import QUANTITY_MAX
from uriba.core.text import CODE_SIZE_MAX, TEXT_SIZE_MAX, has_control
from uriba.pos.enums import PosEventType

LINES_MAX = 1_000
"""Lines of one fact."""

TENDERS_MAX = 20

COUPONS_MAX = 50

PRICED_TYPES = frozenset({PosEventType.SALE, PosEventType.RETURN})
"""The types with a receipt, prices and tenders."""


class FactLine(msgspec.Struct, frozen=True, rename="camel"):
    """Units of a SKU (or of a barcode's variant); prices in major units, tax included, as they were printed."""

    sku: str
    quantity: int
    unit_price: str | None = None
    discount: str = "0"


class FactTender(msgspec.Struct, frozen=True, rename="camel"):
    """One way in which a sale was paid, or a return was refunded, in major units."""

    method: str
    amount: str
    reference: str | None = None


class TillFact(msgspec.Struct, frozen=True, rename="camel"):
    """An event as a till sent it.

    A till may send an event again after an upgrade of the hub, and it must still be the same: a new field needs a
    default that is None or empty, which `digest` leaves out.
    """

    event_id: str
    sequence: int
    type: PosEventType
    occurred_at: datetime
    lines: tuple[FactLine, ...]
    receipt: str | None = None
    original_receipt: str | None = None
    tenders: tuple[FactTender, ...] | None = None
    loyalty_card: str | None = None
    cart_id: str | None = None
    coupons: tuple[str, ...] = ()

    @property
    def digest(self) -> bytes:
        """The digest of the content, to tell an event that is sent again from another one with the same identity."""
        return digests.digest(self)

    @property
    def has_identity(self) -> bool:
        """Whether sequence and event id can distinguish this event from all others of its till."""
        return self.sequence >= 1 and _is_event_id(self.event_id)


def _is_event_id(value: str) -> bool:
    return 0 < len(value) <= CODE_SIZE_MAX and not has_control(value)


def find_problems(fact: TillFact) -> list[Problem]:
    """Return everything that is wrong with a fact, without looking up goods, prices or carts."""
    return [*_identity_problems(fact), *_text_problems(fact), *_line_problems(fact), *_limit_problems(fact)]


def _identity_problems(fact: TillFact) -> Iterator[Problem]:
    if fact.sequence < 1:
        yield Problem(Code.INVALID, "Sequences start at 1.", ("sequence",))
    if not _is_event_id(fact.event_id):
        sentence = f"An event id has 1 to {CODE_SIZE_MAX} characters, without control characters."
        yield Problem(Code.INVALID, sentence, ("eventId",))


def _text_problems(fact: TillFact) -> Iterator[Problem]:
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
            yield Problem(Code.INVALID, "Name the payment method of this tender.", ("tenders", str(n), "method"))
    for value, path in texts:
        if value is not None and (len(value) > TEXT_SIZE_MAX or has_control(value)):
            sentence = f"This has at most {TEXT_SIZE_MAX} characters, without control characters."
            yield Problem(Code.INVALID, sentence, path)
    if fact.loyalty_card is not None and not 0 < len(fact.loyalty_card.strip()) <= CODE_SIZE_MAX:
        yield Problem(Code.INVALID, f"A loyalty card has 1 to {CODE_SIZE_MAX} characters.", ("loyaltyCard",))


def _line_problems(fact: TillFact) -> Iterator[Problem]:
    if not 1 <= len(fact.lines) <= LINES_MAX:
        yield Problem(Code.LIMIT_EXCEEDED, f"An event has 1 to {LINES_MAX:,} lines.", ("lines",))
        return
    is_allowed, sentence = _QUANTITY_RULES.get(fact.type, _UNITS)
    for n, line in enumerate(fact.lines):
        if not is_allowed(line.quantity):
            yield Problem(Code.INVALID_QUANTITY, sentence, ("lines", str(n), "quantity"))
    if fact.type is PosEventType.COUNT and len({line.sku for line in fact.lines}) < len(fact.lines):
        yield Problem(Code.INVALID, "A count has each SKU at most once.", ("lines",))


_UNITS: tuple[Callable[[int], bool], str] = (
    lambda quantity: 1 <= quantity <= QUANTITY_MAX,
    f"A quantity is from 1 to {QUANTITY_MAX:,}.",
)
_QUANTITY_RULES: dict[PosEventType, tuple[Callable[[int], bool], str]] = {
    PosEventType.COUNT: (
        lambda quantity: 0 <= quantity <= QUANTITY_MAX,
        f"A counted quantity is from 0 to {QUANTITY_MAX:,}.",
    ),
    PosEventType.ADJUSTMENT: (
        lambda quantity: 1 <= abs(quantity) <= QUANTITY_MAX,
        f"An adjustment is from 1 to {QUANTITY_MAX:,}, or from -{QUANTITY_MAX:,} to -1.",
    ),
}


def _limit_problems(fact: TillFact) -> Iterator[Problem]:
    if len(fact.tenders or ()) > TENDERS_MAX:
        yield Problem(Code.LIMIT_EXCEEDED, f"An event has at most {TENDERS_MAX} tenders.", ("tenders",))
    if len(fact.coupons) > COUPONS_MAX:
        yield Problem(Code.LIMIT_EXCEEDED, f"An event has at most {COUPONS_MAX} coupons.", ("coupons",))


LineAmounts = tuple[int, int, int]
"""Unit price, discount and total of a line, in minor units."""


class FactAmounts(msgspec.Struct, frozen=True):
    """The amounts of a fact's lines and tenders, in minor units. `tenders` None: the till has sent none."""

    lines: tuple[LineAmounts, ...]
    tenders: tuple[int, ...] | None

    @property
    def total(self) -> int:
        return sum(total for _, _, total in self.lines)


def parse_amounts(fact: TillFact, currency: str, unit_minors: Sequence[int | None]) -> FactAmounts | list[Problem]:
    """Return the amounts of a fact in a currency, or everything that is wrong with them.

    `unit_minors`: the unit prices of lines that have none of their own.
    """
    found: list[Problem] = []
    lines = []
    for n, line in enumerate(fact.lines):
        try:
            lines.append(_line_amounts(line, currency, unit_minors[n], n))
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
    made = FactAmounts(tuple(lines), None if fact.tenders is None else tuple(tenders))
    if max(made.total, sum(tenders)) > money.AMOUNT_MINOR_MAX:
        return [Problem(Code.INVALID, "The total is larger than the largest amount.", ("lines",))]
    if fact.type is PosEventType.SALE and made.tenders is not None and sum(made.tenders) != made.total:
        paid, due = money.Money(sum(made.tenders), currency), money.Money(made.total, currency)
        sentence = f"The tenders add up to {paid}, the lines to {due}."
        return [Problem(Code.PAYMENT_MISMATCH, sentence, ("tenders",))]
    return made


def _line_amounts(line: FactLine, currency: str, unit_minor: int | None, n: int) -> LineAmounts:
    """Errors: `DomainError` for a missing or impossible price or discount."""
    at = ("lines", n)
    unit = money.to_minor(line.unit_price, currency, *at, "unitPrice") if line.unit_price is not None else unit_minor
    if unit is None:
        sentence = "Give a unit price: the hub has no price for this line."
        raise DomainError.of([Problem(Code.INVALID, sentence, ("lines", str(n), "unitPrice"))])
    discount = money.to_minor(line.discount, currency, *at, "discount")
    if unit < 0:
        raise DomainError.of([Problem(Code.INVALID, "A price is not negative.", ("lines", str(n), "unitPrice"))])
    if not 0 <= discount <= unit * line.quantity:
        sentence = "A discount is from 0 to the price of the whole line."
        raise DomainError.of([Problem(Code.INVALID, sentence, ("lines", str(n), "discount"))])
    return unit, discount, unit * line.quantity - discount
