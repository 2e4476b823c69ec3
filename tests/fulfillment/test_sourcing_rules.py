"""Each rule of sourcing: what it prefers, when it abstains, and that the one that decided is named."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from uriba.fulfillment.sourcing import explain
from uriba.fulfillment.sourcing.geography import NOWHERE, Destination, Place, distance_km, same_region
from uriba.fulfillment.sourcing.rules import Rule
from uriba.fulfillment.sourcing.selection import Need, Sourced, Supply, arrange

TEA, POT = 1, 2
A, B, C = 10, 20, 30
TOKYO = {"latitude": 35.68, "longitude": 139.77}
OSAKA = {"latitude": 34.70, "longitude": 135.50}
SAPPORO = {"latitude": 43.07, "longitude": 141.35}
AT_KYOTO = Destination(latitude=35.01, longitude=135.77)

Case = tuple[dict[int, Place], dict[int, dict[int, int]], Destination, int | None, int, str | None]
"""Places, what each has by variant, where to, the stated store; who sends first, and the rule that decided."""


def at(position: int, location: int, **known: object) -> dict[int, Place]:
    return {location: Place(location, code="ABC"[position], position=position, **known)}  # type: ignore[arg-type]


def has(tea: int, pot: int = 0) -> dict[int, int]:
    return {v: units for v, units in ((TEA, tea), (POT, pot)) if units}


CASES: dict[str, Case] = {
    "one location alone has nothing to be compared with": (at(0, A), {A: has(2, 1)}, NOWHERE, None, A, None),
    "the stated store sends first, though another has everything": (
        at(0, A) | at(1, B),
        {A: has(9, 9), B: has(2)},
        NOWHERE,
        B,
        B,
        "STATED_STORE",
    ),
    "a stated store that has nothing is passed over": (
        at(0, A) | at(1, B),
        {A: has(2), B: has(2, 1)},
        NOWHERE,
        C,
        B,
        "FILLS_EVERYTHING",
    ),
    "everything from one location, though it is worse in all else": (
        at(0, A, region="Tokyo", open_work=0, **TOKYO) | at(1, B, open_work=9, **SAPPORO),
        {A: has(99), B: has(2, 1)},
        Destination(region="Tokyo", latitude=35.0, longitude=139.0),
        None,
        B,
        "FILLS_EVERYTHING",
    ),
    "one that is in no way of so few parcels is passed over, though it has less work": (
        at(0, A, open_work=0) | at(1, B, open_work=1) | at(2, C, open_work=2),
        {A: has(1), B: has(2), C: has(0, 1)},
        NOWHERE,
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
    "a region that nobody is in says nothing": (
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
    "a location whose place is unknown is farther than any": (
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
        NOWHERE,
        None,
        B,
        "LEAST_WORK",
    ),
    "the most stock among those with as little work": (
        at(0, A, open_work=1) | at(1, B, open_work=1) | at(2, C, open_work=2),
        {A: has(2, 1), B: has(3, 1), C: has(9, 9)},
        NOWHERE,
        None,
        B,
        "MOST_STOCK",
    ),
    "stock of what nobody wants does not count": (
        at(0, A) | at(1, B),
        {A: has(2, 1), B: has(2, 1) | {99: 50}},
        NOWHERE,
        None,
        A,
        "CHANNEL_ORDER",
    ),
    "the channel's own order at last": (
        at(1, A) | at(0, B),
        {A: has(2, 1), B: has(2, 1)},
        NOWHERE,
        None,
        B,
        "CHANNEL_ORDER",
    ),
    "ties go from rule to rule, among those that are left only": (
        at(0, A, region="Kyoto", open_work=0) | at(1, B, region="Kyoto", open_work=0) | at(2, C, open_work=0),
        {A: has(2, 1), B: has(3, 1), C: has(99, 99)},
        Destination(region="Kyoto"),
        None,
        B,
        "MOST_STOCK",
    ),
}


def supply(places: Mapping[int, Place], stock: Mapping[int, Mapping[int, int]]) -> dict[int, list[Supply]]:
    found: dict[int, list[Supply]] = {}
    for location, units in stock.items():
        for variant, quantity in units.items():
            found.setdefault(variant, []).append(Supply(location, quantity, places[location]))
    return found


@pytest.mark.parametrize("name", CASES)
def test_the_first_unique_best_wins(name: str) -> None:
    places, stock, to, store, first, decided = CASES[name]

    found = arrange([Need(0, TEA, 2), Need(1, POT, 1)], supply(places, stock), to=to, store=store)

    assert isinstance(found, Sourced)
    assert (found.choices[0].location_id, found.choices[0].decided) == (first, decided)


def test_what_is_left_is_decided_anew() -> None:
    places = at(0, A, open_work=5) | at(1, B, open_work=1) | at(2, C, open_work=0)
    stock = {A: has(2), B: has(0, 2), C: has(0, 1)}

    found = arrange([Need(0, TEA, 2), Need(1, POT, 1)], supply(places, stock))

    assert isinstance(found, Sourced)
    assert [(c.location_id, c.decided) for c in found.choices] == [(C, Rule.LEAST_WORK), (A, None)]


def test_parcels_are_counted_where_no_location_has_everything() -> None:
    places = at(0, A, open_work=0) | at(1, B, open_work=1) | at(2, C, open_work=2)
    stock = {A: has(1), B: has(2), C: has(0, 1)}

    found = arrange([Need(0, TEA, 2), Need(1, POT, 1)], supply(places, stock))

    assert isinstance(found, Sourced)
    said = explain.of(found, places, {TEA: "TEA", POT: "POT"})[B]
    assert said["rules"][0] == {"rule": "FEWEST_PARCELS", "ranked": {"B": 2, "C": 2, "A": None}, "best": 2, "of": 3}
    assert (said["parcel"], said["parcels"]) == (1, 2)


def test_where_there_are_too_many_ways_what_is_left_over_is_an_estimate() -> None:
    places = at(0, A) | at(1, B)
    stock = {A: has(1), B: has(2), C: has(0, 1)}
    needs = [Need(0, TEA, 2), Need(1, POT, 1)]

    found = arrange(needs, supply(places | at(2, C), stock), looks=0)

    assert isinstance(found, Sourced)
    said = explain.of(found, places | at(2, C), {TEA: "TEA", POT: "POT"})[B]
    assert said["rules"][0] == {
        "rule": "FEWEST_PARCELS",
        "ranked": {"B": 1, "A": 2, "C": 2},
        "best": 1,
        "of": 3,
        "estimated": True,
    }


def test_the_reasons_say_who_ranked_how_and_what_the_others_lacked() -> None:
    places = at(0, A, open_work=4) | at(1, B, open_work=1) | at(2, C, open_work=0)
    stock = {A: has(2, 1), B: has(9, 1), C: has(1)}
    found = arrange([Need(0, TEA, 2), Need(1, POT, 1)], supply(places, stock))
    assert isinstance(found, Sourced)

    said = explain.of(found, places, {TEA: "TEA", POT: "POT"})

    assert said == {
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


def test_the_reasons_stay_short_however_many_locations_there_are() -> None:
    places = {n: Place(n, code=f"L{n}", position=n, open_work=n % 7) for n in range(1, 300)}
    found = arrange([Need(0, TEA, 1)], {TEA: [Supply(n, n, place) for n, place in places.items()]})
    assert isinstance(found, Sourced)

    said = explain.of(found, places, {TEA: "TEA"})[294]

    assert [(rule["rule"], rule["best"], rule["of"]) for rule in said["rules"]] == [
        ("LEAST_WORK", 42, 299),
        ("MOST_STOCK", 1, 42),
    ]
    assert all(len(rule["ranked"]) == explain.SHOWN_MAX for rule in said["rules"])
    assert said["rules"][1]["ranked"]["L294"] == 294


@pytest.mark.parametrize(
    ("region", "to", "same"),
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
        ("Tokyo", NOWHERE, None),
    ],
)
def test_regions_are_names_or_postal_areas(region: str | None, to: Destination, same: bool | None) -> None:
    assert same_region(Place(A, region=region), to) is same


@pytest.mark.parametrize(
    ("place", "to", "km"),
    [
        (TOKYO, OSAKA, 403),
        (TOKYO, TOKYO, 0),
        ({"latitude": 0, "longitude": 179.5}, {"latitude": 0, "longitude": -179.5}, 111),
        ({"latitude": 90, "longitude": 0}, {"latitude": -90, "longitude": 0}, 20015),
    ],
)
def test_distances_are_those_of_the_earth(place: dict[str, float], to: dict[str, float], km: int) -> None:
    away = distance_km(Place(A, **place), Destination(**to))  # type: ignore[arg-type]

    assert away is not None
    assert abs(away - km) < 1
    assert distance_km(Place(A), Destination(**to)) is None  # type: ignore[arg-type]
    assert distance_km(Place(A, **place), NOWHERE) is None  # type: ignore[arg-type]
