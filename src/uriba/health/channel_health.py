"""Health of channels: how far endpoints, connectors and readers of the feed have come, and what they still lack."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from uriba.connectors.enums import ConnectorStatus
from uriba.core.actor import Actor
from uriba.db import Session
from uriba.db.statements import fragment, statement
from uriba.health import feed_readers
from uriba.health.feed_readers import ReaderLag
from uriba.webhooks.endpoints import EndpointRecord
from uriba.webhooks.events import TEST

Lag = TypeVar("Lag")

SCANNED_MAX = 100_000
"""Positions of the feed after an endpoint's own that are searched for events that it still has to receive."""


@dataclass(frozen=True, slots=True)
class EndpointLag:
    """How far an endpoint has come. `acknowledged`: the position up to which it has accepted every delivery.
    `lag_events` and `lag_s`: how many events it still has to accept, and the age of the oldest."""

    endpoint: EndpointRecord
    acknowledged: int
    lag_events: int
    lag_s: float


@dataclass(frozen=True, slots=True)
class ConnectorLag:
    """How far a connector has come. `acknowledged`: the position up to which it has read the feed. `differing`: values
    that may differ from the hub's, `lag_s`: since when the oldest of them may."""

    code: str
    channel_id: int
    status: ConnectorStatus
    ran_at: datetime | None
    problem: str | None
    acknowledged: int
    differing: int
    lag_s: float


@dataclass(frozen=True, slots=True)
class ChannelHealth:
    """The endpoints, connectors and readers of a channel; of none: those of staff."""

    channel_id: int | None
    endpoints: Sequence[EndpointLag]
    connectors: Sequence[ConnectorLag]
    readers: Sequence[ReaderLag]


async def by_channel(session: Session, *, actor: Actor, channel_id: int | None = None) -> list[ChannelHealth]:
    """Return the health of one channel, or of all channels that the actor sees; what belongs to no channel is last."""
    channel_id = actor.restricted_to_channel if channel_id is None else channel_id
    endpoints = await endpoint_lags(session, channel_id=channel_id)
    connectors = await connector_lags(session, channel_id=channel_id)
    readers = await feed_readers.readers(session, channel_id=channel_id)
    endpoints_of = _grouped((lag.endpoint.channel_id, lag) for lag in endpoints)
    connectors_of = _grouped((lag.channel_id, lag) for lag in connectors)
    readers_of = _grouped((lag.channel_id, lag) for lag in readers)
    channel_ids = endpoints_of.keys() | connectors_of.keys() | readers_of.keys()
    return [
        ChannelHealth(key, endpoints_of[key], connectors_of[key], readers_of[key])
        for key in sorted(channel_ids, key=lambda key: (key is None, key))
    ]


def _grouped(pairs: Iterable[tuple[int | None, Lag]]) -> defaultdict[int | None, list[Lag]]:
    groups: defaultdict[int | None, list[Lag]] = defaultdict(list)
    for channel_id, lag in pairs:
        groups[channel_id].append(lag)
    return groups


RECEIVES = fragment(f"""
    CASE WHEN e.type = '{TEST}' THEN e.subject = 'Endpoint:' || p.id ELSE p.types IS NULL OR e.type = ANY(p.types) END
""")
"""Whether an endpoint `p` receives an event `e`."""


async def endpoint_lags(session: Session, *, channel_id: int | None) -> list[EndpointLag]:
    """Return how far the endpoints of one channel, or of all, have come."""
    rows = await session.fetch(_ENDPOINTS, channel_id=channel_id, scanned_max=SCANNED_MAX)
    return [
        EndpointLag(EndpointRecord.from_row(row), row["acknowledged"], row["lag_events"], row["lag_s"]) for row in rows
    ]


# Acknowledged are all positions before the first event that was not accepted: the first pending delivery, else the
# first event that has no delivery yet.
_ENDPOINTS = statement(f"""
    SELECT p.*, coalesce(w.first - 1, p.position) AS acknowledged, w.waiting + n.events AS lag_events,
        greatest(0, extract(epoch FROM now() - least(w.oldest, n.oldest)))::float8 AS lag_s
    FROM endpoint p
    CROSS JOIN LATERAL (
        SELECT min(d.position) AS first, count(*) AS waiting, min(d.event_at) AS oldest
        FROM delivery d WHERE d.endpoint_id = p.id AND d.status = 'PENDING'
    ) w
    CROSS JOIN LATERAL (
        SELECT count(*) AS events, min(e.at) AS oldest FROM outbox_event e
        WHERE e.position > p.position AND e.position <= p.position + :scanned_max AND {RECEIVES}
    ) n
    WHERE p.deleted_at IS NULL AND (:channel_id::bigint IS NULL OR p.channel_id = :channel_id) ORDER BY p.id
""")


async def connector_lags(session: Session, *, channel_id: int | None) -> list[ConnectorLag]:
    """Return how far the connectors of one channel, or of all, have come."""
    rows = await session.fetch(_CONNECTORS, channel_id=channel_id)
    return [ConnectorLag(**{**row, "status": ConnectorStatus(row["status"])}) for row in rows]


_CONNECTORS = statement("""
    SELECT c.code, c.channel_id, c.status, c.ran_at, c.problem, c.position AS acknowledged, v.differing,
        greatest(0, extract(epoch FROM now() - v.oldest))::float8 AS lag_s
    FROM connector c CROSS JOIN LATERAL (
        SELECT count(*) AS differing, min(v.since) AS oldest FROM connector_value v
        WHERE v.connector_id = c.id AND v.since IS NOT NULL
    ) v
    WHERE c.deleted_at IS NULL AND (:channel_id::bigint IS NULL OR c.channel_id = :channel_id) ORDER BY c.code
""")
