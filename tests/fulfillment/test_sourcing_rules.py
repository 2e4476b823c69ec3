"""Each sourcing rule: what it prefers, when it abstains, and that the deciding rule is named."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from uriba.fulfillment.sourcing import explain
from uriba.fulfillment.sourcing.geography import (
    UNKNOWN_DESTINATION,
    Destination,
    SourcingLocation,
    distance_km,
    same_region,
)
from uriba.fulfillment.sourcing.rules import SourcingRule
from uriba.fulfillment.sourcing.selection import Demand, SourcingPlan, Supply, plan_sourcing

TEA, POT = 1, 2
A, B, C = 10, 20, 30
TOKYO = {"latitude": 35.68, "longitude": 139.77}
OSAKA = {"latitude": 34.70, "longitude": 135.50}
SAPPORO = {"latitude": 43.07, "longitude": 141.35}
AT_KYOTO = Destination(latitude=35.01, longitude=135.77)

Case = tuple[dict[int, SourcingLocation], dict[int, dict[int, int]], Destination, int | None, int, str | None]
"""Locations, their stock by variant, destination, stated store; the first location to send and the deciding rule."""


def at(position: int, location: int, **known: object) -> dict[int, SourcingLocation]:
    return {location: SourcingLocation(location, code="ABC"[position], position=position, **known)}  # type: ignore[arg-type]


def has(tea: int, pot: int = 0) -> dict[int, int]:
    return {v: units for v, units in ((TEA, tea), (POT, pot)) if units}


CASES: dict[str, Case] = {
    "a single candidate is decided by no rule": (
        at(0, A),
        {A: has(2, 1)},
        UNKNOWN_DESTINATION,
        None,
        A,
        None,
    ),
    "the stated store sends first, even if another has everything": (
        at(0, A) | at(1, B),
        {A: has(9, 9), B: has(2)},
        UNKNOWN_DESTINATION,
        B,
        B,
        "STATED_STORE",
    ),
    "a stated store without stock is skipped": (
        at(0, A) | at(1, B),
        {A: has(2), B: has(2, 1)},
        UNKNOWN_DESTINATION,
        C,
        B,
        "FILLS_EVERYTHING",
    ),
    "one location with everything, though it is worse by all other rules": (
        at(0, A, region="Tokyo", open_work=0, **TOKYO) | at(1, B, open_work=9, **SAPPORO),
        {A: has(99), B: has(2, 1)},
        Destination(region="Tokyo", latitude=35.0, longitude=139.0),
        None,
        B,
        "FILLS_EVERYTHING",
    ),
    "a location in no solution of minimal size is skipped, though it has less work": (
        at(0, A, open_work=0) | at(1, B, open_work=1) | at(2, C, open_work=2),
        {A: has(1), B: has(2), C: has(0, 1)},
        UNKNOWN_DESTINATION,
        None,
        B,
        "LEAST_WORK",
    ),
    "the region of the address": (
        at(0, A, region="Osaka") | at(1, B, region="Tokyo"),
        {A: has(9, 9), B: has(2, 1)},
        Destination(region="tokyo"),
        None,
        B,
        "SAME_REGION",
    ),
    "the postal area of the address": (
        at(0, A, region="530") | at(1, B, region="150"),
        {A: has(9, 9), B: has(2, 1)},
        Destination(region="Tokyo", postal_code="150-0001"),
        None,
        B,
        "SAME_REGION",
    ),
    "a region without locations decides nothing": (
        at(0, A, region="Osaka") | at(1, B, region="Tokyo"),
        {A: has(2, 1), B: has(2, 1)},
        Destination(region="Nara"),
        None,
        A,
        "CHANNEL_ORDER",
    ),
    "the nearest": (
        at(0, A, **TOKYO) | at(1, B, **OSAKA) | at(2, C, **SAPPORO),
        {A: has(9, 9), B: has(2, 1), C: has(9, 9)},
        AT_KYOTO,
        None,
        B,
        "NEAREST",
    ),
    "a location without coordinates is the farthest": (
        at(0, A) | at(1, B, **SAPPORO),
        {A: has(9, 9), B: has(2, 1)},
        AT_KYOTO,
        None,
        B,
        "NEAREST",
    ),
    "region comes before distance": (
        at(0, A, region="Kyoto", **SAPPORO) | at(1, B, **OSAKA),
        {A: has(2, 1), B: has(2, 1)},
        Destination(region="Kyoto", latitude=35.01, longitude=135.77),
        None,
        A,
        "SAME_REGION",
    ),
    "the least open work": (
        at(0, A, open_work=3) | at(1, B, open_work=2) | at(2, C, open_work=3),
        {A: has(9, 9), B: has(2, 1), C: has(2, 1)},
        UNKNOWN_DESTINATION,
        None,
        B,
        "LEAST_WORK",
    ),
    "the most stock among those with as little work": (
        at(0, A, open_work=1) | at(1, B, open_work=1) | at(2, C, open_work=2),
        {A: has(2, 1), B: has(3, 1), C: has(9, 9)},
        UNKNOWN_DESTINATION,
        None,
        B,
        "MOST_STOCK",
    ),
    "stock of other variants does not count": (
        at(0, A) | at(1, B),
        {A: has(2, 1), B: has(2, 1) | {99: 50}},
        UNKNOWN_DESTINATION,
        None,
        A,
        "CHANNEL_ORDER",
    ),
    "the channel's own order last": (
        at(1, A) | at(0, B),
        {A: has(2, 1), B: has(2, 1)},
        UNKNOWN_DESTINATION,
        None,
        B,
        "CHANNEL_ORDER",
    ),
    "ties are passed on to the next rule with the remaining candidates only": (
        at(0, A, region="Kyoto", open_work=0) | at(1, B, region="Kyoto", open_work=0) | at(2, C, open_work=0),
        {A: has(2, 1), B: has(3, 1), C: has(99, 99)},
        Destination(region="Kyoto"),
        None,
        B,
        "MOST_STOCK",
    ),
}


def supply(
    locations: Mapping[int, SourcingLocation], stock: Mapping[int, Mapping[int, int]]
) -> dict[int, list[Supply]]:
    found: dict[int, list[Supply]] = {}
    for location, units in stock.items():
        for variant, quantity in units.items():
            found.setdefault(variant, []).append(Supply(location, quantity, locations[location]))
    return found


@pytest.mark.parametrize("name", CASES)
def test_the_first_unique_best_location_is_chosen(name: str) -> None:
    locations, stock, destination, stated, first, decided = CASES[name]

    found = plan_sourcing(
        [Demand(0, TEA, 2), Demand(1, POT, 1)],
        supply(locations, stock),
        destination=destination,
        stated_location_id=stated,
    )

    assert isinstance(found, SourcingPlan)
    assert (found.choices[0].location_id, found.choices[0].decided_by) == (first, decided)


def test_the_rest_of_the_demand_is_decided_by_the_rules_again() -> None:
    locations = at(0, A, open_work=5) | at(1, B, open_work=1) | at(2, C, open_work=0)
    stock = {A: has(2), B: has(0, 2), C: has(0, 1)}

    found = plan_sourcing([Demand(0, TEA, 2), Demand(1, POT, 1)], supply(locations, stock))

    assert isinstance(found, SourcingPlan)
    assert [(c.location_id, c.decided_by) for c in found.choices] == [(C, SourcingRule.LEAST_WORK), (A, None)]


def test_shipments_are_ranked_where_no_location_has_everything() -> None:
    locations = at(0, A, open_work=0) | at(1, B, open_work=1) | at(2, C, open_work=2)
    stock = {A: has(1), B: has(2), C: has(0, 1)}

    found = plan_sourcing([Demand(0, TEA, 2), Demand(1, POT, 1)], supply(locations, stock))

    assert isinstance(found, SourcingPlan)
    explanation = explain.explanations(found, locations, {TEA: "TEA", POT: "POT"})[B]
    assert explanation["rules"][0] == {
        "rule": "FEWEST_PARCELS",
        "ranked": {"B": 2, "C": 2, "A": None},
        "best": 2,
        "of": 3,
    }
    assert (explanation["parcel"], explanation["parcels"]) == (1, 2)


def test_the_units_left_to_others_are_ranked_where_the_search_limit_is_reached() -> None:
    locations = at(0, A) | at(1, B)
    stock = {A: has(1), B: has(2), C: has(0, 1)}
    demands = [Demand(0, TEA, 2), Demand(1, POT, 1)]

    found = plan_sourcing(demands, supply(locations | at(2, C), stock), search_steps=0)

    assert isinstance(found, SourcingPlan)
    explanation = explain.explanations(found, locations | at(2, C), {TEA: "TEA", POT: "POT"})[B]
    assert explanation["rules"][0] == {
        "rule": "FEWEST_PARCELS",
        "ranked": {"B": 1, "A": 2, "C": 2},
        "best": 1,
        "of": 3,
        "estimated": True,
    }


def test_the_explanation_has_the_rankings_and_the_missing_units_of_other_locations() -> None:
    locations = at(0, A, open_work=4) | at(1, B, open_work=1) | at(2, C, open_work=0)
    stock = {A: has(2, 1), B: has(9, 1), C: has(1)}
    found = plan_sourcing([Demand(0, TEA, 2), Demand(1, POT, 1)], supply(locations, stock))
    assert isinstance(found, SourcingPlan)

    explanation = explain.explanations(found, locations, {TEA: "TEA", POT: "POT"})

    assert explanation == {
        B: {
            "decidedBy": "LEAST_WORK",
            "rules": [
                {"rule": "FILLS_EVERYTHING", "ranked": {"A": True, "B": True, "C": False}, "best": 2, "of": 3},
                {"rule": "LEAST_WORK", "ranked": {"B": 1, "A": 4}, "best": 1, "of": 2},
            ],
            "lacked": {"C": {"TEA": 1, "POT": 1}},
            "parcel": 1,
            "parcels": 1,
        }
    }


def test_the_explanation_names_a_limited_number_of_locations() -> None:
    locations = {n: SourcingLocation(n, code=f"L{n}", position=n, open_work=n % 7) for n in range(1, 300)}
    found = plan_sourcing([Demand(0, TEA, 1)], {TEA: [Supply(n, n, place) for n, place in locations.items()]})
    assert isinstance(found, SourcingPlan)

    explanation = explain.explanations(found, locations, {TEA: "TEA"})[294]

    assert [(rule["rule"], rule["best"], rule["of"]) for rule in explanation["rules"]] == [
        ("LEAST_WORK", 42, 299),
        ("MOST_STOCK", 1, 42),
    ]
    assert all(len(rule["ranked"]) == explain.LOCATIONS_MAX for rule in explanation["rules"])
    assert explanation["rules"][1]["ranked"]["L294"] == 294


@pytest.mark.parametrize(
    ("region", "destination", "same"),
    [
        ("Tokyo", Destination(region=" TOKYO "), True),
        ("Tokyo", Destination(region="Osaka"), False),
        ("JP-13", Destination(region="jp 13"), True),
        ("150", Destination(postal_code="150-0001"), True),
        ("150-00", Destination(postal_code="1500001"), True),
        ("150", Destination(postal_code="151-0001"), False),
        ("SW1", Destination(postal_code="sw1a 1aa"), True),
        ("S", Destination(postal_code="SW1A 1AA"), False),
        (None, Destination(region="Tokyo"), None),
        ("Tokyo", UNKNOWN_DESTINATION, None),
    ],
)
def test_regions_are_names_or_postal_areas(region: str | None, destination: Destination, same: bool | None) -> None:
    assert same_region(SourcingLocation(A, region=region), destination) is same


@pytest.mark.parametrize(
    ("position", "destination", "km"),
    [
        (TOKYO, OSAKA, 403),
        (TOKYO, TOKYO, 0),
        ({"latitude": 0, "longitude": 179.5}, {"latitude": 0, "longitude": -179.5}, 111),
        ({"latitude": 90, "longitude": 0}, {"latitude": -90, "longitude": 0}, 20015),
    ],
)
def test_distances_are_great_circle_distances(
    position: dict[str, float], destination: dict[str, float], km: int
) -> None:
    distance = distance_km(SourcingLocation(A, **position), Destination(**destination))  # type: ignore[arg-type]

    assert distance is not None
    assert abs(distance - km) < 1
    assert distance_km(SourcingLocation(A), Destination(**destination)) is None  # type: ignore[arg-type]
    assert distance_km(SourcingLocation(A, **position), UNKNOWN_DESTINATION) is None  # type: ignore[arg-type]
