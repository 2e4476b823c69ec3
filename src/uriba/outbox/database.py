"""Opening the database with the outbox attached."""

from __future__ import annotations

from uriba.config import Settings
from uriba.db import Database
from uriba.outbox import event


def open_database(settings: Settings) -> Database:
    """Open the database. Emitted events are written with every transaction."""
    assert settings.database_url
    database = Database(settings.database_url, settings)
    database.before_flush = event.write
    return database
