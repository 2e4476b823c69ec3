"""What goes wrong with a replay."""

from __future__ import annotations


class ReplayError(Exception):
    """The replay stopped; it can be run again."""


class ReplayRefused(ReplayError):
    """This hub is not one to replay that into; nothing was sent."""


class ReplayFailed(ReplayError):
    """The hub did not start, did not answer, or did not take what a till sent."""
