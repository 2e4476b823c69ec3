"""Commands that run the hub's processes or migrate its database."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from tempfile import TemporaryDirectory

from uriba.cli.options import DataDir, Host, Port, Processes, check_database, read_settings, running_engines, stderr
from uriba.config import Settings
from uriba.listener import bind
from uriba.migrate.revisions import is_current
from uriba.outbox.database import open_database
from uriba.supervisor import Program, Supervisor, exit_on_signals


def up(data_dir: DataDir = None, host: Host = None, port: Port = None, processes: Processes = None) -> None:
    """Run the hub: API, worker and, where no servers are configured, the embedded engines. SIGTERM drains."""
    settings = read_settings(data_dir, host=host, port=port, processes=processes)
    with exit_on_signals(), ExitStack() as stack:
        listener = stack.enter_context(bind(settings.host, settings.port))
        stack.enter_context(_shared_metrics())
        with ThreadPoolExecutor(1) as pool, _without_garbage_collection():
            # The engines start while the code is imported.
            engines = pool.submit(stack.enter_context, running_engines(settings, create=True, quiet=False))
            from uriba.api_server import ApiServer

            settings = engines.result()
        began = time.perf_counter()
        asyncio.run(_migrate(settings))
        stderr.print(f"  schema current in {time.perf_counter() - began:.1f} s")
        supervisor = stack.enter_context(Supervisor())
        stack.callback(listener.close)
        server = ApiServer(settings, listener)
        for name in _api_names(settings):
            supervisor.start(Program(name, server.run))
        with _without_garbage_collection():
            # Imported while the API process starts, which does not need it.
            from uriba.worker import runner
        supervisor.start(Program("worker", partial(runner.run_until_terminated, settings)))
        stderr.print(f"  http://{settings.host}:{listener.getsockname()[1]}/graphql")
        supervisor.keep_running()


def api(data_dir: DataDir = None, host: Host = None, port: Port = None, processes: Processes = None) -> None:
    """Run API processes only."""
    settings = read_settings(data_dir, host=host, port=port, processes=processes)
    with exit_on_signals(), ExitStack() as stack:
        listener = stack.enter_context(bind(settings.host, settings.port))
        settings = stack.enter_context(running_engines(settings))
        check_database(settings)
        if settings.processes > 1:
            stack.enter_context(_shared_metrics())
        with _without_garbage_collection():
            from uriba.api_server import ApiServer
        server = ApiServer(settings, listener)
        if settings.processes == 1:
            server.run(_no_supervisor)
            return
        supervisor = stack.enter_context(Supervisor())
        stack.callback(listener.close)
        for name in _api_names(settings):
            supervisor.start(Program(name, server.run))
        supervisor.keep_running()


def worker(data_dir: DataDir = None) -> None:
    """Run the worker only: the relay, the webhook dispatcher and the sweeps."""
    with exit_on_signals(), running_engines(read_settings(data_dir)) as ready:
        check_database(ready)
        from uriba.worker import runner

        runner.run_until_terminated(ready, _no_supervisor)


def migrate(data_dir: DataDir = None) -> None:
    """Bring the database's schema to the newest revision."""
    with running_engines(read_settings(data_dir), create=True) as ready:
        asyncio.run(_migrate(ready))


async def _migrate(settings: Settings) -> None:
    """Bring the schema to the newest revision, unless it is there already. Errors: those of `migrate.runner`."""
    assert settings.database_url
    database = open_database(settings)
    try:
        async with database.reading() as session:
            if await is_current(session, sandbox=settings.has_sandbox):
                return
    finally:
        await database.close()
    from uriba.migrate import runner

    await runner.migrate(settings.database_url, sandbox=settings.has_sandbox)


def _api_names(settings: Settings) -> list[str]:
    """Return the names of the API processes: `api`, or `api 1`, `api 2` … for several."""
    return ["api"] if settings.processes == 1 else [f"api {number}" for number in range(1, settings.processes + 1)]


def _no_supervisor() -> None:
    """The heartbeat of a process that no supervisor watches."""


@contextmanager
def _shared_metrics() -> Iterator[None]:
    """Let the processes share a folder for their metrics, so that each API process can show those of all.

    prometheus_client reads the variable when it is imported, which must be later.
    """
    with TemporaryDirectory(prefix="uriba-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        yield


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Turn garbage collection off while code is imported: an import creates many objects, and all of them stay."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
