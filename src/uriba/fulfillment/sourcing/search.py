"""Fewest: how few locations can serve all that is wanted together. Pure and exact, as far as its looks go."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Mapping
from functools import cached_property

LOOKS_MAX = 5_000
"""Steps of a search; an order whose split needs more is split by estimate."""

Units = Mapping[int, int]
"""Units by variant."""


class TooManyWays(Exception):
    """There are more ways to split this than can be looked at."""


class Holders:
    """The locations that have a variant, those with most first; sets of locations are bits."""

    def __init__(self, units: list[tuple[int, int]]) -> None:
        self.units = sorted(units, key=lambda held: -held[0])
        self._less = [-quantity for quantity, _ in self.units]
        self._first = [0]
        for _, index in self.units:
            self._first.append(self._first[-1] | 1 << index)

    def with_at_least(self, quantity: int) -> int:
        """Those that have so many each."""
        return self._first[bisect_right(self._less, -quantity)]

    def enough(self, quantity: int, count: int, used: int) -> bool:
        """Whether so many of them, none of those used, have this much together."""
        for units, index in self.units:
            if not used >> index & 1:
                quantity, count = quantity - units, count - 1
                if quantity <= 0 or not count:
                    break
        return quantity <= 0


class Search:
    """A search among locations, by what each has. The looks of all its questions are counted together."""

    def __init__(self, stock: Mapping[int, Units], *, looks: int = LOOKS_MAX) -> None:
        self._stock = list(stock.values())
        self._locations = list(stock)
        self._looks = looks

    @cached_property
    def _holders(self) -> dict[int, Holders]:
        held: dict[int, list[tuple[int, int]]] = {}
        for index, units in enumerate(self._stock):
            for variant, quantity in units.items():
                held.setdefault(variant, []).append((quantity, index))
        return {variant: Holders(units) for variant, units in held.items()}

    def fewest(self, wanted: Units, among: Collection[int]) -> tuple[int, set[int]]:
        """The fewest of these locations that serve all, and every one that takes part in some way of so few.

        All of them together have enough. Errors: `TooManyWays`.
        """
        if self._looks <= 0:
            raise TooManyWays
        others = sum(1 << index for index, location in enumerate(self._locations) if location not in among)
        count, found = 0, set[int]()
        while not found:
            count += 1
            found = {
                location
                for index, location in enumerate(self._locations)
                if location in among and self._within(rest(wanted, self._stock[index]), count - 1, others | 1 << index)
            }
        return count, found

    def _within(self, wanted: Units, count: int, used: int) -> bool:
        """Whether so many locations, none of those used, can serve this."""
        if not wanted:
            return True
        self._looks -= 1
        if self._looks < 0:
            raise TooManyWays
        if not count or not all(self._holders[v].enough(units, count, used) for v, units in wanted.items()):
            return False
        if count == 1:
            return self._alone(wanted, used)
        # Whoever has what fewest have must take part.
        rarest = min(wanted, key=lambda variant: len(self._holders[variant].units))
        return any(
            self._within(rest(wanted, self._stock[index]), count - 1, used | 1 << index)
            for _, index in self._holders[rarest].units
            if not used >> index & 1
        )

    def _alone(self, wanted: Units, used: int) -> bool:
        able = ~used
        for variant, quantity in wanted.items():
            able &= self._holders[variant].with_at_least(quantity)
        return able != 0


def rest(wanted: Units, units: Units) -> dict[int, int]:
    """What is still wanted after a location gave all that it could."""
    return {v: left for v, quantity in wanted.items() if (left := quantity - units.get(v, 0)) > 0}
