"""The hub under test, and its settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.support.client import Client
from tests.support.engines import pool_size
from uriba import embedded
from uriba.config import Settings
from uriba.db import Database
from uriba.worker.sweeps import WorkerContext


@dataclass(frozen=True, slots=True)
class RunningHub:
    """The hub under test. Tests read effects from its database."""

    url: str
    settings: Settings
    database: Database
    work: WorkerContext

    def client(self, key: str | None = None, *, channel: str | None = None) -> Client:
        return Client(self.url, key=key, channel=channel)


def make_settings(engines: embedded.EngineAddresses, folder: Path, **overrides: object) -> Settings:
    return Settings(
        data_dir=folder,
        database_url=engines.database_url,
        valkey_url=engines.valkey_url,
        database_pool_size=pool_size(),
        gateway_timeout_s=2.0,
        webhook_retry_s=(0.1, 0.2, 0.3),
        webhook_timeout_s=3.0,
        log_level="ERROR",
        **overrides,  # type: ignore[arg-type]
    )
