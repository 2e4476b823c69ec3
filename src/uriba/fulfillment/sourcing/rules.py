"""The sourcing rules, in order: each ranks locations or abstains, and the first unique best wins. Pure.

There are no weights, so that staff can follow why a location was chosen and no other. See docs/sourcing.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from uriba.fulfillment.sourcing.fewest_locations import LocationSearch, SearchLimitReached, Units, remaining_units
from uriba.fulfillment.sourcing.geography import (
    UNKNOWN_DESTINATION,
    Destination,
    SourcingLocation,
    distance_km,
    same_region,
)

Values = Mapping[int, int | None]
"""A rule's value of each location; None ranks last."""


class SourcingRule(StrEnum):
    """A rule that can decide between locations. The values are kept with fulfillments."""

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
    """One rule's values and the locations that are best by it.

    `estimated`: there were too many ways to split the demand, so the values are an estimate.
    """

    rule: SourcingRule
    values: Values
    best: tuple[int, ...]
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class SourcingProblem:
    """The open demand and the candidate locations, the channel's best first.

    `stock`: each candidate's units of the demanded variants, and of no others. `stated_location_id`: the store that the
    customer chose.
    """

    demand: Units
    stock: Mapping[int, Units]
    locations: Mapping[int, SourcingLocation]
    search: LocationSearch
    destination: Destination = UNKNOWN_DESTINATION
    stated_location_id: int | None = None

    def can_fill(self, location_id: int) -> bool:
        """Return whether a location has the whole demand."""
        stock = self.stock[location_id]
        return len(stock) == len(self.demand) and all(stock[v] >= units for v, units in self.demand.items())

    def units_left_by(self, location_id: int) -> int:
        """Return the units that other locations would have to send besides this one."""
        sent = sum(min(units, self.demand[variant]) for variant, units in self.stock[location_id].items())
        return sum(self.demand.values()) - sent


@dataclass(frozen=True, slots=True)
class LocationChoice:
    """A chosen location and the rankings that led to it. The last one decided; without any it was the only candidate.

    `problem`: what it was chosen for.
    """

    location_id: int
    rankings: tuple[Ranking, ...]
    problem: SourcingProblem

    @property
    def decided_by(self) -> SourcingRule | None:
        return self.rankings[-1].rule if self.rankings else None

    def missing_units(self) -> Iterator[tuple[int, Units]]:
        """Yield the other candidates that could not fill the demand, with the units that they did not have."""
        for location_id, stock in self.problem.stock.items():
            if location_id != self.location_id and (missing := remaining_units(self.problem.demand, stock)):
                yield location_id, missing


def choose_location(problem: SourcingProblem, rules: Sequence[SourcingRule]) -> LocationChoice:
    """Return the location that sends next: each rule keeps the candidates that are best by it, until one is left."""
    candidates = tuple(problem.stock)
    rankings: list[Ranking] = []
    for rule in rules:
        if len(candidates) == 1:
            break
        ranking = RANKERS[rule](problem, candidates)
        if ranking is not None and len(ranking.best) < len(candidates):
            rankings.append(ranking)
            candidates = ranking.best
    return LocationChoice(candidates[0], tuple(rankings), problem)


def _highest(rule: SourcingRule, values: Mapping[int, int]) -> Ranking:
    best = max(values.values())
    return Ranking(rule, values, tuple(location for location, value in values.items() if value == best))


def _lowest(rule: SourcingRule, values: Values, *, estimated: bool = False) -> Ranking | None:
    known = [value for value in values.values() if value is not None]
    if not known:
        return None
    best = min(known)
    return Ranking(rule, values, tuple(location for location, value in values.items() if value == best), estimated)


def _stated_store(problem: SourcingProblem, candidates: Sequence[int]) -> Ranking | None:
    if problem.stated_location_id not in candidates:
        return None
    return _highest(SourcingRule.STATED_STORE, {c: int(c == problem.stated_location_id) for c in candidates})


def _fills_everything(problem: SourcingProblem, candidates: Sequence[int]) -> Ranking | None:
    values = {c: int(problem.can_fill(c)) for c in candidates}
    return _highest(SourcingRule.FILLS_EVERYTHING, values) if any(values.values()) else None


def _fewest_shipments(problem: SourcingProblem, candidates: Sequence[int]) -> Ranking | None:
    """Rank each candidate by the number of shipments in the smallest solution that it is part of."""
    if problem.can_fill(candidates[0]):
        return None  # Then all of the candidates can.
    try:
        count, members = problem.search.fewest_locations(problem.demand, problem.stock)
    except SearchLimitReached:
        left = {c: problem.units_left_by(c) for c in candidates}
        return _lowest(SourcingRule.FEWEST_PARCELS, left, estimated=True)
    return _lowest(SourcingRule.FEWEST_PARCELS, {c: count if c in members else None for c in candidates})


def _same_region(problem: SourcingProblem, candidates: Sequence[int]) -> Ranking | None:
    same = {c: same_region(problem.locations[c], problem.destination) for c in candidates}
    if not any(same.values()):
        return None
    return _highest(SourcingRule.SAME_REGION, {c: int(bool(value)) for c, value in same.items()})


def _nearest(problem: SourcingProblem, candidates: Sequence[int]) -> Ranking | None:
    distances = {c: distance_km(problem.locations[c], problem.destination) for c in candidates}
    return _lowest(SourcingRule.NEAREST, {c: None if km is None else round(km) for c, km in distances.items()})


def _least_work(problem: SourcingProblem, candidates: Sequence[int]) -> Ranking | None:
    return _lowest(SourcingRule.LEAST_WORK, {c: problem.locations[c].open_work for c in candidates})


def _most_stock(problem: SourcingProblem, candidates: Sequence[int]) -> Ranking | None:
    return _highest(SourcingRule.MOST_STOCK, {c: sum(problem.stock[c].values()) for c in candidates})


def _channel_order(_problem: SourcingProblem, candidates: Sequence[int]) -> Ranking | None:
    return _lowest(SourcingRule.CHANNEL_ORDER, {c: position for position, c in enumerate(candidates)})


RANKERS: Mapping[SourcingRule, Callable[[SourcingProblem, Sequence[int]], Ranking | None]] = {
    SourcingRule.STATED_STORE: _stated_store,
    SourcingRule.FILLS_EVERYTHING: _fills_everything,
    SourcingRule.FEWEST_PARCELS: _fewest_shipments,
    SourcingRule.SAME_REGION: _same_region,
    SourcingRule.NEAREST: _nearest,
    SourcingRule.LEAST_WORK: _least_work,
    SourcingRule.MOST_STOCK: _most_stock,
    SourcingRule.CHANNEL_ORDER: _channel_order,
}
"""The function of each rule, in the order of the rules. It returns None where the rule abstains."""

SHIPPING_RULES = tuple(RANKERS)
"""The rules for goods that are shipped: all of them."""

CHANNEL_ORDER_RULES = (SourcingRule.FILLS_EVERYTHING, SourcingRule.FEWEST_PARCELS, SourcingRule.CHANNEL_ORDER)
"""Few shipments first, then the order in which the locations are given."""
