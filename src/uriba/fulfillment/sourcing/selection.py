"""Sourcing: which locations send what. Pure.

One location after the other sends all that it can of what is still needed; the rules say which is next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from uriba.fulfillment.sourcing.geography import NOWHERE, Destination, Place
from uriba.fulfillment.sourcing.rules import RULES, Choice, Rule, Situation, choose
from uriba.fulfillment.sourcing.search import LOOKS_MAX, Search


@dataclass(frozen=True, slots=True)
class Need:
    """Units of a variant for one line of the order."""

    line: int
    variant_id: int
    quantity: int


@dataclass(frozen=True, slots=True)
class Supply:
    """Units that a location could send, and what else is known of it."""

    location_id: int
    quantity: int
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """Units of a line that a location sends."""

    location_id: int
    line: int
    variant_id: int
    quantity: int


@dataclass(frozen=True, slots=True)
class Sourced:
    """The pieces that serve all needs, and why each location sends one, in the order in which they were chosen."""

    pieces: tuple[Piece, ...]
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class Short:
    """What is available of each variant that falls short."""

    available: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class TooManyParcels:
    """All of it would take so many parcels; `served`: the units of each line that as many as allowed could bring."""

    parcels: int
    limit: int
    served: Mapping[int, int]


def arrange(
    needs: Sequence[Need],
    supply: Mapping[int, Sequence[Supply]],
    *,
    to: Destination = NOWHERE,
    store: int | None = None,
    limit: int | None = None,
    rules: Sequence[Rule] = RULES,
    looks: int = LOOKS_MAX,
) -> Sourced | Short | TooManyParcels:
    """Serve all needs by the rules, each unit from one location, in `limit` parcels at most; or say why not.

    `supply` lists locations per variant, those that are better for the channel first. `store`: the one that a customer
    stated.
    """
    wanted = _sum(needs)
    total = {v: sum(s.quantity for s in supply.get(v, ())) for v in wanted}
    if short := {v: total[v] for v, quantity in wanted.items() if total[v] < quantity}:
        return Short(short)
    stock = _by_location(wanted, supply)
    situation = Situation(wanted, stock, _places(supply, stock), Search(stock, looks=looks), to, store)
    sourced, _ = _sourced(needs, situation, rules)
    if limit is None or len(sourced.choices) <= limit:
        return sourced
    return _fewer(needs, situation, rules, limit, parcels=len(sourced.choices))


def source(
    needs: Sequence[Need], supply: Mapping[int, Sequence[Supply]], *, rules: Sequence[Rule] = RULES
) -> list[Piece] | dict[int, int]:
    """The pieces that serve all needs, or what is available of each variant that falls short."""
    found = arrange(needs, supply, rules=rules)
    if isinstance(found, Short):
        return dict(found.available)
    assert isinstance(found, Sourced)
    return list(found.pieces)


def _sum(needs: Sequence[Need]) -> dict[int, int]:
    wanted: dict[int, int] = {}
    for need in needs:
        wanted[need.variant_id] = wanted.get(need.variant_id, 0) + need.quantity
    return {variant: units for variant, units in wanted.items() if units}


def _by_location(wanted: Mapping[int, int], supply: Mapping[int, Sequence[Supply]]) -> dict[int, dict[int, int]]:
    """What each location has of what is wanted, those that are better for the channel first."""
    rank: dict[int, tuple[int, int]] = {}
    stock: dict[int, dict[int, int]] = {}
    for variant in wanted:
        for position, held in enumerate(supply.get(variant, ())):
            if held.quantity > 0:
                at = (held.place.position if held.place else position, held.location_id)
                rank[held.location_id] = min(at, rank.get(held.location_id, at))
                stock.setdefault(held.location_id, {})[variant] = held.quantity
    return {location: stock[location] for location in sorted(stock, key=lambda location: rank[location])}


def _places(supply: Mapping[int, Sequence[Supply]], stock: Mapping[int, object]) -> dict[int, Place]:
    known = {held.location_id: held.place for rows in supply.values() for held in rows if held.place}
    return {location: known.get(location) or Place(location) for location in stock}


def _sourced(
    needs: Sequence[Need], situation: Situation, rules: Sequence[Rule], *, most: int | None = None
) -> tuple[Sourced, list[Need]]:
    """What locations send, `most` of them at most, and the needs that stay open."""
    pieces: list[Piece] = []
    choices: list[Choice] = []
    open_needs = [need for need in needs if need.quantity]
    while open_needs and len(choices) != most:
        if choices:
            situation = _narrowed(situation, _sum(open_needs), choices[-1].location_id)
        choice = choose(situation, rules)
        open_needs = _send(open_needs, situation.stock[choice.location_id], choice.location_id, pieces)
        choices.append(choice)
    return Sourced(tuple(pieces), tuple(choices)), open_needs


def _narrowed(situation: Situation, wanted: Mapping[int, int], used: int) -> Situation:
    """What is still wanted, of whoever has any; who was chosen has given all that it had of it."""
    stock = {
        place: left
        for place, has in situation.stock.items()
        if place != used and (left := {variant: units for variant, units in has.items() if variant in wanted})
    }
    return replace(situation, wanted=wanted, stock=stock)


def _fewer(
    needs: Sequence[Need], situation: Situation, rules: Sequence[Rule], limit: int, *, parcels: int
) -> Sourced | TooManyParcels:
    """As much as possible in as many parcels as are allowed; now and then that is all, where ways were estimated."""
    hasty = replace(situation, search=Search(situation.stock, looks=0))
    sourced, open_needs = _sourced(needs, hasty, rules, most=limit)
    if not open_needs:
        return sourced
    served = Counter[int]()
    for piece in sourced.pieces:
        served[piece.line] += piece.quantity
    return TooManyParcels(parcels, limit, {need.line: served[need.line] for need in needs})


def _send(needs: Sequence[Need], has: Mapping[int, int], location: int, pieces: list[Piece]) -> list[Need]:
    """Send what the location can; the needs that stay open."""
    left = dict(has)
    still_open = []
    for need in needs:
        units = min(need.quantity, left.get(need.variant_id, 0))
        if units:
            left[need.variant_id] -= units
            pieces.append(Piece(location, need.line, need.variant_id, units))
        if units < need.quantity:
            still_open.append(Need(need.line, need.variant_id, need.quantity - units))
    return still_open
