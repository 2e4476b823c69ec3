"""Run migrations: one process at a time, each migration in a transaction of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, MetaData, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

import uriba
from uriba.checkout.gateways import sandbox_tables
from uriba.db.base import Base
from uriba.migrate.errors import MigrationBlocked, SchemaMismatch
from uriba.migrate.revisions import known_revisions, scripts, unknown_revision

LOCK_WAIT_S = 600.0
"""How long a process waits for another one that migrates the same database."""

LOCK_POLL_S = 0.2
LOCK_NOT_AVAILABLE = "55P03"

_TRY_LOCK = text("SELECT pg_try_advisory_lock(hashtext('uriba.migrate'))")
_UNLOCK = text("SELECT pg_advisory_unlock(hashtext('uriba.migrate'))")
_CURRENT = text("SELECT version_num FROM alembic_version")
_HAS_REVISION = text("SELECT to_regclass('alembic_version') IS NOT NULL")


def metadata() -> MetaData:
    """Return the tables of all domains."""
    package = Path(uriba.__file__).parent
    for path in sorted(package.rglob("models.py")):
        import_module(".".join(("uriba", *path.relative_to(package).with_suffix("").parts)))
    return Base.metadata


async def migrate(url: str, *, sandbox: bool, lock_wait_s: float = LOCK_WAIT_S) -> None:
    """Bring the schema to the newest revision; with `sandbox`, create the sandbox's tables too.

    Several processes at once take turns. Errors: `SchemaMismatch` where the database is at a revision that this version
    does not know; `MigrationBlocked` where a lock was not free in time: migrations before the blocked one stay applied.
    """
    engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"))
    try:
        async with engine.connect() as connection, _alone(connection, lock_wait_s):
            await _refuse_unknown_revision(connection)
            try:
                await connection.run_sync(_upgrade)
            except DBAPIError as error:
                await _raise_if_blocked(connection, error)
                raise
            if sandbox:
                await connection.run_sync(sandbox_tables.create)
                await connection.commit()
    finally:
        await engine.dispose()


@asynccontextmanager
async def _alone(connection: AsyncConnection, wait_s: float) -> AsyncIterator[None]:
    """Hold the advisory lock of migrations while the block runs. Errors: `MigrationBlocked`.

    A session's lock, because migrations commit. It is polled for: a statement that waits for a lock holds a snapshot,
    which a CREATE INDEX CONCURRENTLY of the process that migrates would wait for, for ever.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + wait_s
    while not await _try_lock(connection):
        if loop.time() > until:
            raise MigrationBlocked(
                f"Another process has been migrating this database for {wait_s:.0f} s. "
                "Wait until it has ended, then run `uriba migrate` again."
            )
        await asyncio.sleep(LOCK_POLL_S)
    try:
        yield
    finally:
        await connection.rollback()
        await connection.execute(_UNLOCK)
        await connection.commit()


async def _try_lock(connection: AsyncConnection) -> bool:
    taken = (await connection.execute(_TRY_LOCK)).scalar_one()
    await connection.commit()
    return bool(taken)


async def _current(connection: AsyncConnection) -> str | None:
    """Return the database's revision, None where it has no schema yet."""
    has_revision = (await connection.execute(_HAS_REVISION)).scalar_one()
    revision = (await connection.execute(_CURRENT)).scalar_one_or_none() if has_revision else None
    await connection.commit()
    return revision


async def _refuse_unknown_revision(connection: AsyncConnection) -> None:
    current = await _current(connection)
    if current is not None and current not in known_revisions():
        raise SchemaMismatch(unknown_revision(current))


async def _raise_if_blocked(connection: AsyncConnection, error: DBAPIError) -> None:
    if getattr(error.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE:
        return
    await connection.rollback()
    current = await _current(connection)
    raise MigrationBlocked(
        "A migration waited too long for a table that is in use and gave up. "
        f"The database is still at revision {current or 'none'}. Run `uriba migrate` again when there is less load."
    ) from error


def config() -> Config:
    """Return alembic's configuration."""
    alembic_config = Config()
    alembic_config.set_main_option("script_location", str(scripts()))
    return alembic_config


def _upgrade(connection: Connection) -> None:
    alembic_config = config()
    alembic_config.attributes["connection"] = connection
    command.upgrade(alembic_config, "head")
    connection.commit()
