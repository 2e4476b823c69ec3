"""Input for promotions, checked before it is written."""

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

NAMES_MAX = 100
"""The largest number of categories, and of brands, of one promotion."""

SKUS_MAX = 20_000
"""The largest number of SKUs of one promotion."""

_PERCENT = re.compile(r"(0|[1-9][0-9]{0,2})(?:\.([0-9]{1,2}))?", re.ASCII)
_BY_PERCENT = frozenset({Effect.PERCENT_OFF_ITEMS, Effect.PERCENT_OFF_ORDER, Effect.BUY_X_GET_Y})
_BY_AMOUNT = frozenset({Effect.AMOUNT_OFF_ITEMS, Effect.AMOUNT_OFF_ORDER})
_BY_UNITS = frozenset({Effect.PERCENT_OFF_ITEMS, Effect.AMOUNT_OFF_ITEMS, Effect.BUY_X_GET_Y})


@dataclass(frozen=True, slots=True)
class ItemSelection:
    """Items selected by SKU, category or brand; without any of these, all items."""

    skus: Sequence[str] = ()
    categories: Sequence[str] = ()
    brands: Sequence[str] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.skus or self.categories or self.brands)


@dataclass(frozen=True, slots=True)
class AmountInput:
    """An amount in major units, as the client sent it."""

    amount: str
    currency: str


@dataclass(frozen=True, slots=True)
class PromotionInput:
    """A promotion to create or change, by its code. Times without a zone are UTC."""

    code: str
    name: str
    effect: Effect
    percent: str | None = None
    amount: AmountInput | None = None
    buy_units: int | None = None
    get_units: int | None = None
    items: ItemSelection = ItemSelection()
    rewards: ItemSelection = ItemSelection()
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


def to_columns(row: PromotionInput, *at: str | int) -> dict[str, object]:
    """Return the columns of a promotion, without its channels.

    Errors: `Invalid`, `CurrencyMismatch`, `LimitExceeded`, with the field's path.
    """
    currency = _currency(row, *at)
    return {
        "code": text.code(row.code, *at, "code"),
        "name": text.text(row.name, *at, "name"),
        "effect": row.effect,
        "currency": currency,
        **_discount(row, currency, *at),
        **_buy_x_get_y(row, *at),
        **_items(row, *at),
        **_limits(row, currency, *at),
        **_span(row, *at),
        **_stacking(row, *at),
        "needs_coupon": row.needs_coupon,
        "active": row.active,
    }


def _currency(row: PromotionInput, *at: str | int) -> str | None:
    """Return the currency, which all amounts must share."""
    currency: str | None = None
    for name, amount in (("amount", row.amount), ("minAmount", row.min_amount), ("maxDiscount", row.max_discount)):
        if amount is not None:
            money.check_currency(amount.currency, *at, name, "currency")
            if currency not in (None, amount.currency):
                raise CurrencyMismatch("All amounts of a promotion must have the same currency.", *at, name, "currency")
            currency = amount.currency
    return currency


def _minor(amount: AmountInput | None, *path: str | int) -> int | None:
    if amount is None:
        return None
    minor = money.to_minor(amount.amount, amount.currency, *path, "amount")
    if minor <= 0:
        raise Invalid("This amount must be above zero.", *path, "amount")
    return minor


def _discount(row: PromotionInput, currency: str | None, *at: str | int) -> dict[str, object]:
    """Return the percentage or the amount that the effect requires."""
    wants_percent, wants_amount = row.effect in _BY_PERCENT, row.effect in _BY_AMOUNT
    if wants_percent != (row.percent is not None):
        raise Invalid(
            "This effect requires a percentage." if wants_percent else "This effect has no percentage.", *at, "percent"
        )
    if wants_amount != (row.amount is not None):
        raise Invalid(
            "This effect requires an amount." if wants_amount else "This effect has no amount.", *at, "amount"
        )
    percent = _percent(row.percent, *at, "percent") if row.percent is not None else 0
    return {"percent": percent, "amount_minor": _minor(row.amount, *at, "amount") or 0}


def _percent(value: str, *path: str | int) -> int:
    """Return hundredths of a percent: "12.5" is 1250."""
    match = _PERCENT.fullmatch(value)
    hundredths = int(match[1]) * 100 + int((match[2] or "").ljust(2, "0")) if match else 0
    if not 0 < hundredths <= 10_000:
        raise Invalid("A percentage is above 0, at most 100, and has at most 2 decimals.", *path)
    return hundredths


def _buy_x_get_y(row: PromotionInput, *at: str | int) -> dict[str, object]:
    columns = {}
    for column, field, value in (("buy_units", "buyUnits", row.buy_units), ("get_units", "getUnits", row.get_units)):
        if (row.effect is Effect.BUY_X_GET_Y) != (value is not None):
            raise Invalid("buyUnits and getUnits are required for BUY_X_GET_Y, and only there.", *at, field)
        columns[column] = _units(value, *at, field) or 0
    return dict(columns)


def _units(value: int | None, *path: str | int) -> int | None:
    if value is not None and not 1 <= value <= QUANTITY_MAX:
        raise Invalid(f"Give from 1 to {QUANTITY_MAX:,} units.", *path)
    return value


def _items(row: PromotionInput, *at: str | int) -> dict[str, object]:
    if not row.rewards.is_empty and row.effect is not Effect.BUY_X_GET_Y:
        raise Invalid("Only BUY_X_GET_Y has rewards.", *at, "rewards")
    columns: dict[str, object] = {}
    for prefix, field, goods in (("", "items", row.items), ("reward_", "rewards", row.rewards)):
        if len(goods.skus) > SKUS_MAX:
            raise LimitExceeded(f"A promotion lists at most {SKUS_MAX:,} SKUs.", *at, field, "skus")
        columns[f"{prefix}categories"] = _names(goods.categories, *at, field, "categories")
        columns[f"{prefix}brands"] = _names(goods.brands, *at, field, "brands")
        columns[f"{prefix}names_variants"] = bool(goods.skus)
    return columns


def _names(names: Sequence[str], *path: str | int) -> list[str]:
    if len(names) > NAMES_MAX:
        raise LimitExceeded(f"Give at most {NAMES_MAX} of these.", *path)
    return sorted({text.text(name, *path, n) for n, name in enumerate(names)})


def _limits(row: PromotionInput, currency: str | None, *at: str | int) -> dict[str, object]:
    """Return the thresholds and limits."""
    if row.max_units is not None and row.effect not in _BY_UNITS:
        raise Invalid("This effect has no limit in units.", *at, "maxUnits")
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
        raise Invalid("validTo must be later than validFrom.", *at, "validTo")
    return {"valid_from": begins.isoformat() if begins else None, "valid_to": ends.isoformat() if ends else None}


def _moment(moment: datetime | None, *path: str | int) -> datetime | None:
    if moment is None:
        return None
    if not 1900 <= moment.year < 9999:
        raise Invalid("This time is out of range.", *path)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _stacking(row: PromotionInput, *at: str | int) -> dict[str, object]:
    group = text.optional_text(row.stacking_group, *at, "stackingGroup", size_max=text.CODE_SIZE_MAX)
    if (row.stacking is Stacking.EXCLUSIVE_IN_GROUP) != (group is not None):
        raise Invalid("stackingGroup is required for EXCLUSIVE_IN_GROUP, and only there.", *at, "stackingGroup")
    if not -1_000_000 <= row.priority <= 1_000_000:
        raise Invalid("Give a priority from -1,000,000 to 1,000,000.", *at, "priority")
    return {"priority": row.priority, "stacking": row.stacking, "stacking_group": group}
