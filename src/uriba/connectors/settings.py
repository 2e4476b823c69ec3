"""Settings of connectors: where their folders are, how long a turn may take, when what failed is tried again."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ConnectorSettings(BaseSettings):
    """Each has a variable that begins with URIBA_CONNECTOR_; times in seconds."""

    model_config = SettingsConfigDict(env_prefix="URIBA_CONNECTOR_")

    dir: Path | None = Field(default=None, description="where the folders are; none: connectors/ in the data folder")
    lease_s: float = Field(default=60, gt=0, description="after so long another worker goes on for a dead one")
    turn_s: float = Field(default=20, gt=0, description="how long one turn begins new batches; the rest comes next")
    attempts: int = Field(default=4, ge=1, le=20, description="tries of one request in a run")
    backoff_s: float = Field(default=0.5, gt=0, description="the first pause between them; it doubles, with jitter")
    retry_s: tuple[float, ...] = Field(
        default=(10, 30, 120, 600, 1_800, 3_600),
        min_length=1,
        max_length=50,
        description="pauses after runs that failed, and before a row is told again that was refused",
    )
    compare_s: float = Field(default=3_600, gt=0, description="how often all of the channel's goods are compared")
    order_retry_s: float = Field(default=60, ge=0, description="how often an order is tried that waits for stock")
    order_term_s: float = Field(default=86_400, ge=0, description="how long it waits where it names no deadline")
    run_term_s: int = Field(default=30 * 86_400, description="how long reports of runs are kept")
