"""The rules of sourcing: one location that can send all, else few parcels."""

from __future__ import annotations

from uriba.fulfillment.sourcing import Need, Piece, Supply, source

TEA, POT = 1, 2
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
