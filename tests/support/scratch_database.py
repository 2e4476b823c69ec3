"""Create separate databases in the tests' PostgreSQL: for tests that must not share the hub's relay, and for
destructive tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from tests.support.engines import TEMPLATE, database_url, execute
from uriba.config import Settings
from uriba.db import Database
from uriba.outbox.database import open_database


@asynccontextmanager
async def empty_database(server_url: str, *, template: str = "template0") -> AsyncIterator[str]:
    """Create a database and yield its URL; drop it at the end, together with its open connections."""
    name = f"scratch_{uuid4().hex}"
    await execute(server_url, f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield database_url(server_url, name)
    finally:
        await execute(server_url, f"DROP DATABASE {name} WITH (FORCE)")


@asynccontextmanager
async def migrated_database(server_url: str) -> AsyncIterator[str]:
    """Create a database with the hub's schema and yield its URL; drop it at the end."""
    async with empty_database(server_url, template=TEMPLATE) as url:
        yield url


@asynccontextmanager
async def open_scratch_database(settings: Settings) -> AsyncIterator[tuple[Settings, Database]]:
    """Yield these settings with a separate migrated database, and that database, opened."""
    assert settings.database_url
    async with migrated_database(settings.database_url) as url:
        own_settings = settings.model_copy(update={"database_url": url})
        database = open_database(own_settings)
        try:
            yield own_settings, database
        finally:
            await database.close()
