"""Errors that end the demo."""

from __future__ import annotations


class HubFailed(Exception):
    """The hub's processes did not start, or ended."""


class RequestRefused(Exception):
    """The hub refused a request of the journey, or did not answer it in time."""


class StepFailed(Exception):
    """A step failed, so that the journey cannot continue."""
