"""Items of a basket, as quotes and promotions see them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ItemTraits:
    """Attributes that promotions select items by. `named_by`, `rewarded_by`: the promotions that list this variant."""

    category: str | None = None
    brand: str | None = None
    named_by: frozenset[int] = frozenset()
    rewarded_by: frozenset[int] = frozenset()


NO_TRAITS = ItemTraits()
"""Traits of items that only promotions of all items apply to."""


@dataclass(frozen=True, slots=True)
class BasketItem:
    """Units at a price, in minor units, in a tax class. `ships`: whether they are shipped."""

    quantity: int
    unit_minor: int
    tax_class: str
    ships: bool = False
    traits: ItemTraits = NO_TRAITS

    @property
    def amount_minor(self) -> int:
        return self.quantity * self.unit_minor
