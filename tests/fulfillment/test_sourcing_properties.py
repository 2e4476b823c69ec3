"""What holds of every plan: needs are served exactly, from what there is, in as few parcels as there can be."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from uriba.fulfillment.sourcing.geography import Destination, Place
from uriba.fulfillment.sourcing.selection import Need, Short, Sourced, Supply, TooManyParcels, arrange

Stock = dict[int, dict[int, int]]

VARIANTS = (1, 2, 3, 4)
PLACES = st.builds(
    Place,
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
NEEDS = st.lists(st.tuples(st.sampled_from(VARIANTS), st.integers(1, 4)), min_size=1, max_size=5)
SHOPS = st.tuples(STOCKS, NEEDS, st.lists(PLACES, min_size=6, max_size=6))
TOKYO = Destination(region="Tokyo", latitude=35.7, longitude=139.7)


def supply_of(stock: Stock, places: list[Place]) -> dict[int, list[Supply]]:
    found: dict[int, list[Supply]] = {variant: [] for variant in VARIANTS}
    for location, units in stock.items():
        for variant, quantity in units.items():
            found[variant].append(Supply(location, quantity, places[location - 10]))
    return found


def wanted_of(needs: list[Need]) -> Counter[int]:
    wanted = Counter[int]()
    for need in needs:
        wanted[need.variant_id] += need.quantity
    return wanted


def fewest(stock: Stock, wanted: Counter[int]) -> int | None:
    """By trying every set of locations."""
    for count in range(1, len(stock) + 1):
        for chosen in combinations(stock.values(), count):
            if all(sum(units.get(v, 0) for units in chosen) >= quantity for v, quantity in wanted.items()):
                return count
    return None


@settings(max_examples=1000, deadline=None)
@given(SHOPS, st.integers(0, 5_000))
def test_needs_are_served_exactly_and_never_from_more_than_there_is(
    shop: tuple[Stock, list[tuple[int, int]], list[Place]], looks: int
) -> None:
    stock, rows, places = shop
    needs = [Need(line, variant, quantity) for line, (variant, quantity) in enumerate(rows)]
    found = arrange(needs, supply_of(stock, places), to=TOKYO, looks=looks)

    if isinstance(found, Short):
        assert fewest(stock, wanted_of(needs)) is None
        assert set(found.available) <= set(wanted_of(needs))
        return
    assert isinstance(found, Sourced)
    served, sent = Counter[int](), Counter[tuple[int, int]]()
    for piece in found.pieces:
        assert piece.quantity > 0
        assert needs[piece.line].variant_id == piece.variant_id
        served[piece.line] += piece.quantity
        sent[piece.location_id, piece.variant_id] += piece.quantity
    assert served == {need.line: need.quantity for need in needs}
    assert all(units <= stock[location].get(variant, 0) for (location, variant), units in sent.items())
    assert [choice.location_id for choice in found.choices] == list(dict.fromkeys(p.location_id for p in found.pieces))


@settings(max_examples=1000, deadline=None)
@given(SHOPS)
def test_parcels_are_as_few_as_there_can_be(shop: tuple[Stock, list[tuple[int, int]], list[Place]]) -> None:
    stock, rows, places = shop
    needs = [Need(line, variant, quantity) for line, (variant, quantity) in enumerate(rows)]
    found = arrange(needs, supply_of(stock, places), to=TOKYO)

    if isinstance(found, Sourced):
        assert len(found.choices) == fewest(stock, wanted_of(needs))


@settings(max_examples=500, deadline=None)
@given(SHOPS, st.integers(1, 4), st.sampled_from([0, 3, 5_000]))
def test_there_are_never_more_parcels_than_are_allowed(
    shop: tuple[Stock, list[tuple[int, int]], list[Place]], limit: int, looks: int
) -> None:
    stock, rows, places = shop
    needs = [Need(line, variant, quantity) for line, (variant, quantity) in enumerate(rows)]
    supply = supply_of(stock, places)
    found, free = arrange(needs, supply, limit=limit, looks=looks), arrange(needs, supply, looks=looks)

    if isinstance(found, Sourced):
        assert len(found.choices) <= limit
    if isinstance(found, TooManyParcels):
        assert found.parcels > limit
        assert isinstance(free, Sourced)
        assert len(free.choices) == found.parcels
        assert any(found.served[need.line] < need.quantity for need in needs)
        assert all(0 <= found.served[need.line] <= need.quantity for need in needs)


@settings(max_examples=500, deadline=None)
@given(SHOPS)
def test_the_rule_that_decided_tells_its_location_from_those_before_it(
    shop: tuple[Stock, list[tuple[int, int]], list[Place]],
) -> None:
    stock, rows, places = shop
    needs = [Need(line, variant, quantity) for line, (variant, quantity) in enumerate(rows)]
    found = arrange(needs, supply_of(stock, places), to=TOKYO)

    for choice in found.choices if isinstance(found, Sourced) else ():
        left = None
        for ranking in choice.rankings:
            assert left is None or set(ranking.values) == set(left)
            assert choice.location_id in ranking.best
            assert len(ranking.best) < len(ranking.values)
            left = ranking.best
        assert left is None or left == (choice.location_id,)
