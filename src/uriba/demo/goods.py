"""Which goods the story is about: found at run time among what the hub has. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

UNITS = 3
"""So many units of each article must be there: one more than anyone buys of it."""

STORES_MAX = 20
"""An article's availability names its 20 best locations that have some: of these stores we know what they lack."""


@dataclass(frozen=True, slots=True)
class Good:
    """An article as the app shows it; `places` has the units of its best locations."""

    sku: str
    name: str
    tax_class: str
    price: str
    total: int
    places: dict[str, int]


@dataclass(frozen=True, slots=True)
class Choice:
    """Two articles on the shelf of a store, and one that this store has not, but others have."""

    store: str
    shelf: tuple[Good, Good]
    elsewhere: Good

    @property
    def all(self) -> tuple[Good, Good, Good]:
        return (*self.shelf, self.elsewhere)


def of_page(page: dict[str, Any]) -> list[Good]:
    """The articles of a page of products."""
    variants = [variant for edge in page["edges"] for variant in edge["node"]["variants"]]
    return [
        Good(
            sku=variant["sku"],
            name=variant["name"],
            tax_class=variant["taxClass"],
            price=variant["price"]["amount"],
            total=variant["availability"]["quantity"],
            places={place["location"]["code"]: place["quantity"] for place in variant["availability"]["pickup"]},
        )
        for variant in variants
        if variant["price"] is not None
    ]


def choose(goods: Sequence[Good], stores: Sequence[str]) -> Choice | None:
    """The first store, and its first articles, that the story can be told of; two tax classes where there are."""
    for store in stores[:STORES_MAX]:
        shelf = [good for good in goods if good.places.get(store, 0) >= UNITS]
        if (two := _two(shelf)) is None:
            continue
        names = {good.name for good in two}
        missing = [good for good in goods if store not in good.places and good.total >= UNITS]
        if elsewhere := next((good for good in missing if good.name not in names), None):
            return Choice(store, two, elsewhere)
    return None


def choose_to_empty(goods: Sequence[Good], store: str) -> Choice | None:
    """For a slice so small that the store has everything: the third article is one whose shelf can be emptied."""
    shelf = [good for good in goods if good.places.get(store, 0) >= UNITS]
    spare = [good for good in shelf if good.total - good.places[store] >= UNITS]
    if not spare:
        return None
    elsewhere = spare[-1]
    two = _two([good for good in shelf if good.name != elsewhere.name])
    return two and Choice(store, two, elsewhere)


def emptied(good: Good, store: str) -> Good:
    """The article, once the store has none."""
    left = {place: units for place, units in good.places.items() if place != store}
    return replace(good, total=good.total - good.places.get(store, 0), places=left)


def _two(shelf: Sequence[Good]) -> tuple[Good, Good] | None:
    """Two articles of different names."""
    if not shelf:
        return None
    first = shelf[0]
    others = [good for good in shelf if good.name != first.name]
    taxed = [good for good in others if good.tax_class != first.tax_class]
    return (first, (taxed or others)[0]) if others else None
