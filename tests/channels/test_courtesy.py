"""Courtesy: who catches up lets others go first, and nobody else."""

from __future__ import annotations

from uuid import UUID

import pytest

from uriba.webhooks.catch_up import EVERY_S, RECENT_S, TURN_S, Courtesy

ONE, OTHER, THIRD = UUID(int=1), UUID(int=2), UUID(int=3)

BEGIN = 40 * EVERY_S
REST = BEGIN + 2 * TURN_S


def test_alone_it_catches_up_as_fast_as_it_can() -> None:
    courtesy = Courtesy()
    courtesy.told(ONE, REST)

    assert courtesy.pause_s(ONE, REST) == 0


def test_rests_while_others_were_told_something_just_now() -> None:
    courtesy = Courtesy()
    courtesy.told(OTHER, REST)
    courtesy.told(ONE, REST + 0.1)

    assert courtesy.pause_s(ONE, REST) == pytest.approx(BEGIN + EVERY_S - REST)
    assert courtesy.pause_s(ONE, REST + RECENT_S - 0.01) > 0
    assert courtesy.pause_s(ONE, REST + RECENT_S + 0.01) == 0


def test_all_that_catch_up_have_the_same_turn() -> None:
    courtesy = Courtesy()
    courtesy.told(OTHER, BEGIN)

    for endpoint in (ONE, THIRD):
        turns = [n for n in range(1_000) if not courtesy.pause_s(endpoint, BEGIN + (n + 0.5) * EVERY_S / 250)]
        assert turns == [n for n in range(1_000) if (n % 250 + 0.5) / 250 < TURN_S / EVERY_S]


def test_a_pause_ends_in_the_turn() -> None:
    courtesy = Courtesy()
    courtesy.told(OTHER, BEGIN)

    for n in range(1, 200):
        now = BEGIN + n / 200 * EVERY_S
        assert courtesy.pause_s(ONE, now + courtesy.pause_s(ONE, now) + 1e-9) == 0


def test_the_last_time_counts_and_who_left_does_not() -> None:
    courtesy = Courtesy()
    courtesy.told(OTHER, REST)
    courtesy.told(THIRD, REST + 0.5)
    courtesy.told(OTHER, REST + 2.0)
    courtesy.forget(THIRD)

    assert courtesy.pause_s(ONE, REST + 2.9) > 0
    courtesy.forget(OTHER)
    assert courtesy.pause_s(ONE, REST + 2.9) == 0
