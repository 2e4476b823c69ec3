"""Courtesy: who catches up lets others go first, and nobody else."""

from __future__ import annotations

from uuid import UUID

from uriba.channels.courtesy import BEHIND_AT_ONCE, RECENT_S, Courtesy

ONE, OTHER, THIRD = UUID(int=1), UUID(int=2), UUID(int=3)


def test_alone_it_catches_up_as_fast_as_it_can() -> None:
    courtesy = Courtesy()
    courtesy.told(ONE, 10.0)

    assert courtesy.at_once(ONE, 10.0, 8) == 8


def test_lets_those_go_first_that_were_told_something_just_now() -> None:
    courtesy = Courtesy()
    courtesy.told(OTHER, 10.0)
    courtesy.told(ONE, 10.1)

    assert courtesy.at_once(ONE, 10.2, 8) == BEHIND_AT_ONCE
    assert courtesy.at_once(ONE, 10.0 + RECENT_S, 8) == BEHIND_AT_ONCE
    assert courtesy.at_once(ONE, 10.01 + RECENT_S, 8) == 8


def test_the_last_time_counts_and_who_left_does_not() -> None:
    courtesy = Courtesy()
    courtesy.told(OTHER, 10.0)
    courtesy.told(THIRD, 10.5)
    courtesy.told(OTHER, 12.0)
    courtesy.forget(THIRD)

    assert courtesy.at_once(ONE, 12.9, 8) == BEHIND_AT_ONCE
    courtesy.forget(OTHER)
    assert courtesy.at_once(ONE, 12.9, 8) == 8
