"""Sourcing: which locations send what. Pure.

Rules, in order: one location that can send everything, the channel's best first; else the location that can send the
most units, again and again, so that parcels are few.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Need:
    """Units of a variant for one line of the order."""

    line: int
    variant_id: int
    quantity: int


@dataclass(frozen=True, slots=True)
class Supply:
    """Units that a location could send."""

    location_id: int
    quantity: int


@dataclass(frozen=True, slots=True)
class Piece:
    """Units of a line that a location sends."""

    location_id: int
    line: int
    variant_id: int
    quantity: int


def source(needs: Sequence[Need], supply: Mapping[int, Sequence[Supply]]) -> list[Piece] | dict[int, int]:
    """The pieces that serve all needs, or what is available of each variant that falls short.

    `supply` lists locations per variant, best first.
    """
    wanted = _sum(needs)
    total = {v: sum(s.quantity for s in supply.get(v, ())) for v in wanted}
    if short := {v: total[v] for v, quantity in wanted.items() if total[v] < quantity}:
        return short
    left = {(s.location_id, v): s.quantity for v in wanted for s in supply.get(v, ())}
    ranks = _ranks(supply)
    open_needs = list(needs)
    pieces: list[Piece] = []
    while open_needs:
        # max() keeps the first of equals: the better location.
        best = max(ranks, key=lambda location: sum(_fill(open_needs, left, location)))
        open_needs = _send(open_needs, left, best, pieces)
    return pieces


def _sum(needs: Sequence[Need]) -> dict[int, int]:
    wanted: dict[int, int] = {}
    for need in needs:
        wanted[need.variant_id] = wanted.get(need.variant_id, 0) + need.quantity
    return wanted


def _ranks(supply: Mapping[int, Sequence[Supply]]) -> list[int]:
    """All locations, those that are best for any variant first."""
    rank: dict[int, int] = {}
    for places in supply.values():
        for position, place in enumerate(places):
            rank[place.location_id] = min(position, rank.get(place.location_id, position))
    return sorted(rank, key=lambda location: (rank[location], location))


def _fill(needs: Sequence[Need], left: Mapping[tuple[int, int], int], location: int) -> list[int]:
    """How many units of each need the location could send, its units spent once."""
    spare: dict[int, int] = {}
    filled = []
    for need in needs:
        have = spare.setdefault(need.variant_id, left.get((location, need.variant_id), 0))
        filled.append(min(have, need.quantity))
        spare[need.variant_id] = have - filled[-1]
    return filled


def _send(needs: Sequence[Need], left: dict[tuple[int, int], int], location: int, pieces: list[Piece]) -> list[Need]:
    """Send what the location can; the needs that stay open."""
    still_open = []
    for need, units in zip(needs, _fill(needs, left, location), strict=True):
        if units:
            left[location, need.variant_id] -= units
            pieces.append(Piece(location, need.line, need.variant_id, units))
        if units < need.quantity:
            still_open.append(Need(need.line, need.variant_id, need.quantity - units))
    return still_open
