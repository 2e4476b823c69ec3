"""Settings of connectors: their folders, and the times of runs and retries."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ConnectorSettings(BaseSettings):
    """Each setting is an environment variable with the prefix URIBA_CONNECTOR_. Times are in seconds."""

    model_config = SettingsConfigDict(env_prefix="URIBA_CONNECTOR_")

    dir: Path | None = Field(
        default=None, description="the connectors' folders; default: connectors/ in the data folder"
    )
    lease_s: float = Field(default=60, gt=0, description="how long a lease lasts; then another worker may take over")
    turn_s: float = Field(default=20, gt=0, description="how long a run starts batches; the next run sends the rest")
    attempts: int = Field(default=4, ge=1, le=20, description="attempts of one request in a run")
    backoff_s: float = Field(default=0.5, gt=0, description="the first pause between attempts; it doubles, with jitter")
    retry_s: tuple[float, ...] = Field(
        default=(10, 30, 120, 600, 1_800, 3_600),
        min_length=1,
        max_length=50,
        description="pauses after failed runs, and before a refused value is sent again",
    )
    compare_s: float = Field(default=3_600, gt=0, description="how often all values of a channel are compared")
    order_retry_s: float = Field(default=60, ge=0, description="how often an order that waits for stock is tried")
    order_term_s: float = Field(default=86_400, ge=0, description="how long an order without a deadline waits")
    run_term_s: int = Field(default=30 * 86_400, description="how long reports of runs are kept")
