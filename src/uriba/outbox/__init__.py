"""The outbox: events are written with the change, numbered by the relay, and read from the feed."""

from uriba.outbox.event import Event, emit

__all__ = ["Event", "emit"]
