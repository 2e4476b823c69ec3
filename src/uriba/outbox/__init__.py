"""How facts leave the database: written with the change, numbered by the relay, told as hints."""

from uriba.outbox.event import Event, emit

__all__ = ["Event", "emit"]
