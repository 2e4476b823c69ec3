"""Migrations: they make the schema that the models say, forwards, backwards, again, and by several at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import asyncpg
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from scratch import empty_database
from uriba import migrate

if TYPE_CHECKING:
    from conftest import RunningHub

CATALOG = {
    "columns": """
        SELECT attrelid::regclass || '.' || attname || ' ' || format_type(atttypid, atttypmod)
            || CASE WHEN attnotnull THEN ' not null' ELSE '' END || ' identity:' || attidentity::text
            || ' generated:' || attgenerated::text || ' default:' || coalesce(pg_get_expr(adbin, adrelid), '')
        FROM pg_attribute LEFT JOIN pg_attrdef ON (adrelid, adnum) = (attrelid, attnum)
        JOIN pg_class c ON c.oid = attrelid
        WHERE attnum > 0 AND NOT attisdropped AND c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
            AND c.relname <> 'alembic_version'
    """,
    "constraints": """
        SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace AND contype <> 'n' AND conrelid <> 0
            AND conrelid::regclass::text <> 'alembic_version'
    """,
    "indexes": """
        SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'
    """,
}
LEFTOVERS = """
    SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S', 'v')
        AND relname <> 'alembic_version'
    UNION ALL
    SELECT p.proname FROM pg_proc p WHERE pronamespace = 'public'::regnamespace AND NOT EXISTS (
        SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
"""


async def run(url: str, work: Callable[[Connection], object]) -> object:
    engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"))
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(work)
    finally:
        await engine.dispose()


async def rows(url: str, sql: str) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        return sorted(str(row[0]) for row in await connection.fetch(sql))
    finally:
        await connection.close()


def differences(connection: Connection) -> object:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return compare_metadata(context, migrate.metadata())


def make_from_models(connection: Connection) -> None:
    # What the models need and do not make themselves.
    connection.execute(text("CREATE EXTENSION pg_trgm"))
    connection.execute(text("CREATE SEQUENCE order_number"))
    migrate.metadata().create_all(connection)


def downgrade(connection: Connection) -> None:
    config = migrate.config()
    config.attributes["connection"] = connection
    command.downgrade(config, "base")


async def test_the_migrated_schema_is_that_of_the_models(hub: RunningHub) -> None:
    assert hub.settings.database_url
    async with (
        empty_database(hub.settings.database_url) as migrated,
        empty_database(hub.settings.database_url) as modelled,
    ):
        await migrate.migrate(migrated)
        await run(modelled, make_from_models)

        assert await run(migrated, differences) == []
        for what, sql in CATALOG.items():
            assert await rows(migrated, sql) == await rows(modelled, sql), what
        assert len(await rows(migrated, CATALOG["columns"])) > 100


async def test_a_migration_goes_back_without_a_trace_and_forwards_again(hub: RunningHub) -> None:
    assert hub.settings.database_url
    async with empty_database(hub.settings.database_url) as url:
        await migrate.migrate(url)
        made = {what: await rows(url, sql) for what, sql in CATALOG.items()}

        await run(url, downgrade)
        left = await rows(url, LEFTOVERS)
        await migrate.migrate(url)

        assert left == []
        assert {what: await rows(url, sql) for what, sql in CATALOG.items()} == made


async def test_migrating_again_changes_nothing_and_several_at_once_take_turns(hub: RunningHub) -> None:
    assert hub.settings.database_url
    async with empty_database(hub.settings.database_url) as url:
        await asyncio.gather(*(migrate.migrate(url) for _ in range(4)))
        made = {what: await rows(url, sql) for what, sql in CATALOG.items()}
        await migrate.migrate(url)

        assert {what: await rows(url, sql) for what, sql in CATALOG.items()} == made
        assert await rows(url, "SELECT version_num FROM alembic_version") == [head()]
        assert await rows(url, "SELECT position FROM feed") == ["0"]


def head() -> str:
    (found,) = ScriptDirectory.from_config(migrate.config()).get_heads()
    return found


async def test_a_migration_that_fails_leaves_the_database_as_it_was(hub: RunningHub) -> None:
    assert hub.settings.database_url
    async with empty_database(hub.settings.database_url) as url:
        connection = await asyncpg.connect(url)
        await connection.execute("CREATE TABLE cart (mine int)")
        await connection.close()

        (failed,) = await asyncio.gather(migrate.migrate(url), return_exceptions=True)

        assert "already exists" in str(failed)
        assert await rows(url, LEFTOVERS) == ["cart"]


def test_there_is_one_line_of_migrations_and_each_has_a_way_back() -> None:
    scripts = ScriptDirectory.from_config(migrate.config())

    revisions = list(scripts.walk_revisions())

    assert len(scripts.get_heads()) == len(scripts.get_bases()) == 1
    assert all(callable(getattr(revision.module, "downgrade", None)) for revision in revisions)
