"""Leases of connectors: one worker at a time runs a connector, and one that lost its lease writes nothing more.

No lock is held during a request to a channel. Each write is a short transaction that renews the lease, and fails for a
worker that no longer holds it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from uriba.connectors.connector_records import CONNECTOR_COLUMNS, ConnectorRecord
from uriba.db import Database, Session
from uriba.db.statements import statement


class LeaseLost(Exception):
    """Another worker holds the lease, or the connector was changed, paused or deleted."""


@dataclass(frozen=True, slots=True)
class ConnectorLease:
    """The right to run a connector, as long as its fence is this one."""

    connector_id: UUID
    fence: int
    term_s: float
    database: Database

    @asynccontextmanager
    async def writing(self, *, notify: bool = False) -> AsyncIterator[Session]:
        """Open a transaction that renews the lease and commits at the end. Errors: `LeaseLost`."""
        async with self.database.transaction(notify=notify) as session:
            await renew(session, self)
            yield session

    async def release_and_commit(self) -> None:
        """End the lease, so that another worker can claim the connector at once."""
        async with self.database.transaction(notify=False) as session:
            await session.run(_RELEASE, connector_id=self.connector_id, fence=self.fence)


async def renew(session: Session, lease: ConnectorLease) -> ConnectorRecord:
    """Extend a lease, and return the connector, locked until the end of the transaction. Errors: `LeaseLost`."""
    row = await session.fetchrow(_RENEW, connector_id=lease.connector_id, fence=lease.fence, term_s=lease.term_s)
    if row is None:
        raise LeaseLost
    return ConnectorRecord.from_row(row)


_RENEW = statement(f"""
    UPDATE connector SET lease_until = now() + make_interval(secs => :term_s)
    WHERE id = :connector_id AND fence = :fence AND deleted_at IS NULL AND status <> 'PAUSED'
    RETURNING {CONNECTOR_COLUMNS}
""")
_RELEASE = statement("UPDATE connector SET lease_until = NULL WHERE id = :connector_id AND fence = :fence")


async def claim_and_commit(
    database: Database, *, term_s: float, only: UUID | None = None
) -> tuple[ConnectorLease, ConnectorRecord] | None:
    """Lease the connector that has been due the longest and that no worker runs; with `only` this one, due or not."""
    async with database.transaction(notify=False) as session:
        row = await session.fetchrow(_CLAIM, term_s=term_s, only=only)
    if row is None:
        return None
    return ConnectorLease(row["id"], row["fence"], term_s, database), ConnectorRecord.from_row(row)


_CLAIM = statement(f"""
    UPDATE connector SET lease_until = now() + make_interval(secs => :term_s), fence = fence + 1 WHERE id = (
        SELECT id FROM connector WHERE deleted_at IS NULL AND status <> 'PAUSED'
            AND (lease_until IS NULL OR lease_until < now())
            AND CASE WHEN :only::uuid IS NULL THEN next_at <= now() ELSE id = :only END
        ORDER BY next_at LIMIT 1 FOR UPDATE SKIP LOCKED
    ) RETURNING {CONNECTOR_COLUMNS}
""")
