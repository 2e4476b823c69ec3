"""The rules of sourcing, in order: each ranks locations or abstains, and the first unique best wins. Pure.

No weights: whoever reads an order can follow why this location and no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from uriba.fulfillment.sourcing.geography import NOWHERE, Destination, Place, distance_km, same_region
from uriba.fulfillment.sourcing.search import Search, TooManyWays, Units, rest

Values = Mapping[int, int | None]
"""What a rule says of each location; None: nothing good."""


class Rule(StrEnum):
    """What can decide between locations."""

    STATED_STORE = "STATED_STORE"
    FILLS_EVERYTHING = "FILLS_EVERYTHING"
    FEWEST_PARCELS = "FEWEST_PARCELS"
    SAME_REGION = "SAME_REGION"
    NEAREST = "NEAREST"
    LEAST_WORK = "LEAST_WORK"
    MOST_STOCK = "MOST_STOCK"
    CHANNEL_ORDER = "CHANNEL_ORDER"


@dataclass(frozen=True, slots=True)
class Ranking:
    """What one rule said, and who was best by it. `estimated`: there were too many ways to look at."""

    rule: Rule
    values: Values
    best: tuple[int, ...]
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Situation:
    """What is still wanted, and who has what of that (of nothing else), those better for the channel first."""

    wanted: Units
    stock: Mapping[int, Units]
    places: Mapping[int, Place]
    search: Search
    to: Destination = NOWHERE
    store: int | None = None

    def fills(self, location: int) -> bool:
        """Whether a location has all of it."""
        has = self.stock[location]
        return len(has) == len(self.wanted) and all(has[variant] >= units for variant, units in self.wanted.items())

    def leaves(self, location: int) -> int:
        """The units that others would have to send beside this location."""
        sends = sum(min(units, self.wanted[variant]) for variant, units in self.stock[location].items())
        return sum(self.wanted.values()) - sends


@dataclass(frozen=True, slots=True)
class Choice:
    """A location, and the rankings that led to it: the last one decided, and without any it was the only one."""

    location_id: int
    rankings: tuple[Ranking, ...]
    situation: Situation

    @property
    def decided(self) -> Rule | None:
        return self.rankings[-1].rule if self.rankings else None

    def lacked(self) -> Iterator[tuple[int, Units]]:
        """The other locations that had some but not all of what was wanted, and the units that they had not."""
        for place, has in self.situation.stock.items():
            if place != self.location_id and (missing := rest(self.situation.wanted, has)):
                yield place, missing


def choose(situation: Situation, rules: Sequence[Rule]) -> Choice:
    """The location that sends next: each rule leaves those that are best by it, until one is left."""
    left = tuple(situation.stock)
    rankings: list[Ranking] = []
    for rule in rules:
        if len(left) == 1:
            break
        ranking = RANKS[rule](situation, left)
        if ranking is not None and len(ranking.best) < len(left):
            rankings.append(ranking)
            left = ranking.best
    return Choice(left[0], tuple(rankings), situation)


def _highest(rule: Rule, values: Mapping[int, int]) -> Ranking:
    best = max(values.values())
    return Ranking(rule, values, tuple(place for place, value in values.items() if value == best))


def _lowest(rule: Rule, values: Values, *, estimated: bool = False) -> Ranking | None:
    known = [value for value in values.values() if value is not None]
    if not known:
        return None
    best = min(known)
    return Ranking(rule, values, tuple(place for place, value in values.items() if value == best), estimated)


def _stated_store(situation: Situation, left: Sequence[int]) -> Ranking | None:
    if situation.store not in left:
        return None
    return _highest(Rule.STATED_STORE, {place: int(place == situation.store) for place in left})


def _fills_everything(situation: Situation, left: Sequence[int]) -> Ranking | None:
    values = {place: int(situation.fills(place)) for place in left}
    return _highest(Rule.FILLS_EVERYTHING, values) if any(values.values()) else None


def _fewest_parcels(situation: Situation, left: Sequence[int]) -> Ranking | None:
    """Of how many parcels an order is at least, if this location sends one."""
    if situation.fills(left[0]):
        return None  # Then all that are left do.
    try:
        count, members = situation.search.fewest(situation.wanted, situation.stock)
    except TooManyWays:
        return _lowest(Rule.FEWEST_PARCELS, {place: situation.leaves(place) for place in left}, estimated=True)
    return _lowest(Rule.FEWEST_PARCELS, {place: count if place in members else None for place in left})


def _same_region(situation: Situation, left: Sequence[int]) -> Ranking | None:
    found = {place: same_region(situation.places[place], situation.to) for place in left}
    if not any(found.values()):
        return None
    return _highest(Rule.SAME_REGION, {place: int(bool(value)) for place, value in found.items()})


def _nearest(situation: Situation, left: Sequence[int]) -> Ranking | None:
    found = {place: distance_km(situation.places[place], situation.to) for place in left}
    return _lowest(Rule.NEAREST, {place: None if km is None else round(km) for place, km in found.items()})


def _least_work(situation: Situation, left: Sequence[int]) -> Ranking | None:
    return _lowest(Rule.LEAST_WORK, {place: situation.places[place].open_work for place in left})


def _most_stock(situation: Situation, left: Sequence[int]) -> Ranking | None:
    return _highest(Rule.MOST_STOCK, {place: sum(situation.stock[place].values()) for place in left})


def _channel_order(_situation: Situation, left: Sequence[int]) -> Ranking | None:
    return _lowest(Rule.CHANNEL_ORDER, {place: n for n, place in enumerate(left)})


RANKS: Mapping[Rule, Callable[[Situation, Sequence[int]], Ranking | None]] = {
    Rule.STATED_STORE: _stated_store,
    Rule.FILLS_EVERYTHING: _fills_everything,
    Rule.FEWEST_PARCELS: _fewest_parcels,
    Rule.SAME_REGION: _same_region,
    Rule.NEAREST: _nearest,
    Rule.LEAST_WORK: _least_work,
    Rule.MOST_STOCK: _most_stock,
    Rule.CHANNEL_ORDER: _channel_order,
}
RULES = tuple(RANKS)
"""The rules of a promise to ship."""

PLACES_IN_ORDER = (Rule.FILLS_EVERYTHING, Rule.FEWEST_PARCELS, Rule.CHANNEL_ORDER)
"""Few parcels, and else whoever stands first."""
