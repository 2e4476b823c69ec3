"""Errors that end a till's command. Each message is a complete sentence for the person at the till."""

from __future__ import annotations


class TillError(Exception):
    """A command cannot continue. Records that are already in the journal stay there."""


class TillNotOpened(TillError):
    """The folder holds no till."""


class TillInUse(TillError):
    """Another command is using the folder."""


class JournalDamaged(TillError):
    """A journal line other than the last one does not match its checksum."""


class InvalidInput(TillError):
    """The lines or tenders that the cashier entered are invalid."""


class HubUnavailable(TillError):
    """The hub gave no usable answer. The events stay pending and are sent again."""

    def __init__(self, message: str, *, retry_after_s: float = 0) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)


class KeyRejected(TillError):
    """The key is unknown, revoked, or not a terminal's key. Retrying does not help."""


class ProtocolError(TillError):
    """The hub rejected the request as a whole, or its answer does not follow the protocol."""


class BatchTooLarge(TillError):
    """The batch has more events or bytes than the hub accepts in one request."""


class MalformedEvent(TillError):
    """The hub cannot parse one event of the batch. `index` is its position in the batch, from 0."""

    def __init__(self, index: int, message: str) -> None:
        self.index = index
        super().__init__(message)
