"""What stops a till's command, in sentences for the person in front of it."""

from __future__ import annotations


class TillError(Exception):
    """A command cannot go on. What the till has written down stays written down."""


class NotOpened(TillError):
    """There is no till in this folder."""


class InUse(TillError):
    """Another command works in this folder."""


class JournalDamaged(TillError):
    """A line of the journal, other than its last, is not what was written."""


class Unsellable(TillError):
    """What was asked for cannot be rung up."""


class Unreachable(TillError):
    """The hub gave no answer that can be relied on: what was sent stays pending, and is sent again."""

    def __init__(self, message: str, *, pause_s: float = 0) -> None:
        self.pause_s = pause_s
        super().__init__(message)


class KeyRefused(TillError):
    """The hub does not know this key any more, or it is no terminal's. Trying again does not help."""


class NotUnderstood(TillError):
    """The hub refused the request as a whole, or answered what no hub should."""


class TooLarge(TillError):
    """The batch has more events or bytes than the hub takes at once."""


class EventMalformed(TillError):
    """One event of the batch cannot even be read; `index` counts from 0."""

    def __init__(self, index: int, message: str) -> None:
        self.index = index
        super().__init__(message)
