"""Sourcing: one location that can send all, else few parcels; who sends what of them."""

from __future__ import annotations

from uriba.fulfillment.sourcing.rules import PLACES_IN_ORDER
from uriba.fulfillment.sourcing.selection import Need, Piece, Supply, TooManyParcels, arrange, source

TEA, POT, CUP = 1, 2, 3
NEAR, FAR, THIRD = 10, 20, 30


def test_the_best_location_wins_among_those_that_can_send_all() -> None:
    needs = [Need(0, TEA, 2), Need(1, POT, 1)]
    supply = {TEA: [Supply(FAR, 9), Supply(NEAR, 9)], POT: [Supply(FAR, 9), Supply(NEAR, 9)]}

    assert source(needs, supply) == [Piece(FAR, 0, TEA, 2), Piece(FAR, 1, POT, 1)]


def test_one_location_that_can_send_all_beats_two_better_ones() -> None:
    needs = [Need(0, TEA, 2), Need(1, POT, 1)]
    supply = {TEA: [Supply(NEAR, 2), Supply(THIRD, 2)], POT: [Supply(FAR, 1), Supply(THIRD, 1)]}

    assert source(needs, supply) == [Piece(THIRD, 0, TEA, 2), Piece(THIRD, 1, POT, 1)]


def test_the_location_with_the_most_sends_first() -> None:
    needs = [Need(0, TEA, 5)]
    supply = {TEA: [Supply(NEAR, 1), Supply(FAR, 4), Supply(THIRD, 1)]}

    assert source(needs, supply) == [Piece(FAR, 0, TEA, 4), Piece(NEAR, 0, TEA, 1)]


def test_places_in_order_are_asked_in_order_whatever_they_have() -> None:
    needs = [Need(0, TEA, 5)]
    supply = {TEA: [Supply(NEAR, 5), Supply(FAR, 9)]}

    assert source(needs, supply, rules=PLACES_IN_ORDER) == [Piece(NEAR, 0, TEA, 5)]


def test_two_parcels_are_found_where_sending_the_most_first_would_take_three() -> None:
    needs = [Need(0, TEA, 3), Need(1, POT, 3)]
    supply = {
        TEA: [Supply(NEAR, 2), Supply(FAR, 3), Supply(40, 1)],
        POT: [Supply(NEAR, 2), Supply(THIRD, 3), Supply(50, 1)],
    }

    assert source(needs, supply) == [Piece(FAR, 0, TEA, 3), Piece(THIRD, 1, POT, 3)]


def test_lines_of_one_variant_share_what_there_is() -> None:
    needs = [Need(0, TEA, 2), Need(1, TEA, 2)]

    assert source(needs, {TEA: [Supply(NEAR, 3)]}) == {TEA: 3}
    assert source(needs, {TEA: [Supply(NEAR, 3), Supply(FAR, 1)]}) == [
        Piece(NEAR, 0, TEA, 2),
        Piece(NEAR, 1, TEA, 1),
        Piece(FAR, 1, TEA, 1),
    ]


def test_every_variant_that_falls_short_is_told_with_what_there_is() -> None:
    needs = [Need(0, TEA, 2), Need(1, POT, 1)]

    assert source(needs, {TEA: [Supply(NEAR, 1)]}) == {TEA: 1, POT: 0}


def test_more_parcels_than_are_shipped_are_refused_with_what_fewer_could_bring() -> None:
    needs = [Need(0, TEA, 3), Need(1, POT, 1), Need(2, CUP, 2)]
    supply = {TEA: [Supply(NEAR, 3)], POT: [Supply(FAR, 1)], CUP: [Supply(NEAR, 1), Supply(THIRD, 1)]}

    assert arrange(needs, supply, limit=2) == TooManyParcels(3, 2, {0: 3, 1: 1, 2: 1})
    assert arrange(needs, supply, limit=1) == TooManyParcels(3, 1, {0: 3, 1: 0, 2: 1})
    assert not isinstance(arrange(needs, supply, limit=3), TooManyParcels)


def test_nothing_is_wanted_and_nothing_is_sent() -> None:
    assert source([], {}) == []
    assert source([Need(0, TEA, 0)], {}) == []
