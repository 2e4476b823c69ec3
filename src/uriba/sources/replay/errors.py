"""Errors of a replay."""

from __future__ import annotations


class ReplayError(Exception):
    """The replay stopped. It can be run again."""


class ReplayRefused(ReplayError):
    """This slice cannot be replayed into this hub. Nothing was sent."""


class ReplayFailed(ReplayError):
    """The hub did not start, did not answer, or did not accept a batch."""
