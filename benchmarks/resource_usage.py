"""Resource usage: SQL statements counted by PostgreSQL, and CPU time of the hub's processes."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import asyncpg
import psutil

from benchmarks.hub import Hub
from uriba.outbox import relay

RELAY_STARTED_WITHIN_S = 30
SWEEPS_SETTLE_S = 1.5
TRANSACTION_STATEMENTS = frozenset({"BEGIN", "COMMIT", "ROLLBACK"})

_STATEMENTS = """
    SELECT query, sum(calls)::bigint AS calls FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
    WHERE d.datname = current_database() AND query NOT LIKE '%pg_stat_statements%' GROUP BY query
"""


@dataclass(frozen=True, slots=True)
class Usage:
    """Statements and CPU seconds, since the start or of a span of time."""

    statements: int
    api_cpu_s: float
    postgres_cpu_s: float

    def since(self, before: Usage) -> Usage:
        return Usage(
            self.statements - before.statements,
            self.api_cpu_s - before.api_cpu_s,
            self.postgres_cpu_s - before.postgres_cpu_s,
        )


class UsageMeter:
    """Reads the resource usage of one hub.

    pg_stat_statements does not distinguish the API from the worker. So the worker's statements are those that were
    seen before the first request, and they are left out. Its BEGIN and COMMIT look like those of the API: two are
    subtracted for each turn of the relay, which are counted by the relay's own statement. The BEGIN and COMMIT of the
    sweeps, less than one a second, are not subtracted.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._worker_statements = self._read_worker_statements()

    def read(self) -> Usage:
        """Return the usage since the hub's start."""
        calls = _calls_by_statement(self._hub.database_url)
        counted = sum(number for query, number in calls.items() if query not in self._worker_statements)
        statements = counted - 2 * calls[relay._LOCK_FEED.sql]
        return Usage(statements, sum(map(_cpu_s, self._hub.api_processes)), _cpu_s(self._hub.postgres))

    def _read_worker_statements(self) -> frozenset[str]:
        """Return the statements before the first request: migrations, relay, and the sweeps at the worker's start."""
        asyncio.run(_create_extension(self._hub.database_url))
        until = time.monotonic() + RELAY_STARTED_WITHIN_S
        while relay._LOCK_FEED.sql not in _calls_by_statement(self._hub.database_url):
            assert time.monotonic() < until, "the worker's relay has not started"
            time.sleep(0.1)
        time.sleep(SWEEPS_SETTLE_S)
        return frozenset(_calls_by_statement(self._hub.database_url)) - TRANSACTION_STATEMENTS


async def _create_extension(url: str) -> None:
    driver = await asyncpg.connect(url)
    try:
        await driver.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    finally:
        await driver.close()


def _calls_by_statement(url: str) -> dict[str, int]:
    async def fetch() -> dict[str, int]:
        driver = await asyncpg.connect(url)
        try:
            return {row["query"]: row["calls"] for row in await driver.fetch(_STATEMENTS)}
        finally:
            await driver.close()

    return asyncio.run(fetch())


def _cpu_s(process: psutil.Process) -> float:
    """Return the CPU time of a process and its children, including children that have ended."""
    own = process.cpu_times()
    total = own.user + own.system + own.children_user + own.children_system
    for child in process.children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return float(total)
