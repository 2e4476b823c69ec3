"""Items: what a quote and its promotions count. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Traits:
    """What promotions know goods by; `named_by`, `rewarded_by`: the promotions that name this very variant."""

    category: str | None = None
    brand: str | None = None
    named_by: frozenset[int] = frozenset()
    rewarded_by: frozenset[int] = frozenset()


PLAIN = Traits()
"""Of goods that only promotions of all goods know."""


@dataclass(frozen=True, slots=True)
class Item:
    """So many units at a price (minor units) in a tax class."""

    quantity: int
    unit_minor: int
    tax_class: str
    ships: bool = False
    traits: Traits = PLAIN

    @property
    def amount_minor(self) -> int:
        return self.quantity * self.unit_minor
