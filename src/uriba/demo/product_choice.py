"""The choice of the three variants of the journey, from what the hub has at run time. Without I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

UNITS_MIN = 3
"""Each chosen variant needs this many units: one more than the journey buys of any."""

STORES_MAX = 20
"""The API lists at most 20 locations for a variant's availability. For the stores after that, a variant that is not
listed may still be available."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A variant as the app shows it. `units_by_location` has its best locations only."""

    sku: str
    name: str
    tax_class: str
    price: str
    total: int
    units_by_location: dict[str, int]


@dataclass(frozen=True, slots=True)
class ProductChoice:
    """Two variants that the store has, and one that it does not have but other locations have."""

    store: str
    in_store: tuple[Variant, Variant]
    elsewhere: Variant

    @property
    def all(self) -> tuple[Variant, Variant, Variant]:
        return (*self.in_store, self.elsewhere)


def variants_of(page: dict[str, Any]) -> list[Variant]:
    """Return the variants with a price of a page of products."""
    variants = [variant for edge in page["edges"] for variant in edge["node"]["variants"]]
    return [
        Variant(
            sku=variant["sku"],
            name=variant["name"],
            tax_class=variant["taxClass"],
            price=variant["price"]["amount"],
            total=variant["availability"]["quantity"],
            units_by_location={
                pickup["location"]["code"]: pickup["quantity"] for pickup in variant["availability"]["pickup"]
            },
        )
        for variant in variants
        if variant["price"] is not None
    ]


def choose(variants: Sequence[Variant], stores: Sequence[str]) -> ProductChoice | None:
    """Return the first store with suitable variants, and these; two tax classes if possible. None if there is none."""
    for store in stores[:STORES_MAX]:
        in_store = [variant for variant in variants if variant.units_by_location.get(store, 0) >= UNITS_MIN]
        if (pair := _choose_pair(in_store)) is None:
            continue
        names = {variant.name for variant in pair}
        not_in_store = [
            variant
            for variant in variants
            if store not in variant.units_by_location and variant.total >= UNITS_MIN and variant.name not in names
        ]
        if not_in_store:
            return ProductChoice(store, pair, not_in_store[0])
    return None


def choose_with_removable_stock(variants: Sequence[Variant], store: str) -> ProductChoice | None:
    """Return a choice for a store that has everything: its stock of `elsewhere` has to be counted as 0 first."""
    in_store = [variant for variant in variants if variant.units_by_location.get(store, 0) >= UNITS_MIN]
    removable = [variant for variant in in_store if variant.total - variant.units_by_location[store] >= UNITS_MIN]
    if not removable:
        return None
    elsewhere = removable[-1]
    pair = _choose_pair([variant for variant in in_store if variant.name != elsewhere.name])
    return pair and ProductChoice(store, pair, elsewhere)


def without_store(variant: Variant, store: str) -> Variant:
    """Return the variant as it is after the store's stock was counted as 0."""
    units = {location: units for location, units in variant.units_by_location.items() if location != store}
    return replace(variant, total=variant.total - variant.units_by_location.get(store, 0), units_by_location=units)


def _choose_pair(variants: Sequence[Variant]) -> tuple[Variant, Variant] | None:
    """Return two variants with different names, of different tax classes if possible."""
    if not variants:
        return None
    first = variants[0]
    others = [variant for variant in variants if variant.name != first.name]
    other_tax_class = [variant for variant in others if variant.tax_class != first.tax_class]
    return (first, (other_tax_class or others)[0]) if others else None
