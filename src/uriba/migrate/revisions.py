"""The revisions that this version knows, and whether a database is at the newest of them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import uriba
from uriba.db import Session
from uriba.db.statements import statement
from uriba.migrate.errors import SchemaMismatch

SANDBOX_TABLES = ("sandbox_charge", "sandbox_operation")
"""The tables of `uriba.checkout.gateways.sandbox_tables`, which is imported only to create them."""

_PACKAGE = Path(uriba.__file__).parent

_CURRENT = statement("SELECT version_num FROM alembic_version")
_MISSING_TABLES = statement("SELECT count(*) FROM unnest(:names::text[]) AS t(name) WHERE to_regclass(name) IS NULL")


def scripts() -> Path:
    """Return the folder of the migrations. A wheel has it within the package, a checkout beside its sources."""
    packaged = _PACKAGE / "migrations"
    return packaged if packaged.is_dir() else _PACKAGE.parent.parent / "migrations"


@cache
def known_revisions() -> tuple[str, ...]:
    """Return the revisions of this version, the newest first: the files' names begin with them."""
    return tuple(sorted((path.name.partition("_")[0] for path in _versions().glob("[0-9]*_*.py")), reverse=True))


def _versions() -> Path:
    return scripts() / "versions"


async def is_current(session: Session, *, sandbox: bool) -> bool:
    """Return whether the schema is the one that this version needs. Imports nothing of alembic, which takes long."""
    if await _current(session) != known_revisions()[0]:
        return False
    return not sandbox or await _has_sandbox_tables(session)


async def check_schema(session: Session, *, sandbox: bool) -> None:
    """Refuse a database whose schema is not the one that this version needs; change nothing.

    `sandbox`: whether the sandbox's tables are needed too. Errors: `SchemaMismatch`.
    """
    current = await _current(session)
    needed = known_revisions()[0]
    if current is None:
        raise SchemaMismatch("The database has no schema yet. Run `uriba migrate` first.")
    if current not in known_revisions():
        raise SchemaMismatch(unknown_revision(current))
    if current != needed:
        raise SchemaMismatch(
            f"The database is at revision {current}; this version needs {needed}. Run `uriba migrate`."
        )
    if sandbox and not await _has_sandbox_tables(session):
        raise SchemaMismatch("The database has no tables for sandbox payments. Run `uriba migrate`.")


def unknown_revision(current: str) -> str:
    """Return the message for a database at a revision that this version does not know."""
    return (
        f"The database is at revision {current}, which this version of Uriba ({uriba.__version__}) does not know: its "
        f"newest is {known_revisions()[0]}. Install the version that migrated the database, or a newer one."
    )


async def _current(session: Session) -> str | None:
    if await session.fetchval(_MISSING_TABLES, names=["alembic_version"]):
        return None
    return await session.fetchval(_CURRENT)  # type: ignore[no-any-return]


async def _has_sandbox_tables(session: Session) -> bool:
    return not await session.fetchval(_MISSING_TABLES, names=SANDBOX_TABLES)
