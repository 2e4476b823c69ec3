"""Terms of a promotion as staff write them, checked before they are kept. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from uriba.core import money, text
from uriba.core.errors import CurrencyMismatch, Invalid, LimitExceeded
from uriba.core.quantities import QUANTITY_MAX
from uriba.pricing.discounts import Effect
from uriba.pricing.promotions import Stacking

WORDS_MAX = 100
"""Categories or brands of one promotion."""

SKUS_MAX = 20_000
"""SKUs that one promotion may name."""

_PERCENT = re.compile(r"(0|[1-9][0-9]{0,2})(?:\.([0-9]{1,2}))?", re.ASCII)
_BY_PERCENT = frozenset({Effect.PERCENT_OFF_ITEMS, Effect.PERCENT_OFF_ORDER, Effect.BUY_X_GET_Y})
_BY_AMOUNT = frozenset({Effect.AMOUNT_OFF_ITEMS, Effect.AMOUNT_OFF_ORDER})
_BY_UNITS = frozenset({Effect.PERCENT_OFF_ITEMS, Effect.AMOUNT_OFF_ITEMS, Effect.BUY_X_GET_Y})


@dataclass(frozen=True, slots=True)
class GoodsInput:
    """Goods by SKU, category or brand: whatever one of these names; none of them: all goods."""

    skus: Sequence[str] = ()
    categories: Sequence[str] = ()
    brands: Sequence[str] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.skus or self.categories or self.brands)


@dataclass(frozen=True, slots=True)
class AmountInput:
    """As the client wrote it, in major units."""

    amount: str
    currency: str


@dataclass(frozen=True, slots=True)
class PromotionInput:
    """A promotion to make or change: its code is its key. Moments without a zone are UTC."""

    code: str
    name: str
    effect: Effect
    percent: str | None = None
    amount: AmountInput | None = None
    buy_units: int | None = None
    get_units: int | None = None
    items: GoodsInput = GoodsInput()
    rewards: GoodsInput = GoodsInput()
    min_amount: AmountInput | None = None
    min_units: int | None = None
    max_discount: AmountInput | None = None
    max_units: int | None = None
    channels: Sequence[str] | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    priority: int = 0
    stacking: Stacking = Stacking.STACKABLE
    stacking_group: str | None = None
    needs_coupon: bool = False
    active: bool = True


def checked(row: PromotionInput, *at: str | int) -> dict[str, object]:
    """The columns of a promotion, but for the channels.

    Errors: `Invalid`, `CurrencyMismatch`, `LimitExceeded`, with the field's path.
    """
    currency = _currency(row, *at)
    return {
        "code": text.code(row.code, *at, "code"),
        "name": text.text(row.name, *at, "name"),
        "effect": row.effect,
        "currency": currency,
        **_size(row, currency, *at),
        **_sets(row, *at),
        **_goods(row, *at),
        **_bounds(row, currency, *at),
        **_span(row, *at),
        **_stacking(row, *at),
        "needs_coupon": row.needs_coupon,
        "active": row.active,
    }


def _currency(row: PromotionInput, *at: str | int) -> str | None:
    """The one currency of all amounts."""
    found: str | None = None
    for name, amount in (("amount", row.amount), ("minAmount", row.min_amount), ("maxDiscount", row.max_discount)):
        if amount is not None:
            money.check_currency(amount.currency, *at, name, "currency")
            if found not in (None, amount.currency):
                raise CurrencyMismatch("A promotion's amounts are in one currency.", *at, name, "currency")
            found = amount.currency
    return found


def _minor(amount: AmountInput | None, *path: str | int) -> int | None:
    if amount is None:
        return None
    minor = money.to_minor(amount.amount, amount.currency, *path, "amount")
    if minor <= 0:
        raise Invalid("This amount is above zero.", *path, "amount")
    return minor


def _size(row: PromotionInput, currency: str | None, *at: str | int) -> dict[str, object]:
    """How much it takes off: a percentage or an amount, as its effect says."""
    wants_percent, wants_amount = row.effect in _BY_PERCENT, row.effect in _BY_AMOUNT
    if wants_percent != (row.percent is not None):
        raise Invalid("This effect is said in percent." if wants_percent else "This has no percentage.", *at, "percent")
    if wants_amount != (row.amount is not None):
        raise Invalid("This effect is said as an amount." if wants_amount else "This has no amount.", *at, "amount")
    percent = _percent(row.percent, *at, "percent") if row.percent is not None else 0
    return {"percent": percent, "amount_minor": _minor(row.amount, *at, "amount") or 0}


def _percent(value: str, *path: str | int) -> int:
    """Hundredths of a percent: "12.5" is 1250."""
    found = _PERCENT.fullmatch(value)
    hundredths = int(found[1]) * 100 + int((found[2] or "").ljust(2, "0")) if found else 0
    if not 0 < hundredths <= 10_000:
        raise Invalid("A percentage is above 0, at most 100, and has at most 2 decimals.", *path)
    return hundredths


def _sets(row: PromotionInput, *at: str | int) -> dict[str, object]:
    found = {}
    for column, field, value in (("buy_units", "buyUnits", row.buy_units), ("get_units", "getUnits", row.get_units)):
        if (row.effect is Effect.BUY_X_GET_Y) != (value is not None):
            raise Invalid("Buy X get Y, and nothing else, says buyUnits and getUnits.", *at, field)
        found[column] = _units(value, *at, field) or 0
    return dict(found)


def _units(value: int | None, *path: str | int) -> int | None:
    if value is not None and not 1 <= value <= QUANTITY_MAX:
        raise Invalid(f"This is from 1 to {QUANTITY_MAX:,} units.", *path)
    return value


def _goods(row: PromotionInput, *at: str | int) -> dict[str, object]:
    if not row.rewards.is_empty and row.effect is not Effect.BUY_X_GET_Y:
        raise Invalid("Only buy X get Y has goods to get.", *at, "rewards")
    found: dict[str, object] = {}
    for prefix, field, goods in (("", "items", row.items), ("reward_", "rewards", row.rewards)):
        if len(goods.skus) > SKUS_MAX:
            raise LimitExceeded(f"A promotion names at most {SKUS_MAX:,} SKUs.", *at, field, "skus")
        found[f"{prefix}categories"] = _words(goods.categories, *at, field, "categories")
        found[f"{prefix}brands"] = _words(goods.brands, *at, field, "brands")
        found[f"{prefix}names_variants"] = bool(goods.skus)
    return found


def _words(words: Sequence[str], *path: str | int) -> list[str]:
    if len(words) > WORDS_MAX:
        raise LimitExceeded(f"At most {WORDS_MAX} of these.", *path)
    return sorted({text.text(word, *path, n) for n, word in enumerate(words)})


def _bounds(row: PromotionInput, currency: str | None, *at: str | int) -> dict[str, object]:
    """Least and most."""
    if row.max_units is not None and row.effect not in _BY_UNITS:
        raise Invalid("This effect is not counted in units.", *at, "maxUnits")
    return {
        "min_minor": _minor(row.min_amount, *at, "minAmount") or 0,
        "min_units": _units(row.min_units, *at, "minUnits") or 0,
        "max_minor": _minor(row.max_discount, *at, "maxDiscount"),
        "max_units": _units(row.max_units, *at, "maxUnits"),
    }


def _span(row: PromotionInput, *at: str | int) -> dict[str, object]:
    begins = _moment(row.valid_from, *at, "validFrom")
    ends = _moment(row.valid_to, *at, "validTo")
    if begins and ends and ends <= begins:
        raise Invalid("A promotion ends after it begins.", *at, "validTo")
    return {"valid_from": begins.isoformat() if begins else None, "valid_to": ends.isoformat() if ends else None}


def _moment(moment: datetime | None, *path: str | int) -> datetime | None:
    if moment is None:
        return None
    if not 1900 <= moment.year < 9999:
        raise Invalid("This is beyond the calendar.", *path)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _stacking(row: PromotionInput, *at: str | int) -> dict[str, object]:
    group = text.optional_text(row.stacking_group, *at, "stackingGroup", size_max=text.CODE_SIZE_MAX)
    if (row.stacking is Stacking.EXCLUSIVE_IN_GROUP) != (group is not None):
        raise Invalid("What is exclusive in a group, and nothing else, says which.", *at, "stackingGroup")
    if not -1_000_000 <= row.priority <= 1_000_000:
        raise Invalid("A priority is from -1,000,000 to 1,000,000.", *at, "priority")
    return {"priority": row.priority, "stacking": row.stacking, "stacking_group": group}
