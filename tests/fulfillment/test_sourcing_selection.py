"""Selection of locations: one that can send everything, else the fewest shipments; which units each one sends."""

from __future__ import annotations

from uriba.fulfillment.sourcing.rules import CHANNEL_ORDER_RULES
from uriba.fulfillment.sourcing.selection import (
    Assignment,
    Demand,
    InsufficientStock,
    SplitLimitExceeded,
    Supply,
    assign_units,
    plan_sourcing,
)

TEA, POT, CUP = 1, 2, 3
NEAR, FAR, THIRD = 10, 20, 30


def test_of_locations_that_can_send_everything_the_best_one_is_chosen() -> None:
    demands = [Demand(0, TEA, 2), Demand(1, POT, 1)]
    supply = {TEA: [Supply(FAR, 9), Supply(NEAR, 9)], POT: [Supply(FAR, 9), Supply(NEAR, 9)]}

    assert assign_units(demands, supply) == [Assignment(FAR, 0, TEA, 2), Assignment(FAR, 1, POT, 1)]


def test_one_location_that_can_send_everything_is_preferred_to_two_better_ones() -> None:
    demands = [Demand(0, TEA, 2), Demand(1, POT, 1)]
    supply = {TEA: [Supply(NEAR, 2), Supply(THIRD, 2)], POT: [Supply(FAR, 1), Supply(THIRD, 1)]}

    assert assign_units(demands, supply) == [Assignment(THIRD, 0, TEA, 2), Assignment(THIRD, 1, POT, 1)]


def test_the_location_with_the_most_stock_sends_first() -> None:
    demands = [Demand(0, TEA, 5)]
    supply = {TEA: [Supply(NEAR, 1), Supply(FAR, 4), Supply(THIRD, 1)]}

    assert assign_units(demands, supply) == [Assignment(FAR, 0, TEA, 4), Assignment(NEAR, 0, TEA, 1)]


def test_channel_order_rules_ignore_the_size_of_the_stock() -> None:
    demands = [Demand(0, TEA, 5)]
    supply = {TEA: [Supply(NEAR, 5), Supply(FAR, 9)]}

    assert assign_units(demands, supply, rules=CHANNEL_ORDER_RULES) == [Assignment(NEAR, 0, TEA, 5)]


def test_two_shipments_are_found_where_a_greedy_choice_would_take_three() -> None:
    demands = [Demand(0, TEA, 3), Demand(1, POT, 3)]
    supply = {
        TEA: [Supply(NEAR, 2), Supply(FAR, 3), Supply(40, 1)],
        POT: [Supply(NEAR, 2), Supply(THIRD, 3), Supply(50, 1)],
    }

    assert assign_units(demands, supply) == [Assignment(FAR, 0, TEA, 3), Assignment(THIRD, 1, POT, 3)]


def test_lines_of_one_variant_share_its_stock() -> None:
    demands = [Demand(0, TEA, 2), Demand(1, TEA, 2)]

    assert assign_units(demands, {TEA: [Supply(NEAR, 3)]}) == InsufficientStock({TEA: 3})
    assert assign_units(demands, {TEA: [Supply(NEAR, 3), Supply(FAR, 1)]}) == [
        Assignment(NEAR, 0, TEA, 2),
        Assignment(NEAR, 1, TEA, 1),
        Assignment(FAR, 1, TEA, 1),
    ]


def test_insufficient_stock_names_the_units_of_each_short_variant() -> None:
    demands = [Demand(0, TEA, 2), Demand(1, POT, 1)]

    assert assign_units(demands, {TEA: [Supply(NEAR, 1)]}) == InsufficientStock({TEA: 1, POT: 0})


def test_too_many_shipments_are_refused_with_the_units_that_fewer_could_bring() -> None:
    demands = [Demand(0, TEA, 3), Demand(1, POT, 1), Demand(2, CUP, 2)]
    supply = {TEA: [Supply(NEAR, 3)], POT: [Supply(FAR, 1)], CUP: [Supply(NEAR, 1), Supply(THIRD, 1)]}

    assert plan_sourcing(demands, supply, shipments_max=2) == SplitLimitExceeded(3, 2, {0: 3, 1: 1, 2: 1})
    assert plan_sourcing(demands, supply, shipments_max=1) == SplitLimitExceeded(3, 1, {0: 3, 1: 0, 2: 1})
    assert not isinstance(plan_sourcing(demands, supply, shipments_max=3), SplitLimitExceeded)


def test_no_demand_needs_no_location() -> None:
    assert assign_units([], {}) == []
    assert assign_units([Demand(0, TEA, 0)], {}) == []
