"""Leases: one worker at a time runs a connector, and one that lost it writes nothing more.

No lock is held while a channel is written to: each write is a short transaction that renews the lease and is refused
to whoever no longer holds it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from uriba.db import Database, Row, Session


class Lost(Exception):
    """Another holds the lease now, or the connector was changed, paused or deleted."""


@dataclass(frozen=True, slots=True)
class Held:
    """A connector for as long as its lease lasts."""

    id: UUID
    fence: int
    term_s: float
    database: Database

    @asynccontextmanager
    async def writing(self, *, notify: bool = False) -> AsyncIterator[Session]:
        """A transaction of the holder's; the lease lasts for another term from now. Errors: `Lost`."""
        async with self.database.transaction(notify=notify) as session:
            await renew(session, self)
            yield session


async def renew(session: Session, held: Held) -> Row:
    """The connector's row, locked until the transaction's end. Errors: `Lost`."""
    row = await session.fetchrow(_RENEW, held.id, held.fence, held.term_s)
    if row is None:
        raise Lost
    return row


_RENEW = """
    UPDATE connector SET lease_until = now() + make_interval(secs => $3)
    WHERE id = $1 AND fence = $2 AND deleted_at IS NULL AND status <> 'PAUSED' RETURNING *
"""


async def claim(database: Database, *, term_s: float, only: UUID | None = None) -> tuple[Held, Row] | None:
    """Take a connector that is due and that nobody runs, the longest due first; `only`: this one, due or not."""
    async with database.transaction(notify=False) as session:
        row = await session.fetchrow(_CLAIM, term_s, only)
    return None if row is None else (Held(row["id"], row["fence"], term_s, database), row)


_CLAIM = """
    UPDATE connector SET lease_until = now() + make_interval(secs => $1), fence = fence + 1 WHERE id = (
        SELECT id FROM connector WHERE deleted_at IS NULL AND status <> 'PAUSED'
            AND (lease_until IS NULL OR lease_until < now())
            AND CASE WHEN $2::uuid IS NULL THEN next_at <= now() ELSE id = $2 END
        ORDER BY next_at LIMIT 1 FOR UPDATE SKIP LOCKED
    ) RETURNING *
"""
