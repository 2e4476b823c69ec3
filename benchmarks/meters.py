"""Meters: what PostgreSQL was asked, and the CPU time that the server's processes took."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import asyncpg
import psutil

from benchmarks.hub import Hub
from uriba.outbox import relay

STARTED_S = 30
SETTLED_S = 1.5
TRANSACTION = frozenset({"BEGIN", "COMMIT", "ROLLBACK"})

_STATEMENTS = """
    SELECT query, sum(calls)::bigint AS calls FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
    WHERE d.datname = current_database() AND query NOT LIKE '%pg_stat_statements%' GROUP BY query
"""


@dataclass(frozen=True, slots=True)
class Reading:
    """The meters at one moment: statements counted, CPU seconds."""

    statements: int
    api_cpu_s: float
    postgres_cpu_s: float

    def since(self, before: Reading) -> Reading:
        return Reading(
            self.statements - before.statements,
            self.api_cpu_s - before.api_cpu_s,
            self.postgres_cpu_s - before.postgres_cpu_s,
        )


class Meters:
    """Reads the meters of one hub.

    pg_stat_statements does not tell the API from the worker: both are one program to PostgreSQL. The worker is known
    by what it says while nobody asks for anything: a statement that was seen before the first request is not a
    request's. Its BEGIN and COMMIT look like everyone's, so two are taken off for each turn of the relay, which are
    counted by the relay's own statement. What stays in are the sweeps' BEGIN and COMMIT, less than one a second.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._idle = self._seen_while_idle()

    def read(self) -> Reading:
        """The meters now."""
        said = _ask(self._hub.database_url, _STATEMENTS)
        asked = sum(calls for query, calls in said.items() if query not in self._idle)
        return Reading(asked - 2 * said[relay._LOCK_FEED.sql], _cpu_s(self._hub.api), _cpu_s(self._hub.postgres))

    def _seen_while_idle(self) -> frozenset[str]:
        """What the hub says by itself: migrations, the relay, and the sweeps, which all run as the worker starts."""
        _ask(self._hub.database_url, "CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        until = time.monotonic() + STARTED_S
        while relay._LOCK_FEED.sql not in _ask(self._hub.database_url, _STATEMENTS):
            assert time.monotonic() < until, "the worker has not begun to relay"
            time.sleep(0.1)
        time.sleep(SETTLED_S)
        return frozenset(_ask(self._hub.database_url, _STATEMENTS)) - TRANSACTION


def _ask(url: str, sql: str, *given: Any) -> dict[str, int]:
    """Rows of two columns, on a connection of its own."""

    async def ask() -> dict[str, int]:
        driver = await asyncpg.connect(url)
        try:
            return {row[0]: row[1] for row in await driver.fetch(sql, *given)}
        finally:
            await driver.close()

    return asyncio.run(ask())


def _cpu_s(process: psutil.Process) -> float:
    """CPU time of a process and its children, those that have ended included."""
    own = process.cpu_times()
    spent = own.user + own.system + own.children_user + own.children_system
    for child in process.children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        spent += times.user + times.system
    return float(spent)
