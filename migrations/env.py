"""Alembic's environment: each migration is a transaction of its own.

The hub gives its connection, on which it holds the lock of migrations. Without one, for alembic's own commands in
development, the database is URIBA_DATABASE_URL.
"""

from __future__ import annotations

import asyncio

from alembic import context
from sqlalchemy import Connection, make_url
from sqlalchemy.ext.asyncio import create_async_engine

from uriba.checkout.gateways import sandbox_tables
from uriba.config import process_settings
from uriba.migrate.runner import metadata


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata(),
        transaction_per_migration=True,
        compare_server_default=False,
        include_name=lambda name, kind, _: kind != "table" or name not in sandbox_tables.TABLES,
    )
    with context.begin_transaction():
        context.run_migrations()


async def connect() -> None:
    url = process_settings().database_url
    if not url:
        raise SystemExit("Set URIBA_DATABASE_URL.")
    engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"))
    async with engine.connect() as connection:
        await connection.run_sync(run)
        await connection.commit()
    await engine.dispose()


given: Connection | None = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    asyncio.run(connect())
