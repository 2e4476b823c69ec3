"""One PostgreSQL and one Valkey for all processes of a test run. Each process has a database of its own in both."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
from sqlalchemy import make_url

from uriba import embedded
from uriba.embedded import EngineAddresses, locks
from uriba.migrate.runner import migrate

TEMPLATE = "template_uriba"
"""A database with the hub's schema. Databases of tests are copies of it."""

CONNECTIONS = 195
"""Connections of PostgreSQL that the pools of all workers share. It allows 200."""

VALKEY_DATABASES = 16

TEMPLATE_S = 120


def worker_number() -> int:
    """Return the number of this process among the workers of pytest-xdist; 0 without pytest-xdist."""
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


def pool_size() -> int:
    """Return the size of a pool: a worker has up to three at a time, of the API, of the test, and of another database.

    Tests open up to 13 connections of one pool at a time. With at most 4 workers a pool has at least 16.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    return min(20, CONNECTIONS // (3 * workers))


def run_folder(base: Path) -> Path:
    """Return the folder of the run's engines. `base`: pytest's temporary folder of this process."""
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "engines"


@asynccontextmanager
async def shared_engines(folder: Path) -> AsyncIterator[EngineAddresses]:
    """Yield the addresses of this process's databases. The first process starts the engines, the last one stops them."""
    number = worker_number()
    with embedded.run_engines(folder) as server:
        await _create_template(server.database_url, folder)
        name = f"hub_{number}"
        await execute(server.database_url, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        yield EngineAddresses(
            database_url(server.database_url, name), f"{server.valkey_url}?db={number % VALKEY_DATABASES}"
        )


def stop_engines(folder: Path) -> None:
    """Stop engines that a killed process has left running."""
    if embedded.has_database(folder) and embedded.find_engines(folder):
        with embedded.run_engines(folder):
            """The last program that uses the engines stops them."""


def database_url(server_url: str, name: str) -> str:
    """Return the URL of another database of this server."""
    return make_url(server_url).set(database=name).render_as_string(hide_password=False)


async def execute(url: str, sql: str) -> None:
    """Run one statement outside of a transaction."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


async def _create_template(server_url: str, folder: Path) -> None:
    """Create the template unless another process has done so."""
    created = folder / f"{TEMPLATE}.created"
    with locks.exclusive_lock(folder / f"{TEMPLATE}.lock", within_s=TEMPLATE_S):
        if not created.exists():
            await execute(server_url, f"CREATE DATABASE {TEMPLATE} TEMPLATE template0")
            await migrate(database_url(server_url, TEMPLATE), sandbox=True)
            created.touch()
