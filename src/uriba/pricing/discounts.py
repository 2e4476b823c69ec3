"""Effects: how much a promotion takes off which items, to the minor unit. Pure.

Each works on what earlier promotions left, so that nothing is ever taken off twice and nothing falls below zero.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from uriba.core.money import Rounding, divided
from uriba.pricing.basket_items import Item

WHOLE = 10_000
"""A hundred percent, in hundredths of a percent."""


class Effect(StrEnum):
    """What a promotion does. ITEMS: each item that qualifies has its own; ORDER: one discount, spread over all."""

    PERCENT_OFF_ITEMS = "PERCENT_OFF_ITEMS"
    AMOUNT_OFF_ITEMS = "AMOUNT_OFF_ITEMS"
    PERCENT_OFF_ORDER = "PERCENT_OFF_ORDER"
    AMOUNT_OFF_ORDER = "AMOUNT_OFF_ORDER"
    BUY_X_GET_Y = "BUY_X_GET_Y"
    FREE_SHIPPING = "FREE_SHIPPING"


@dataclass(frozen=True, slots=True)
class Basket:
    """Items, and what is left to pay for each and for shipping (minor units); the lists are used up."""

    items: Sequence[Item]
    left: list[int]
    shipping: list[int]

    @classmethod
    def of(cls, items: Sequence[Item], shipping_minor: int) -> Basket:
        return cls(items, [item.amount_minor for item in items], [shipping_minor])

    def worth(self, index: int, units: int) -> int:
        """What so many units of an item still cost, rounded down where a discount before did not divide evenly."""
        return self.left[index] * units // self.items[index].quantity


def percent_off(basket: Basket, percent: int, qualifying: Collection[int], units_max: int | None) -> dict[int, int]:
    """A percentage (in hundredths) of each item's price; of at most so many units of all of them, cheapest first."""
    units = cheapest(basket, qualifying, units_max)
    return {n: divided(basket.worth(n, units[n]) * percent, WHOLE, Rounding.HALF_UP) for n in units}


def amount_off(basket: Basket, amount_minor: int, qualifying: Collection[int], units_max: int | None) -> dict[int, int]:
    """An amount off each unit, at most what it costs; of at most so many units, cheapest first."""
    units = cheapest(basket, qualifying, units_max)
    return {n: min(amount_minor * units[n], basket.worth(n, units[n])) for n in units}


def off_order(basket: Basket, *, percent: int = 0, amount_minor: int = 0) -> dict[int, int]:
    """A percentage (in hundredths) or an amount off the whole order, rounded once and spread over its items."""
    left = dict(enumerate(basket.left))
    whole = sum(left.values())
    return spread(min(whole, amount_minor + divided(whole * percent, WHOLE, Rounding.HALF_UP)), left)


@dataclass(frozen=True, slots=True)
class Deal:
    """Of each `buy` units, `get` further ones are a percentage (in hundredths) cheaper; `units_max` at most."""

    buy: int
    get: int
    percent: int
    units_max: int | None = None


def deal_sets(basket: Basket, deal: Deal, bought: Collection[int], rewarded: Collection[int]) -> int:
    """How many whole sets there are, no unit counted both as bought and as rewarded."""
    b, g, all_ = (_units(basket, found) for found in (bought, rewarded, {*bought, *rewarded}))
    return min(b // deal.buy, g // deal.get, all_ // (deal.buy + deal.get))


def deal_off(basket: Basket, deal: Deal, bought: Collection[int], rewarded: Collection[int]) -> dict[int, int]:
    """The cheapest units that can be spared are the rewarded ones."""
    sets = deal_sets(basket, deal, bought, rewarded)
    wanted = sets * deal.get
    spare = _units(basket, bought) - sets * deal.buy
    units: dict[int, int] = {}
    for n in _by_price(basket, rewarded):
        taken = min(basket.items[n].quantity, wanted, spare if n in bought else wanted)
        wanted -= taken
        spare -= taken if n in bought else 0
        if taken:
            units[n] = taken
    assert wanted == 0
    if deal.units_max is not None:
        units = _first(units, deal.units_max)
    return {n: divided(basket.worth(n, units[n]) * deal.percent, WHOLE, Rounding.HALF_UP) for n in units}


def cheapest(basket: Basket, qualifying: Collection[int], units_max: int | None) -> dict[int, int]:
    """Units by item: all that qualify, or the cheapest where there is a most."""
    if units_max is None:
        return {n: basket.items[n].quantity for n in sorted(qualifying)}
    return _first({n: basket.items[n].quantity for n in _by_price(basket, qualifying)}, units_max)


def _first(units: Mapping[int, int], most: int) -> dict[int, int]:
    found = {}
    for n, quantity in units.items():
        if most > 0:
            found[n] = min(quantity, most)
            most -= found[n]
    return found


def _by_price(basket: Basket, indexes: Collection[int]) -> list[int]:
    """Cheapest first by what a unit costs now; of equal ones the earlier line first."""
    return sorted(indexes, key=lambda n: (Fraction(basket.left[n], basket.items[n].quantity), n))


def _units(basket: Basket, indexes: Collection[int]) -> int:
    return sum(basket.items[n].quantity for n in indexes)


def spread(amount_minor: int, weights: Mapping[int, int]) -> dict[int, int]:
    """An amount over weights, to the minor unit: what is left over goes to the largest remainders, first come first.

    No share is above its weight where the amount is not above their sum.
    """
    whole = sum(weights.values())
    if not whole:
        return {}
    shares = {key: amount_minor * weight // whole for key, weight in weights.items()}
    by_remainder = sorted(weights, key=lambda key: (-(amount_minor * weights[key] % whole), key))
    for key in by_remainder[: amount_minor - sum(shares.values())]:
        shares[key] += 1
    return shares
