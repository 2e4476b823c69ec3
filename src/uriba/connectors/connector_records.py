"""The connector as the package reads it from its table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from uriba.connectors.enums import ConnectorKind, ConnectorStatus
from uriba.db import Row
from uriba.db.statements import fragment

CONNECTOR_COLUMNS = fragment("""
    id, code, channel_id, kind, url, token, every_s, status, failures, problem, asked, next_at, ran_at, position,
    prices_at, location_ids, order_cursor, fence, created_at
""")


@dataclass(frozen=True, slots=True)
class ConnectorRecord:
    """A connector, with the fields of `models.Connector`. `run_requested`: the column `asked`."""

    id: UUID
    code: str
    channel_id: int
    kind: ConnectorKind
    url: str | None
    token: str | None
    every_s: int
    status: ConnectorStatus
    failures: int
    problem: str | None
    run_requested: bool
    next_at: datetime
    ran_at: datetime | None
    position: int
    prices_at: datetime | None
    location_ids: Sequence[int] | None
    order_cursor: str | None
    fence: int
    created_at: datetime

    @classmethod
    def from_row(cls, row: Row) -> ConnectorRecord:
        """Return the connector of a row with `CONNECTOR_COLUMNS`."""
        return cls(
            id=row["id"],
            code=row["code"],
            channel_id=row["channel_id"],
            kind=ConnectorKind(row["kind"]),
            url=row["url"],
            token=row["token"],
            every_s=row["every_s"],
            status=ConnectorStatus(row["status"]),
            failures=row["failures"],
            problem=row["problem"],
            run_requested=row["asked"],
            next_at=row["next_at"],
            ran_at=row["ran_at"],
            position=row["position"],
            prices_at=row["prices_at"],
            location_ids=row["location_ids"],
            order_cursor=row["order_cursor"],
            fence=row["fence"],
            created_at=row["created_at"],
        )
