"""Create separate databases in the tests' PostgreSQL: for tests that must not share the hub's relay, and for
destructive tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
from sqlalchemy import make_url

from uriba.config import Settings
from uriba.db import Database
from uriba.migrate.runner import migrate
from uriba.outbox.database import open_database

_templates: dict[str, str] = {}


@asynccontextmanager
async def empty_database(server_url: str, *, template: str = "template0") -> AsyncIterator[str]:
    """Create a database and yield its URL; drop it at the end, together with its open connections."""
    name = f"scratch_{uuid4().hex}"
    await _execute(server_url, f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield database_url(server_url, name)
    finally:
        await _execute(server_url, f"DROP DATABASE {name} WITH (FORCE)")


@asynccontextmanager
async def migrated_database(server_url: str) -> AsyncIterator[str]:
    """Create a database with the hub's schema and yield its URL. One template is migrated, and copied for each test."""
    if server_url not in _templates:
        name = f"template_{uuid4().hex}"
        await _execute(server_url, f"CREATE DATABASE {name} TEMPLATE template0")
        await migrate(database_url(server_url, name), sandbox=True)
        _templates[server_url] = name
    async with empty_database(server_url, template=_templates[server_url]) as url:
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


def database_url(server_url: str, name: str) -> str:
    """Return the URL of another database of this server."""
    return make_url(server_url).set(database=name).render_as_string(hide_password=False)


async def _execute(server_url: str, sql: str) -> None:
    connection = await asyncpg.connect(server_url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()
