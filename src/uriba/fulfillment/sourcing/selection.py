"""Selection: which locations send which units. Pure.

One location after another sends all that it can of the open demand; the rules choose the next one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from uriba.fulfillment.sourcing.fewest_locations import STEPS_MAX, LocationSearch
from uriba.fulfillment.sourcing.geography import UNKNOWN_DESTINATION, Destination, SourcingLocation
from uriba.fulfillment.sourcing.rules import (
    SHIPPING_RULES,
    LocationChoice,
    SourcingProblem,
    SourcingRule,
    choose_location,
)


@dataclass(frozen=True, slots=True)
class Demand:
    """Units of a variant for one line of the order; `line` is the line's index."""

    line: int
    variant_id: int
    quantity: int


@dataclass(frozen=True, slots=True)
class Supply:
    """Units that a location could send, and the facts about the location that the rules compare."""

    location_id: int
    quantity: int
    location: SourcingLocation | None = None


@dataclass(frozen=True, slots=True)
class Assignment:
    """Units of a line that a location sends."""

    location_id: int
    line: int
    variant_id: int
    quantity: int


@dataclass(frozen=True, slots=True)
class SourcingPlan:
    """Assignments that serve the whole demand, and the choice of each location, in the order of the decisions."""

    assignments: tuple[Assignment, ...]
    choices: tuple[LocationChoice, ...]


@dataclass(frozen=True, slots=True)
class InsufficientStock:
    """The demand is larger than the supply. `available`: the units of each variant that falls short."""

    available: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class SplitLimitExceeded:
    """The whole demand would take more shipments than are allowed.

    `served`: the units of each line that `shipments_max` shipments could bring.
    """

    shipments: int
    shipments_max: int
    served: Mapping[int, int]


def plan_sourcing(
    demands: Sequence[Demand],
    supply: Mapping[int, Sequence[Supply]],
    *,
    destination: Destination = UNKNOWN_DESTINATION,
    stated_location_id: int | None = None,
    shipments_max: int | None = None,
    rules: Sequence[SourcingRule] = SHIPPING_RULES,
    search_steps: int = STEPS_MAX,
) -> SourcingPlan | InsufficientStock | SplitLimitExceeded:
    """Assign all demands to locations by the rules, or return why that is not possible.

    `supply`: locations by variant, the channel's best first. `stated_location_id`: the store that the customer chose.
    """
    demand = _sum(demands)
    total = {v: sum(s.quantity for s in supply.get(v, ())) for v in demand}
    if short := {v: total[v] for v, units in demand.items() if total[v] < units}:
        return InsufficientStock(short)
    stock = _stock_by_location(demand, supply)
    problem = SourcingProblem(
        demand,
        stock,
        _locations(supply, stock),
        LocationSearch(stock, steps=search_steps),
        destination,
        stated_location_id,
    )
    plan, _ = _assign(demands, problem, rules)
    if shipments_max is None or len(plan.choices) <= shipments_max:
        return plan
    return _plan_within_limit(demands, problem, rules, shipments_max, shipments=len(plan.choices))


def assign_units(
    demands: Sequence[Demand], supply: Mapping[int, Sequence[Supply]], *, rules: Sequence[SourcingRule] = SHIPPING_RULES
) -> list[Assignment] | InsufficientStock:
    """Assign all demands to locations by the rules, in any number of shipments."""
    plan = plan_sourcing(demands, supply, rules=rules)
    if isinstance(plan, SourcingPlan):
        return list(plan.assignments)
    assert isinstance(plan, InsufficientStock)
    return plan


def _sum(demands: Sequence[Demand]) -> dict[int, int]:
    """Return the units by variant."""
    units: dict[int, int] = {}
    for demand in demands:
        units[demand.variant_id] = units.get(demand.variant_id, 0) + demand.quantity
    return {variant: quantity for variant, quantity in units.items() if quantity}


def _stock_by_location(demand: Mapping[int, int], supply: Mapping[int, Sequence[Supply]]) -> dict[int, dict[int, int]]:
    """Return each location's units of the demanded variants, the channel's best location first."""
    rank: dict[int, tuple[int, int]] = {}
    stock: dict[int, dict[int, int]] = {}
    for variant in demand:
        for index, held in enumerate(supply.get(variant, ())):
            if held.quantity > 0:
                own = (held.location.position if held.location else index, held.location_id)
                rank[held.location_id] = min(own, rank.get(held.location_id, own))
                stock.setdefault(held.location_id, {})[variant] = held.quantity
    return {location_id: stock[location_id] for location_id in sorted(stock, key=lambda key: rank[key])}


def _locations(supply: Mapping[int, Sequence[Supply]], stock: Mapping[int, object]) -> dict[int, SourcingLocation]:
    known = {held.location_id: held.location for rows in supply.values() for held in rows if held.location}
    return {location_id: known.get(location_id) or SourcingLocation(location_id) for location_id in stock}


def _assign(
    demands: Sequence[Demand],
    problem: SourcingProblem,
    rules: Sequence[SourcingRule],
    *,
    locations_max: int | None = None,
) -> tuple[SourcingPlan, list[Demand]]:
    """Choose locations until the demand is served or `locations_max` are chosen; return the demands that stay open."""
    assignments: list[Assignment] = []
    choices: list[LocationChoice] = []
    open_demands = [demand for demand in demands if demand.quantity]
    while open_demands and len(choices) != locations_max:
        if choices:
            problem = _without(problem, choices[-1].location_id, _sum(open_demands))
        choice = choose_location(problem, rules)
        open_demands = _send(open_demands, problem.stock[choice.location_id], choice.location_id, assignments)
        choices.append(choice)
    return SourcingPlan(tuple(assignments), tuple(choices)), open_demands


def _without(problem: SourcingProblem, location_id: int, demand: Mapping[int, int]) -> SourcingProblem:
    """Return the problem of the open demand, without the location that has just sent all that it can."""
    stock = {
        other: units
        for other, held in problem.stock.items()
        if other != location_id and (units := {v: quantity for v, quantity in held.items() if v in demand})
    }
    return replace(problem, demand=demand, stock=stock)


def _plan_within_limit(
    demands: Sequence[Demand],
    problem: SourcingProblem,
    rules: Sequence[SourcingRule],
    shipments_max: int,
    *,
    shipments: int,
) -> SourcingPlan | SplitLimitExceeded:
    """Serve as much as possible in the allowed shipments. That may be everything, where the first plan estimated."""
    estimating = replace(problem, search=LocationSearch(problem.stock, steps=0))
    plan, open_demands = _assign(demands, estimating, rules, locations_max=shipments_max)
    if not open_demands:
        return plan
    served = Counter[int]()
    for assignment in plan.assignments:
        served[assignment.line] += assignment.quantity
    return SplitLimitExceeded(shipments, shipments_max, {demand.line: served[demand.line] for demand in demands})


def _send(
    demands: Sequence[Demand], stock: Mapping[int, int], location_id: int, assignments: list[Assignment]
) -> list[Demand]:
    """Assign all that the location can send; return the demands that stay open."""
    left = dict(stock)
    still_open = []
    for demand in demands:
        units = min(demand.quantity, left.get(demand.variant_id, 0))
        if units:
            left[demand.variant_id] -= units
            assignments.append(Assignment(location_id, demand.line, demand.variant_id, units))
        if units < demand.quantity:
            still_open.append(Demand(demand.line, demand.variant_id, demand.quantity - units))
    return still_open
