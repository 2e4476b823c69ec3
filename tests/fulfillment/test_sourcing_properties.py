"""Properties of every sourcing plan: demands are served exactly, from the stock, in the fewest possible shipments."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.random_cases import random_cases
from uriba.fulfillment.sourcing.geography import Destination, SourcingLocation
from uriba.fulfillment.sourcing.selection import (
    Demand,
    InsufficientStock,
    SourcingPlan,
    SplitLimitExceeded,
    Supply,
    plan_sourcing,
)

Stock = dict[int, dict[int, int]]

VARIANTS = (1, 2, 3, 4)
LOCATIONS = st.builds(
    SourcingLocation,
    location_id=st.just(0),
    position=st.integers(0, 3),
    region=st.sampled_from([None, "Tokyo", "Osaka"]),
    latitude=st.sampled_from([None, 35.0, 43.0]),
    longitude=st.just(139.0),
    open_work=st.integers(0, 2),
)
STOCKS = st.dictionaries(
    st.integers(10, 15), st.dictionaries(st.sampled_from(VARIANTS), st.integers(0, 4)), min_size=1, max_size=6
)
DEMANDS = st.lists(st.tuples(st.sampled_from(VARIANTS), st.integers(1, 4)), min_size=1, max_size=5)
SHOPS = st.tuples(STOCKS, DEMANDS, st.lists(LOCATIONS, min_size=6, max_size=6))
TOKYO = Destination(region="Tokyo", latitude=35.7, longitude=139.7)


def supply_of(stock: Stock, locations: list[SourcingLocation]) -> dict[int, list[Supply]]:
    found: dict[int, list[Supply]] = {variant: [] for variant in VARIANTS}
    for location, units in stock.items():
        for variant, quantity in units.items():
            found[variant].append(Supply(location, quantity, locations[location - 10]))
    return found


def units_by_variant(demands: list[Demand]) -> Counter[int]:
    units = Counter[int]()
    for demand in demands:
        units[demand.variant_id] += demand.quantity
    return units


def fewest_by_brute_force(stock: Stock, units: Counter[int]) -> int | None:
    """Try every set of locations."""
    for count in range(1, len(stock) + 1):
        for chosen in combinations(stock.values(), count):
            if all(sum(held.get(v, 0) for held in chosen) >= quantity for v, quantity in units.items()):
                return count
    return None


@settings(max_examples=random_cases(1_000), deadline=None)
@given(SHOPS, st.integers(0, 5_000))
def test_demands_are_served_exactly_and_never_beyond_the_stock(
    shop: tuple[Stock, list[tuple[int, int]], list[SourcingLocation]], steps: int
) -> None:
    stock, rows, locations = shop
    demands = [Demand(line, variant, quantity) for line, (variant, quantity) in enumerate(rows)]
    found = plan_sourcing(demands, supply_of(stock, locations), destination=TOKYO, search_steps=steps)

    if isinstance(found, InsufficientStock):
        assert fewest_by_brute_force(stock, units_by_variant(demands)) is None
        assert set(found.available) <= set(units_by_variant(demands))
        return
    assert isinstance(found, SourcingPlan)
    served, sent = Counter[int](), Counter[tuple[int, int]]()
    for assignment in found.assignments:
        assert assignment.quantity > 0
        assert demands[assignment.line].variant_id == assignment.variant_id
        served[assignment.line] += assignment.quantity
        sent[assignment.location_id, assignment.variant_id] += assignment.quantity
    assert served == {demand.line: demand.quantity for demand in demands}
    assert all(units <= stock[location].get(variant, 0) for (location, variant), units in sent.items())
    assert [choice.location_id for choice in found.choices] == list(
        dict.fromkeys(p.location_id for p in found.assignments)
    )


@settings(max_examples=random_cases(1_000), deadline=None)
@given(SHOPS)
def test_the_number_of_shipments_is_minimal(shop: tuple[Stock, list[tuple[int, int]], list[SourcingLocation]]) -> None:
    stock, rows, locations = shop
    demands = [Demand(line, variant, quantity) for line, (variant, quantity) in enumerate(rows)]
    found = plan_sourcing(demands, supply_of(stock, locations), destination=TOKYO)

    if isinstance(found, SourcingPlan):
        assert len(found.choices) == fewest_by_brute_force(stock, units_by_variant(demands))


@settings(max_examples=random_cases(500), deadline=None)
@given(SHOPS, st.integers(1, 4), st.sampled_from([0, 3, 5_000]))
def test_the_split_limit_is_never_exceeded(
    shop: tuple[Stock, list[tuple[int, int]], list[SourcingLocation]], shipments_max: int, steps: int
) -> None:
    stock, rows, locations = shop
    demands = [Demand(line, variant, quantity) for line, (variant, quantity) in enumerate(rows)]
    supply = supply_of(stock, locations)
    found = plan_sourcing(demands, supply, shipments_max=shipments_max, search_steps=steps)
    unlimited = plan_sourcing(demands, supply, search_steps=steps)

    if isinstance(found, SourcingPlan):
        assert len(found.choices) <= shipments_max
    if isinstance(found, SplitLimitExceeded):
        assert found.shipments > shipments_max
        assert isinstance(unlimited, SourcingPlan)
        assert len(unlimited.choices) == found.shipments
        assert any(found.served[demand.line] < demand.quantity for demand in demands)
        assert all(0 <= found.served[demand.line] <= demand.quantity for demand in demands)


@settings(max_examples=random_cases(500), deadline=None)
@given(SHOPS)
def test_each_ranking_narrows_the_candidates_to_the_chosen_location(
    shop: tuple[Stock, list[tuple[int, int]], list[SourcingLocation]],
) -> None:
    stock, rows, locations = shop
    demands = [Demand(line, variant, quantity) for line, (variant, quantity) in enumerate(rows)]
    found = plan_sourcing(demands, supply_of(stock, locations), destination=TOKYO)

    for choice in found.choices if isinstance(found, SourcingPlan) else ():
        left = None
        for ranking in choice.rankings:
            assert left is None or set(ranking.values) == set(left)
            assert choice.location_id in ranking.best
            assert len(ranking.best) < len(ranking.values)
            left = ranking.best
        assert left is None or left == (choice.location_id,)
