"""Real processes of the hub on their own PostgreSQL and Valkey, connected through proxies that inject faults."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx

from tests.support.client import Client
from tests.support.fault_proxy import FaultProxy, fault_proxy
from tests.support.ports import free_port
from tests.support.waiting import wait_until
from uriba import embedded
from uriba.config import Settings
from uriba.db import Database
from uriba.db.statements import statement
from uriba.embedded import data_dir, locks, postgres, valkey
from uriba.migrate.runner import migrate
from uriba.outbox.database import open_database

READY_S = 60
UNREACHABLE_VALKEY = "redis://127.0.0.1:1"

_NOT_LEASED = statement(
    "SELECT count(*) FROM endpoint WHERE deleted_at IS NULL AND coalesce(lease_until, '-infinity') < now()"
)


@dataclass
class HubProcesses:
    """One API process and some workers. `database` bypasses the proxies, to look at effects."""

    folder: Path
    settings: Settings
    database: Database
    postgres_proxy: FaultProxy
    valkey_proxy: FaultProxy
    port: int
    with_valkey: bool = True
    api: subprocess.Popen[bytes] | None = None
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/graphql"

    def client(self, key: str | None = None, *, channel: str | None = None) -> Client:
        return Client(self.url, key=key, channel=channel)

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        env = {name: value for name, value in os.environ.items() if not name.startswith("URIBA_")}
        env |= {
            "URIBA_DATA_DIR": str(self.folder),
            "URIBA_DATABASE_URL": f"postgresql://uriba@127.0.0.1:{self.postgres_proxy.port}/uriba",
            "URIBA_VALKEY_URL": f"redis://127.0.0.1:{self.valkey_proxy.port}"
            if self.with_valkey
            else UNREACHABLE_VALKEY,
            "URIBA_PORT": str(self.port),
            "URIBA_DATABASE_POOL_SIZE": "8",
            "URIBA_WEBHOOK_RETRY_S": json.dumps([0.2, 0.5] + [1.0] * 48),
            "URIBA_WEBHOOK_TIMEOUT_S": "1",
            "URIBA_WEBHOOK_LEASE_S": "2",
            "URIBA_WEBHOOK_COALESCE_S": "3",
            "URIBA_LOG_LEVEL": "WARNING",
        }
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "uriba", name], env=env, stdout=log, stderr=log, start_new_session=True
            )

    async def start(self, *, workers: int) -> None:
        """Start the API and workers up to this number, and wait for the API."""
        if self.api is None:
            self.api = self._start("api")
        while len(self.workers) < workers:
            self.workers.append(self._start("worker"))
        await wait_until(self._ready, within_s=READY_S)

    async def _ready(self) -> bool:
        try:
            async with httpx.AsyncClient() as http:
                return (await http.get(f"http://127.0.0.1:{self.port}/health/ready")).status_code in {200, 503}
        except httpx.TransportError:
            return False

    def kill(self, worker: subprocess.Popen[bytes]) -> None:
        """Send SIGKILL: the process cannot clean up."""
        assert worker.poll() is None, "the worker had ended before"
        worker.kill()
        worker.wait()
        self.workers.remove(worker)

    def freeze(self, worker: subprocess.Popen[bytes]) -> None:
        worker.send_signal(signal.SIGSTOP)

    def resume(self, worker: subprocess.Popen[bytes]) -> None:
        worker.send_signal(signal.SIGCONT)

    def kill_all(self) -> None:
        for process in [*self.workers, *([self.api] if self.api else [])]:
            process.kill()
            process.wait()
        self.workers.clear()
        self.api = None

    async def restart_postgres(self) -> None:
        """Stop PostgreSQL, which breaks all connections, and start it again."""
        await asyncio.to_thread(self._restart_postgres)

    def _restart_postgres(self) -> None:
        programs = (postgres.program("postgres"), valkey.program())
        server = postgres.Postgres(data_dir.prepare(self.folder, data=self.folder / "postgres", programs=programs))
        server.stop()
        assert locks.wait_until(lambda: locks.is_free(server.lock), within_s=READY_S)
        with locks.open_lock(server.lock) as lock:
            assert locks.try_lock(lock, fcntl.LOCK_EX)
            server.start(lock)

    async def wait_until_endpoints_leased(self) -> None:
        """Wait until every endpoint is leased."""

        async def look() -> bool:
            async with self.database.reading() as session:
                return not await session.fetchval(_NOT_LEASED)

        await wait_until(look, within_s=READY_S)


@asynccontextmanager
async def hub_processes(folder: Path) -> AsyncIterator[HubProcesses]:
    """Start engines and proxies and migrate the database, without any process of the hub yet."""
    with embedded.run_engines(folder) as engines:
        await migrate(engines.database_url, sandbox=True)
        settings = Settings(data_dir=folder, database_url=engines.database_url, valkey_url=engines.valkey_url)
        database = open_database(settings)
        socket_folder = parse_qs(urlsplit(engines.database_url).query)["host"][0]
        async with (
            fault_proxy(f"{socket_folder}/.s.PGSQL.5432") as postgres_proxy,
            fault_proxy(urlsplit(engines.valkey_url).path) as valkey_proxy,
        ):
            found = HubProcesses(folder, settings, database, postgres_proxy, valkey_proxy, free_port())
            try:
                yield found
            finally:
                found.kill_all()
                await database.close()
