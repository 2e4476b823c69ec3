"""The database as every process opens it."""

from __future__ import annotations

from uriba.config import Settings
from uriba.db import Database
from uriba.outbox import event


def open_database(settings: Settings) -> Database:
    """The database, its events written with every transaction."""
    assert settings.database_url
    database = Database(settings.database_url, settings)
    database.before_commit = event.write
    return database
