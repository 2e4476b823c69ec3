"""The smallest number of locations that can serve a demand together. Pure.

Exact within a limit of search steps: `SearchLimitReached` says that the limit was not enough.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Mapping
from functools import cached_property

STEPS_MAX = 5_000
"""Steps of one search. An order that needs more is sourced by an estimate."""

Units = Mapping[int, int]
"""Units by variant."""


class SearchLimitReached(Exception):
    """There are more ways to split this demand than may be examined."""


class VariantHolders:
    """The locations that have a variant, largest stock first. Sets of locations are bit masks over their indexes."""

    def __init__(self, stock: list[tuple[int, int]]) -> None:
        """`stock`: (units, index of the location)."""
        self.stock = sorted(stock, key=lambda held: -held[0])
        self._negated_units = [-units for units, _ in self.stock]
        self._masks_by_count = [0]
        for _, index in self.stock:
            self._masks_by_count.append(self._masks_by_count[-1] | 1 << index)

    def with_at_least(self, units: int) -> int:
        """Return the mask of the locations that have so many units each."""
        return self._masks_by_count[bisect_right(self._negated_units, -units)]

    def can_supply(self, units: int, count: int, excluded: int) -> bool:
        """Return whether `count` of these locations, none of the excluded ones, have so many units together."""
        for held, index in self.stock:
            if not excluded >> index & 1:
                units, count = units - held, count - 1
                if units <= 0 or not count:
                    break
        return units <= 0


class LocationSearch:
    """A search among locations by their stock. All questions to one search share its limit of steps."""

    def __init__(self, stock: Mapping[int, Units], *, steps: int = STEPS_MAX) -> None:
        self._stock = list(stock.values())
        self._locations = list(stock)
        self._steps_left = steps

    @cached_property
    def _holders(self) -> dict[int, VariantHolders]:
        stock: dict[int, list[tuple[int, int]]] = {}
        for index, held in enumerate(self._stock):
            for variant, units in held.items():
                stock.setdefault(variant, []).append((units, index))
        return {variant: VariantHolders(held) for variant, held in stock.items()}

    def fewest_locations(self, demand: Units, candidates: Collection[int]) -> tuple[int, set[int]]:
        """Return the smallest number of candidates that serve the demand, and every candidate in any such solution.

        The candidates have enough units together. Errors: `SearchLimitReached`.
        """
        if self._steps_left <= 0:
            raise SearchLimitReached
        excluded = sum(1 << index for index, location in enumerate(self._locations) if location not in candidates)
        count, members = 0, set[int]()
        while not members:
            count += 1
            members = {
                location
                for index, location in enumerate(self._locations)
                if location in candidates
                and self._can_serve(remaining_units(demand, self._stock[index]), count - 1, excluded | 1 << index)
            }
        return count, members

    def _can_serve(self, demand: Units, count: int, excluded: int) -> bool:
        """Return whether `count` locations, none of the excluded ones, can serve the demand together."""
        if not demand:
            return True
        self._steps_left -= 1
        if self._steps_left < 0:
            raise SearchLimitReached
        if not count or not all(self._holders[v].can_supply(units, count, excluded) for v, units in demand.items()):
            return False
        if count == 1:
            return self._one_can_serve(demand, excluded)
        # Branch on the scarcest variant: one of its holders is in every solution.
        scarcest = min(demand, key=lambda variant: len(self._holders[variant].stock))
        return any(
            self._can_serve(remaining_units(demand, self._stock[index]), count - 1, excluded | 1 << index)
            for _, index in self._holders[scarcest].stock
            if not excluded >> index & 1
        )

    def _one_can_serve(self, demand: Units, excluded: int) -> bool:
        able = ~excluded
        for variant, units in demand.items():
            able &= self._holders[variant].with_at_least(units)
        return able != 0


def remaining_units(demand: Units, stock: Units) -> dict[int, int]:
    """Return the demand that is left after a location has sent all that it can."""
    return {v: left for v, units in demand.items() if (left := units - stock.get(v, 0)) > 0}
