"""New migrations as the template makes them: limited waits for locks, concurrent indexes, constraints NOT VALID."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy.exc import IntegrityError

from tests.support.schema_catalog import catalog, execute_statements, first_column
from tests.support.scratch_database import migrated_database
from tests.support.waiting import wait_until
from uriba.migrate import revisions, runner
from uriba.migrate.errors import MigrationBlocked
from uriba.migrate.runner import config as released_config
from uriba.migrate.runner import migrate

if TYPE_CHECKING:
    from tests.support.hub import RunningHub

Write = Callable[..., Path]

REVISION = "SELECT version_num FROM alembic_version"
LOCK_TIMEOUT = "SET LOCAL lock_timeout = '5s'"


@pytest.fixture
async def url(hub: RunningHub) -> AsyncIterator[str]:
    """A database at the newest released revision."""
    assert hub.settings.database_url
    async with migrated_database(hub.settings.database_url) as found:
        yield found


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write the next migration from the template into a temporary folder, which the hub's migrations then include."""
    released = released_config()
    script_location = released.get_main_option("script_location")

    def config() -> Config:
        found = released_config()
        found.set_main_option("path_separator", "newline")
        found.set_main_option("version_locations", f"{script_location}/versions\n{tmp_path}")
        return found

    monkeypatch.setattr(runner, "config", config)
    known = list(revisions.known_revisions())
    monkeypatch.setattr(runner, "known_revisions", lambda: tuple(known))

    def write_next(upgrade: str, *imports: str) -> Path:
        number = f"{len(known) + 1:04}"
        script = command.revision(config(), "next", rev_id=number, version_path=str(tmp_path))
        known.insert(0, number)
        path = Path(script.path)  # type: ignore[union-attr]
        text = path.read_text()
        text = text.replace("    pass\n", f"    {upgrade}\n", 1)
        text = text.replace("revision = ", "\n".join([*imports, "", "revision = "]), 1)
        path.write_text(text)
        return path

    return write_next


def operation(name: str) -> str:
    return f"from uriba.migrate.operations import {name}"


async def test_a_migration_from_the_template_runs(url: str, write: Write) -> None:
    path = write('op.add_column("customer", sa.Column("nickname", sa.Text()))')

    await migrate(url, sandbox=False)

    assert path.read_text().count(LOCK_TIMEOUT) == 2
    assert "customer.nickname" in " ".join((await catalog(url))["columns"])
    assert await first_column(url, REVISION) == [path.name.partition("_")[0]]


async def test_a_blocked_migration_gives_up_and_leaves_the_schema_unchanged(url: str, write: Write) -> None:
    path = write(
        'op.create_table("note", sa.Column("n", sa.Text())); op.add_column("customer", sa.Column("n", sa.Text()))'
    )
    path.write_text(path.read_text().replace(LOCK_TIMEOUT, "SET LOCAL lock_timeout = '200ms'"))
    made, revision = await catalog(url), await first_column(url, REVISION)
    reader = await asyncpg.connect(url)
    reading = reader.transaction()
    await reading.start()
    await reader.fetch("SELECT * FROM customer")

    with pytest.raises(MigrationBlocked, match=f"still at revision {revision[0]}. Run `uriba migrate` again"):
        await migrate(url, sandbox=False)

    assert await catalog(url) == made
    assert await first_column(url, REVISION) == revision
    await reading.rollback()
    await reader.close()
    await migrate(url, sandbox=False)
    assert await first_column(url, REVISION) != revision


async def test_migrations_before_a_failed_one_stay_applied(url: str, write: Write) -> None:
    first = write('op.create_table("note", sa.Column("n", sa.Text()))')
    write('op.execute("SELECT 1 / 0")')

    with pytest.raises(Exception, match="division by zero"):
        await migrate(url, sandbox=False)

    assert await first_column(url, REVISION) == [first.name.partition("_")[0]]
    assert "note.n" in " ".join((await catalog(url))["columns"])


async def test_builds_an_index_while_the_table_is_written_and_others_wait_to_migrate(url: str, write: Write) -> None:
    write('create_index_concurrently("ix_customer_name", "customer", ["name"])', operation("create_index_concurrently"))
    writer = await asyncpg.connect(url)
    writing = writer.transaction()
    await writing.start()
    await writer.execute("INSERT INTO customer (id, email) VALUES (gen_random_uuid(), 'a@example.com')")

    migrations = [asyncio.create_task(migrate(url, sandbox=False)) for _ in range(3)]
    await waits_for_writer(url)
    await execute_statements(url, "INSERT INTO customer (id, email) VALUES (gen_random_uuid(), 'b@example.com')")
    await writing.commit()
    await writer.close()
    await asyncio.gather(*migrations)

    (index,) = [index for index in (await catalog(url))["indexes"] if "ix_customer_name" in index]
    assert "INVALID" not in index


async def waits_for_writer(url: str) -> None:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY%' AND wait_event_type = 'Lock' AND datname = current_database()"

    async def waits() -> bool:
        return await first_column(url, waiting) == ["1"]

    await wait_until(waits)


async def test_an_index_that_failed_is_built_again(url: str, write: Write) -> None:
    await execute_statements(url, "CREATE TABLE note (n int)", "INSERT INTO note VALUES (1), (1)")
    write('create_index_concurrently("uq_note_n", "note", ["n"], unique=True)', operation("create_index_concurrently"))

    with pytest.raises(IntegrityError):
        await migrate(url, sandbox=False)
    after_failure = [index for index in (await catalog(url))["indexes"] if "uq_note_n" in index]
    await execute_statements(url, "DELETE FROM note")
    await migrate(url, sandbox=False)

    assert "INVALID" in after_failure[0]
    (index,) = [index for index in (await catalog(url))["indexes"] if "uq_note_n" in index]
    assert "INVALID" not in index


async def test_adds_a_constraint_first_and_validates_it_later(url: str, write: Write) -> None:
    await execute_statements(url, "CREATE TABLE note (n int)", "INSERT INTO note VALUES (-1)")
    write('add_check_not_valid("ck_note_n", "note", "n > 0")', operation("add_check_not_valid"))
    await migrate(url, sandbox=False)
    write('validate_constraint("ck_note_n", "note")', operation("validate_constraint"))

    with pytest.raises(IntegrityError, match="ck_note_n"):
        await migrate(url, sandbox=False)
    added = [found for found in (await catalog(url))["constraints"] if "ck_note_n" in found]
    await execute_statements(url, "UPDATE note SET n = 1")
    await migrate(url, sandbox=False)

    assert added == ["note ck_note_n CHECK ((n > 0)) NOT VALID"]
    assert "note ck_note_n CHECK ((n > 0))" in (await catalog(url))["constraints"]


async def test_adds_a_foreign_key_without_reading_the_table(url: str, write: Write) -> None:
    await execute_statements(url, "CREATE TABLE note (channel_id bigint)", "INSERT INTO note VALUES (-1)")
    write(
        'add_foreign_key_not_valid("fk_note_channel_id", "note", ["channel_id"], "channel", ["id"])',
        operation("add_foreign_key_not_valid"),
    )

    await migrate(url, sandbox=False)

    assert any("fk_note_channel_id" in found and "NOT VALID" in found for found in (await catalog(url))["constraints"])
