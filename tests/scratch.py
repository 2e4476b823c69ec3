"""Databases of a test's own, in the same server: for what must not meet the hub's relay, or what breaks things."""

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
    """The address of a new database, gone at the end with whoever is still connected to it."""
    name = f"scratch_{uuid4().hex}"
    await _tell(server_url, f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield address(server_url, name)
    finally:
        await _tell(server_url, f"DROP DATABASE {name} WITH (FORCE)")


@asynccontextmanager
async def migrated_database(server_url: str) -> AsyncIterator[str]:
    """The address of a new database with the hub's schema: migrated once, then copied."""
    if server_url not in _templates:
        name = f"template_{uuid4().hex}"
        await _tell(server_url, f"CREATE DATABASE {name} TEMPLATE template0")
        await migrate(address(server_url, name), sandbox=True)
        _templates[server_url] = name
    async with empty_database(server_url, template=_templates[server_url]) as url:
        yield url


@asynccontextmanager
async def scratch_hub(settings: Settings) -> AsyncIterator[tuple[Settings, Database]]:
    """Settings like these with a migrated database of their own, opened."""
    assert settings.database_url
    async with migrated_database(settings.database_url) as url:
        own = settings.model_copy(update={"database_url": url})
        database = open_database(own)
        try:
            yield own, database
        finally:
            await database.close()


def address(server_url: str, name: str) -> str:
    return make_url(server_url).set(database=name).render_as_string(hide_password=False)


async def _tell(server_url: str, statement: str) -> None:
    connection = await asyncpg.connect(server_url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
