"""Commands that run the hub's processes or migrate its database."""

from __future__ import annotations

import asyncio
import os
import time

from uriba import supervisor
from uriba.cli.options import DataDir, Host, Port, Processes, check_database, read_settings, running_engines, stderr


def up(data_dir: DataDir = None, host: Host = None, port: Port = None, processes: Processes = None) -> None:
    """Run the hub: API, worker and, where no servers are configured, the embedded engines. SIGTERM drains."""
    from uriba.migrate.runner import migrate as migrate_database

    settings = read_settings(data_dir, host=host, port=port, processes=processes)
    supervisor.find_port(settings.host, settings.port)
    with supervisor.exit_on_signals(), running_engines(settings, create=True, quiet=False) as ready:
        assert ready.database_url
        began = time.perf_counter()
        asyncio.run(migrate_database(ready.database_url, sandbox=ready.has_sandbox))
        stderr.print(f"  schema current in {time.perf_counter() - began:.1f} s")
        stderr.print(f"  http://{ready.host}:{ready.port}/graphql")
        supervisor.supervise(ready)


def api(data_dir: DataDir = None, host: Host = None, port: Port = None, processes: Processes = None) -> None:
    """Run API processes only."""
    import uvicorn

    settings = read_settings(data_dir, host=host, port=port, processes=processes)
    supervisor.find_port(settings.host, settings.port)
    with supervisor.exit_on_signals(), running_engines(settings) as ready:
        check_database(ready)
        os.environ.update(supervisor.to_environment(ready))
        uvicorn.run(
            "uriba.app:create",
            factory=True,
            host=ready.host,
            port=ready.port,
            workers=ready.processes,
            http="httptools",
            ws="websockets-sansio",
            ws_per_message_deflate=False,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(ready.trusted_proxies),
            forwarded_allow_ips=ready.trusted_proxies or None,
            timeout_graceful_shutdown=15,
        )


def worker(data_dir: DataDir = None) -> None:
    """Run the worker only: the relay, the webhook dispatcher and the sweeps."""
    from uriba.worker import runner

    with supervisor.exit_on_signals(), running_engines(read_settings(data_dir)) as ready:
        check_database(ready)
        asyncio.run(runner.run(ready))


def migrate(data_dir: DataDir = None) -> None:
    """Bring the database's schema to the newest revision."""
    from uriba.migrate.runner import migrate as migrate_database

    with running_engines(read_settings(data_dir), create=True) as ready:
        assert ready.database_url
        asyncio.run(migrate_database(ready.database_url, sandbox=ready.has_sandbox))
