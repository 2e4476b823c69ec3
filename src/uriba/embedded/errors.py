"""Errors of the embedded engines."""


class EmbeddedError(Exception):
    """The embedded engines cannot be used here; the message says what to do."""
