"""Discounts: how much each effect of a promotion takes off which items, to the minor unit.

Each works on what earlier promotions left, so no amount is discounted twice and nothing falls below zero.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from uriba.core.money import Rounding, divide
from uriba.pricing.basket_items import BasketItem

PERCENT_WHOLE = 10_000
"""A hundred percent, in hundredths of a percent."""


class Effect(StrEnum):
    """The kinds of discount. ITEMS: one for each qualifying item; ORDER: one for the order, spread over its items."""

    PERCENT_OFF_ITEMS = "PERCENT_OFF_ITEMS"
    AMOUNT_OFF_ITEMS = "AMOUNT_OFF_ITEMS"
    PERCENT_OFF_ORDER = "PERCENT_OFF_ORDER"
    AMOUNT_OFF_ORDER = "AMOUNT_OFF_ORDER"
    BUY_X_GET_Y = "BUY_X_GET_Y"
    FREE_SHIPPING = "FREE_SHIPPING"


@dataclass(slots=True)
class Basket:
    """Items, and what is due for each and for shipping, in minor units. Discounts reduce what is due."""

    items: Sequence[BasketItem]
    due_minor: list[int]
    shipping_due_minor: int

    @classmethod
    def of(cls, items: Sequence[BasketItem], shipping_minor: int) -> Basket:
        return cls(items, [item.amount_minor for item in items], shipping_minor)

    def remaining(self, index: int, units: int) -> int:
        """Return the remaining price of units of an item, rounded down if an earlier discount did not divide evenly."""
        return self.due_minor[index] * units // self.items[index].quantity


def percent_off(basket: Basket, percent: int, qualifying: Collection[int], units_max: int | None) -> dict[int, int]:
    """Take a percentage (in hundredths) off each item, of at most `units_max` units, the cheapest first."""
    units = cheapest(basket, qualifying, units_max)
    return {n: divide(basket.remaining(n, units[n]) * percent, PERCENT_WHOLE, Rounding.HALF_UP) for n in units}


def amount_off(basket: Basket, amount_minor: int, qualifying: Collection[int], units_max: int | None) -> dict[int, int]:
    """Take an amount off each unit, at most its price, of at most `units_max` units, the cheapest first."""
    units = cheapest(basket, qualifying, units_max)
    return {n: min(amount_minor * units[n], basket.remaining(n, units[n])) for n in units}


def off_order(basket: Basket, *, percent: int = 0, amount_minor: int = 0) -> dict[int, int]:
    """Take a percentage (in hundredths) or an amount off the order, rounded once and spread over its items."""
    due = dict(enumerate(basket.due_minor))
    whole = sum(due.values())
    return spread(min(whole, amount_minor + divide(whole * percent, PERCENT_WHOLE, Rounding.HALF_UP)), due)


@dataclass(frozen=True, slots=True)
class BuyXGetY:
    """For every `buy` units, `get` further units are a percentage (in hundredths) cheaper, at most `units_max`."""

    buy: int
    get: int
    percent: int
    units_max: int | None = None


def buy_x_get_y_sets(basket: Basket, deal: BuyXGetY, bought: Collection[int], rewarded: Collection[int]) -> int:
    """Return the number of complete sets. No unit counts both as bought and as rewarded."""
    b, g, all_ = (_units(basket, members) for members in (bought, rewarded, {*bought, *rewarded}))
    return min(b // deal.buy, g // deal.get, all_ // (deal.buy + deal.get))


def buy_x_get_y(basket: Basket, deal: BuyXGetY, bought: Collection[int], rewarded: Collection[int]) -> dict[int, int]:
    """Discount the rewarded units of all sets: the cheapest ones that are not needed as bought ones."""
    sets = buy_x_get_y_sets(basket, deal, bought, rewarded)
    wanted = sets * deal.get
    spare = _units(basket, bought) - sets * deal.buy
    units: dict[int, int] = {}
    for n in _by_price(basket, rewarded):
        rewarded_units = min(basket.items[n].quantity, wanted, spare if n in bought else wanted)
        wanted -= rewarded_units
        spare -= rewarded_units if n in bought else 0
        if rewarded_units:
            units[n] = rewarded_units
    assert wanted == 0
    if deal.units_max is not None:
        units = _first(units, deal.units_max)
    return {n: divide(basket.remaining(n, units[n]) * deal.percent, PERCENT_WHOLE, Rounding.HALF_UP) for n in units}


def cheapest(basket: Basket, qualifying: Collection[int], units_max: int | None) -> dict[int, int]:
    """Return the qualifying units by item; with a limit, the cheapest ones."""
    if units_max is None:
        return {n: basket.items[n].quantity for n in sorted(qualifying)}
    return _first({n: basket.items[n].quantity for n in _by_price(basket, qualifying)}, units_max)


def _first(units: Mapping[int, int], units_max: int) -> dict[int, int]:
    first_units = {}
    for n, quantity in units.items():
        if units_max > 0:
            first_units[n] = min(quantity, units_max)
            units_max -= first_units[n]
    return first_units


def _by_price(basket: Basket, indexes: Collection[int]) -> list[int]:
    """Return indexes by the present price of a unit, the cheapest first; of equal ones the earlier first."""
    return sorted(indexes, key=lambda n: (Fraction(basket.due_minor[n], basket.items[n].quantity), n))


def _units(basket: Basket, indexes: Collection[int]) -> int:
    return sum(basket.items[n].quantity for n in indexes)


def spread(amount_minor: int, weights: Mapping[int, int]) -> dict[int, int]:
    """Distribute an amount in proportion to weights, to the minor unit, by the largest remainder method.

    Of equal remainders the earlier key comes first. No part exceeds its weight if the amount does not exceed their sum.
    """
    whole = sum(weights.values())
    if not whole:
        return {}
    parts = {key: amount_minor * weight // whole for key, weight in weights.items()}
    by_remainder = sorted(weights, key=lambda key: (-(amount_minor * weights[key] % whole), key))
    for key in by_remainder[: amount_minor - sum(parts.values())]:
        parts[key] += 1
    return parts
