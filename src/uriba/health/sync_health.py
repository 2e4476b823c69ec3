"""Sync health: how far everybody who is told, reads or syncs has come, and what holds them up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from uriba.alerts.rules import is_silent
from uriba.catalog.opening_hours import present_hours
from uriba.core import clock
from uriba.core.actor import Actor
from uriba.db import Row, Session
from uriba.outbox.relay import LAG_S
from uriba.webhooks.events import TEST

LOOKED_MAX = 100_000
"""Positions beyond an endpoint's place that are looked at for what it has still to be told of."""

READERS_MAX = 500
"""Readers that are shown: those who asked last."""

WANTED = f"""
    CASE WHEN e.type = '{TEST}' THEN e.subject = 'Endpoint:' || p.id ELSE p.types IS NULL OR e.type = ANY(p.types) END
"""
"""Whether an endpoint `p` is told of an event `e`."""

SEEN_EVERY_S = 1
"""How often at most a key's place in the feed is written down."""


@dataclass(frozen=True, slots=True)
class Channel:
    """Everybody of one channel, or of none (staff's own)."""

    channel_id: int | None
    endpoints: Sequence[Row]
    connectors: Sequence[Row]
    readers: Sequence[Row]


async def by_channel(session: Session, *, actor: Actor, channel_id: int | None = None) -> list[Channel]:
    """The caller's channels, or one of them, that anybody is told or reads for; what belongs to none comes last."""
    wanted = actor.restricted_to_channel if channel_id is None else channel_id
    told, sold, read = [await session.fetch(sql, wanted) for sql in (_ENDPOINTS, _CONNECTORS, _READERS)]
    rows: dict[int | None, tuple[list[Row], list[Row], list[Row]]] = defaultdict(lambda: ([], [], []))
    for n, found in enumerate((told, sold, read)):
        for row in found:
            rows[row["channel_id"]][n].append(row)
    return [Channel(key, *rows[key]) for key in sorted(rows, key=lambda key: (key is None, key))]


# Acknowledged is all that comes before the first event that was not taken: what waits, else what was not yet looked at.
_ENDPOINTS = f"""
    SELECT p.*, coalesce(w.first - 1, p.position) AS acknowledged, w.waiting + n.events AS lag_events,
        greatest(0, extract(epoch FROM now() - least(w.oldest, n.oldest)))::float8 AS lag_s
    FROM endpoint p
    CROSS JOIN LATERAL (
        SELECT min(d.position) AS first, count(*) AS waiting, min(d.event_at) AS oldest
        FROM delivery d WHERE d.endpoint_id = p.id AND d.status = 'PENDING'
    ) w
    CROSS JOIN LATERAL (
        SELECT count(*) AS events, min(e.at) AS oldest FROM outbox_event e
        WHERE e.position > p.position AND e.position <= p.position + {LOOKED_MAX} AND {WANTED}
    ) n
    WHERE p.deleted_at IS NULL AND ($1::bigint IS NULL OR p.channel_id = $1) ORDER BY p.id
"""

_CONNECTORS = """
    SELECT c.id, c.code, c.channel_id, c.status, c.ran_at, c.problem, c.position AS acknowledged, v.differing,
        greatest(0, extract(epoch FROM now() - v.oldest))::float8 AS lag_s
    FROM connector c CROSS JOIN LATERAL (
        SELECT count(*) AS differing, min(v.since) AS oldest FROM connector_value v
        WHERE v.connector_id = c.id AND v.since IS NOT NULL
    ) v
    WHERE c.deleted_at IS NULL AND ($1::bigint IS NULL OR c.channel_id = $1) ORDER BY c.code
"""

_READERS = f"""
    SELECT r.key_id, k.name, k.channel_id, r.at, r.position AS acknowledged, r.position < f.forgotten AS expired,
        greatest(0, f.position - r.position) AS lag_events, greatest(0, extract(epoch FROM now() - (
            SELECT e.at FROM outbox_event e WHERE e.position > r.position ORDER BY e.position LIMIT 1
        )))::float8 AS lag_s
    FROM feed_reader r JOIN access_key k ON k.id = r.key_id CROSS JOIN feed f
    WHERE k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
        AND ($1::bigint IS NULL OR k.channel_id = $1)
    ORDER BY r.at DESC LIMIT {READERS_MAX}
"""


async def note_reader(session: Session, *, actor: Actor, position: int | None) -> None:
    """A key asked for the feed after a position: it has all up to there. Only forwards, and not more often than once
    a second; a look that comes sooner writes nothing.
    """
    if position is not None and actor.key_id is not None:
        await session.run(_NOTE, actor.key_id, position, SEEN_EVERY_S)


_NOTE = """
    INSERT INTO feed_reader AS r (key_id, position) SELECT $1, $2
    WHERE NOT EXISTS (SELECT FROM feed_reader WHERE key_id = $1 AND at > now() - make_interval(secs => $3))
    ON CONFLICT (key_id) DO UPDATE SET position = greatest(r.position, excluded.position), at = excluded.at
    WHERE r.at <= now() - make_interval(secs => $3)
"""


@dataclass(frozen=True, slots=True)
class Terminal:
    """A till: its row, and since when it is missed."""

    row: Row
    silent_since: datetime | None


async def terminals(
    session: Session, *, location_id: int | None, default_hours: str, first: int, after: str | None
) -> list[Terminal]:
    """Tills by key, of one location or all, one more than asked for; those that never synced too."""
    now = clock.now()
    hours = present_hours(now, default_hours)
    rows = await session.fetch(_TERMINALS, location_id, after, first + 1)
    return [Terminal(row, row["synced_at"] if _silent(row, hours, now) else None) for row in rows]


def _silent(row: Row, hours: Any, now: datetime) -> bool:
    synced_at = row["synced_at"]
    return synced_at is not None and is_silent(synced_at, hours(row["opening_hours"], row["timezone"]), now)


_TERMINALS = """
    WITH parked AS (
        SELECT terminal, count(*) AS cases FROM conflict
        WHERE status = 'OPEN' AND kind IN ('PARKED', 'TAMPERED') GROUP BY terminal
    )
    SELECT k.id AS key_id, k.name, k.location_id, l.timezone, l.opening_hours, t.synced_at, t.skew_ms,
        e.epoch, e.acknowledged, coalesce(e.missing, 0) AS missing, n.occurred_at AS newest_fact_at,
        greatest(0, extract(epoch FROM now() - n.occurred_at))::float8 AS lag_s, coalesce(c.cases, 0) AS parked
    FROM access_key k JOIN location l ON l.id = k.location_id
    LEFT JOIN pos_terminal t ON t.key_id = k.id
    LEFT JOIN LATERAL (
        SELECT o.epoch, coalesce((SELECT upper(r) - 1 FROM unnest(o.seen) r WHERE lower(r) = 1), 0) AS acknowledged,
            CASE WHEN isempty(o.seen) THEN 0 ELSE (
                SELECT count(*) FROM unnest(int8multirange(int8range(1, upper(o.seen))) - o.seen)) END AS missing
        FROM pos_epoch o WHERE o.terminal_id = t.id ORDER BY o.epoch DESC LIMIT 1
    ) e ON true
    LEFT JOIN LATERAL (
        SELECT f.occurred_at FROM pos_event f WHERE f.terminal_id = t.id ORDER BY f.epoch DESC, f.sequence DESC LIMIT 1
    ) n ON true
    LEFT JOIN parked c ON c.terminal = k.id
    WHERE k.location_id IS NOT NULL AND k.revoked_at IS NULL AND ($1::bigint IS NULL OR k.location_id = $1)
        AND ($2::text IS NULL OR k.id > $2)
    ORDER BY k.id LIMIT $3
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """The hub's health in numbers: events, seconds, and counts by status and kind."""

    waiting: int
    feed_lag_s: float
    endpoints: Mapping[str, int]
    endpoint_lag_s: float
    deliveries: int
    terminals_silent: int
    parked: int
    alerts: Mapping[str, int]
    shortages: int


async def figures(session: Session, *, default_hours: str) -> Figures:
    """Two statements, whatever there is."""
    row = await session.fetchrow(_FIGURES)
    assert row is not None
    now = clock.now()
    hours = present_hours(now, default_hours)
    tills = await session.fetch(_SYNCED)
    return Figures(**row, terminals_silent=sum(_silent(till, hours, now) for till in tills))


_FIGURES = f"""
    SELECT (SELECT count(*) FROM outbox_event WHERE position IS NULL) AS waiting, {LAG_S} AS feed_lag_s,
        (SELECT coalesce(json_object_agg(status, n), '{{}}') FROM (
            SELECT status, count(*) AS n FROM endpoint WHERE deleted_at IS NULL GROUP BY status) s) AS endpoints,
        (SELECT coalesce(max(greatest(0, extract(epoch FROM now() - least(
            (SELECT d.event_at FROM delivery d WHERE d.endpoint_id = p.id AND d.status = 'PENDING'
                ORDER BY d.position LIMIT 1),
            (SELECT e.at FROM outbox_event e WHERE e.position > p.position AND e.position <= p.position + {LOOKED_MAX}
                AND {WANTED} ORDER BY e.position LIMIT 1)
        )))), 0)::float8 FROM endpoint p WHERE p.deleted_at IS NULL) AS endpoint_lag_s,
        (SELECT count(*) FROM delivery WHERE status = 'PENDING') AS deliveries,
        (SELECT count(*) FROM conflict WHERE status = 'OPEN' AND kind IN ('PARKED', 'TAMPERED')) AS parked,
        (SELECT coalesce(json_object_agg(kind, n), '{{}}') FROM (
            SELECT kind, count(*) AS n FROM alert WHERE closed_at IS NULL GROUP BY kind) a) AS alerts,
        (SELECT count(*) FROM shortage WHERE settled < quantity) AS shortages
"""

_SYNCED = """
    SELECT t.synced_at, l.timezone, l.opening_hours FROM pos_terminal t
    JOIN access_key k ON k.id = t.key_id JOIN location l ON l.id = k.location_id WHERE k.revoked_at IS NULL
"""
