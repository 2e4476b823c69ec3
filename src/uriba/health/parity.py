"""Parity: which subjects have a newer version in the feed than an endpoint has accepted.

An endpoint differs in a subject while an event of it was not accepted: its delivery is pending, or the event has no
delivery yet, or the delivery was given up and no newer event of the subject was accepted since.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from uriba.core.actor import Actor
from uriba.db import Row, Session
from uriba.db.statements import statement
from uriba.health.channel_health import RECEIVES
from uriba.webhooks.endpoints import EndpointRecord


@dataclass(frozen=True, slots=True)
class Difference:
    """A subject that an endpoint differs in. `version`: the newest that it has not accepted; `delivered`: the newest
    that it accepted, as far as the log goes back; `since`: when the first event that it has not accepted was written.
    """

    subject: str
    version: int
    delivered: int | None
    since: datetime


@dataclass(frozen=True, slots=True)
class EndpointParity:
    """The number of subjects that an endpoint differs in, and the first of them, those that differ longest first."""

    endpoint: EndpointRecord
    count: int
    differences: Sequence[Difference]


async def by_endpoint(session: Session, *, actor: Actor, channel_id: int | None, first: int) -> list[EndpointParity]:
    """Return the parity of the endpoints of a channel, or of all that the actor sees, with `first` differences each."""
    channel_id = actor.restricted_to_channel if channel_id is None else channel_id
    endpoints = await session.fetch(_ENDPOINTS, channel_id=channel_id)
    by_id: dict[UUID, list[Row]] = defaultdict(list)
    for row in await session.fetch(_DIFFERENCES, endpoint_ids=[row["id"] for row in endpoints], first=first):
        by_id[row["endpoint_id"]].append(row)
    return [_parity(row, by_id[row["id"]], first) for row in endpoints]


def _parity(endpoint: Row, differences: Sequence[Row], first: int) -> EndpointParity:
    return EndpointParity(
        endpoint=EndpointRecord.from_row(endpoint),
        count=differences[0]["count"] if differences else 0,
        differences=[
            Difference(row["subject"], row["version"], row["delivered"], row["since"]) for row in differences[:first]
        ],
    )


_ENDPOINTS = statement("""
    SELECT * FROM endpoint WHERE deleted_at IS NULL AND (:channel_id::bigint IS NULL OR channel_id = :channel_id)
    ORDER BY id
""")

# A delivery beyond the endpoint's position does not count as accepted: it is being replayed. Each endpoint that differs
# has at least one row, which carries the count, also where `first` is 0.
_DIFFERENCES = statement(f"""
    WITH missed AS (
        SELECT d.endpoint_id, d.subject, d.version, d.event_at AS at FROM delivery d
        WHERE d.status = 'PENDING' AND d.endpoint_id = ANY(:endpoint_ids::uuid[])
        UNION ALL
        SELECT p.id, e.subject, e.version, e.at FROM endpoint p JOIN outbox_event e ON e.position > p.position
        WHERE p.id = ANY(:endpoint_ids::uuid[]) AND {RECEIVES}
        UNION ALL
        SELECT d.endpoint_id, d.subject, d.version, d.event_at FROM delivery d
        WHERE d.status = 'FAILED' AND d.endpoint_id = ANY(:endpoint_ids::uuid[]) AND NOT EXISTS (
            SELECT FROM outbox_event e JOIN delivery l ON l.endpoint_id = d.endpoint_id AND l.position = e.position
            WHERE e.subject = d.subject AND e.version > d.version AND l.status = 'DELIVERED')
    ), differing AS (
        SELECT endpoint_id, subject, max(version) AS version, min(at) AS since FROM missed GROUP BY 1, 2
    ), ranked AS (
        SELECT *, count(*) OVER (PARTITION BY endpoint_id) AS count,
            row_number() OVER (PARTITION BY endpoint_id ORDER BY since, subject) AS n
        FROM differing
    )
    SELECT r.*, (
        SELECT e.version FROM outbox_event e
        JOIN delivery d ON d.endpoint_id = r.endpoint_id AND d.position = e.position
        JOIN endpoint p ON p.id = d.endpoint_id
        WHERE e.subject = r.subject AND d.status = 'DELIVERED' AND d.position <= p.position
        ORDER BY e.version DESC LIMIT 1
    ) AS delivered
    FROM ranked r WHERE r.n <= greatest(:first, 1) ORDER BY r.endpoint_id, r.n
""")
