"""The schema: brought to the newest migration, by one process at a time."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, MetaData, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

import uriba
from uriba.db.base import Base

HERE = Path(__file__).parent


def folder(name: str) -> Path:
    """A folder that the wheel carries within the package, and a checkout beside its sources."""
    packaged = HERE / name
    return packaged if packaged.is_dir() else HERE.parent.parent / name


def metadata() -> MetaData:
    """Every domain's tables."""
    for module in walk_packages(uriba.__path__, "uriba."):
        if module.name.endswith(".models") or module.name == "uriba.db.idempotency":
            import_module(module.name)
    return Base.metadata


def config() -> Config:
    found = Config()
    found.set_main_option("script_location", str(folder("migrations")))
    return found


async def migrate(url: str) -> None:
    """Run what is missing; several processes at once take turns."""
    engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"))
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('uriba.migrate'))"))
            await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()


def _upgrade(connection: Connection) -> None:
    found = config()
    found.attributes["connection"] = connection
    command.upgrade(found, "head")
