"""What the start of the embedded engines refuses with."""


class EmbeddedError(Exception):
    """The engines cannot be used here; the message is a sentence that says what to do."""
