"""Alembic's environment: each migration is a transaction of its own.

`uriba migrate` passes its connection, which holds the lock of migrations. The commands of alembic itself, for development,
have no such connection and use URIBA_DATABASE_URL.
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


hub_connection: Connection | None = context.config.attributes.get("connection")
if hub_connection is not None:
    run(hub_connection)
else:
    asyncio.run(connect())
