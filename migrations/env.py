"""Alembic's environment: one connection, given by the hub or made from URIBA_DATABASE_URL."""

from __future__ import annotations

import asyncio

from alembic import context
from sqlalchemy import Connection, make_url
from sqlalchemy.ext.asyncio import create_async_engine

from uriba.migrate import metadata


def run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata(), compare_server_default=False)
    with context.begin_transaction():
        context.run_migrations()


async def connect(url: str) -> None:
    engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"))
    async with engine.begin() as connection:
        await connection.run_sync(run)
    await engine.dispose()


given: Connection | None = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    asyncio.run(connect(context.config.get_main_option("sqlalchemy.url") or ""))
