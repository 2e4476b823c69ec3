"""The stored reports of connectors' runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

from uriba.connectors.run_report import ReportedRefusal
from uriba.db import Row, Session
from uriba.db.statements import statement


@dataclass(frozen=True, slots=True)
class RunRecord:
    """The stored report of a run. `ended_at`: None while it runs. `refused`: the first refusals, as in `RunReport`."""

    id: int
    began_at: datetime
    ended_at: datetime | None
    seen: int
    sent: int
    accepted: int
    attempts: int
    orders_read: int
    orders_placed: int
    refused_count: int
    refused: Sequence[ReportedRefusal]
    next_at: datetime | None
    problem: str | None


async def of_connector(session: Session, connector_id: UUID, *, before: int | None, first: int) -> list[RunRecord]:
    """Return the reports of a connector's runs before an id, newest first."""
    rows = await session.fetch(_OF_CONNECTOR, connector_id=connector_id, before=before, limit=first)
    return [_run_record(row) for row in rows]


_OF_CONNECTOR = statement("""
    SELECT id, began_at, ended_at, seen, sent, accepted, attempts, orders_read, orders_placed, refused_count, refused,
        next_at, problem
    FROM connector_run WHERE connector_id = :connector_id AND (:before::bigint IS NULL OR id < :before)
    ORDER BY id DESC LIMIT :limit
""")


def _run_record(row: Row) -> RunRecord:
    return RunRecord(**{**row, "refused": msgspec.convert(row["refused"], list[ReportedRefusal])})
