"""Leases of endpoints: one sender at a time sends for an endpoint, and one that lost its lease writes nothing more.

`fence` counts the holders of an endpoint and its changes. Each write of a sender names the fence of its lease, so a
write of an earlier holder changes no row.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from uriba.db import Session
from uriba.db.statements import fragment, statement


class LeaseLost(Exception):
    """Another process holds the lease, or the endpoint was paused, changed or deleted."""


@dataclass(frozen=True, slots=True)
class EndpointLease:
    """The right to send for an endpoint, as long as its fence is this one."""

    endpoint_id: UUID
    fence: int


@dataclass(frozen=True, slots=True)
class LeasedEndpoint:
    """An endpoint as it was when it was leased. `position`: the feed up to here has been turned into deliveries."""

    lease: EndpointLease
    url: str
    types: Sequence[str] | None
    position: int
    status: str
    failures: int
    next_at: datetime | None


async def claim(session: Session, *, term_s: float, limit: int) -> list[LeasedEndpoint]:
    """Lease endpoints that no process sends for, at most `limit`."""
    rows = await session.fetch(_CLAIM, term_s=term_s, limit=limit)
    return [
        LeasedEndpoint(
            lease=EndpointLease(row["id"], row["fence"]),
            url=row["url"],
            types=row["types"],
            position=row["position"],
            status=row["status"],
            failures=row["failures"],
            next_at=row["next_at"],
        )
        for row in rows
    ]


_CLAIM = statement("""
    UPDATE endpoint SET lease_until = now() + make_interval(secs => :term_s), fence = fence + 1 WHERE id IN (
        SELECT id FROM endpoint WHERE deleted_at IS NULL AND status <> 'PAUSED'
            AND (lease_until IS NULL OR lease_until < now())
        ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
    ) RETURNING id, fence, url, types, position, status, failures, next_at
""")

_LEASES = fragment("unnest(:endpoint_ids::uuid[], :fences::bigint[]) AS lease(endpoint_id, fence)")


async def renew(session: Session, leases: Collection[EndpointLease], *, term_s: float) -> set[UUID]:
    """Extend leases. Return the ids of the endpoints that are still leased."""
    rows = await session.fetch(
        _RENEW,
        endpoint_ids=[lease.endpoint_id for lease in leases],
        fences=[lease.fence for lease in leases],
        term_s=term_s,
    )
    return {row["id"] for row in rows}


_RENEW = statement(f"""
    UPDATE endpoint e SET lease_until = now() + make_interval(secs => :term_s) FROM {_LEASES}
    WHERE e.id = lease.endpoint_id AND e.fence = lease.fence AND e.deleted_at IS NULL AND e.status <> 'PAUSED'
    RETURNING e.id
""")


async def release(session: Session, leases: Collection[EndpointLease]) -> None:
    """End leases, so that another process can claim the endpoints at once."""
    await session.run(
        _RELEASE,
        endpoint_ids=[lease.endpoint_id for lease in leases],
        fences=[lease.fence for lease in leases],
    )


_RELEASE = statement(f"""
    UPDATE endpoint e SET lease_until = NULL FROM {_LEASES} WHERE e.id = lease.endpoint_id AND e.fence = lease.fence
""")
