"""Buffers: what a channel was last told of each variant, what may differ since when, and what it would not take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from uriba.connectors import current_values
from uriba.connectors.current_values import Book, Key
from uriba.connectors.models import ValueKind
from uriba.connectors.port import ROWS_MAX, Batch, Pushed
from uriba.connectors.port import Row as Told
from uriba.db import Row, Session
from uriba.outbound.retry_policy import pause_s

PIECE = 2_000
"""Variants that are compared at once."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What a channel was told (None: nothing yet) and what the book has. `doubt`: it may have been told."""

    kind: ValueKind
    variant_id: int
    sku: str
    told: int | None
    value: int
    doubt: bool
    refused_code: str | None
    refused_message: str | None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A batch to be sent, and its rows in the buffer as they were before, by variant."""

    batch: Batch
    before: Mapping[int, Row]


async def mark(session: Session, connector_id: UUID, keys: Iterable[Key]) -> None:
    """Have these looked at: they may differ from now on."""
    listed = sorted(set(keys), key=lambda key: (key[0], key[1]))
    if listed:
        await session.run(_MARK, connector_id, [kind for kind, _ in listed], [variant for _, variant in listed])


_MARK = """
    INSERT INTO connector_value AS c (connector_id, kind, variant_id, since)
    SELECT $1, kind, variant_id, now() FROM unnest($2::text[], $3::bigint[]) AS k(kind, variant_id)
    ON CONFLICT (connector_id, kind, variant_id) DO UPDATE SET since = coalesce(c.since, excluded.since)
"""


async def told_by_key(session: Session, connector_id: UUID, variant_ids: Sequence[int]) -> dict[Key, Row]:
    rows = await session.fetch(
        "SELECT * FROM connector_value WHERE connector_id = $1 AND variant_id = ANY($2)", connector_id, variant_ids
    )
    return {(ValueKind(row["kind"]), row["variant_id"]): row for row in rows}


async def compare(
    session: Session, connector_id: UUID, channel: Row, *, after: int, limit: int = PIECE
) -> tuple[list[Difference], int | None]:
    """The differences among the next variants after one, and the last of these; None where there are no more."""
    rows = await session.fetch("SELECT id FROM variant WHERE id > $1 ORDER BY id LIMIT $2", after, limit)
    ids = [row["id"] for row in rows]
    told = await told_by_key(session, connector_id, ids)
    now = await current_values.read(session, channel, ids)
    keys = [(kind, variant_id) for variant_id in ids for kind in ValueKind]
    found = [_difference(now, key, told.get(key)) for key in keys if now.differs(key, told.get(key))]
    return found, ids[-1] if len(ids) == limit else None


def _difference(now: Book, key: Key, told: Row | None) -> Difference:
    kind, variant_id = key
    return Difference(
        kind=kind,
        variant_id=variant_id,
        sku=now.skus[variant_id],
        told=told["value"] if told else None,
        value=now.values[key],
        doubt=bool(told and told["doubt"]),
        refused_code=told["refused_code"] if told else None,
        refused_message=told["refused_message"] if told else None,
    )


async def take(
    session: Session, connector_id: UUID, channel: Row, kind: ValueKind, *, began: datetime
) -> tuple[Outgoing | None, int]:
    """The next batch of what differs, and how many rows were looked at for it. A row that is refused waits for a run
    that begins later. What is taken is in doubt from here on,
    so that it is told again whatever becomes of it; what does not differ is put away.
    """
    due = {row["variant_id"]: row for row in await session.fetch(_DUE, connector_id, kind, began, ROWS_MAX)}
    if not due:
        return None, 0
    now = await current_values.read(session, channel, list(due))
    differing = [variant_id for variant_id, row in due.items() if now.differs((kind, variant_id), row)]
    await _put_away(session, connector_id, kind, sorted(due.keys() - set(differing)))
    if not differing:
        return None, len(due)
    await session.run(
        "UPDATE connector_value SET doubt = true WHERE connector_id = $1 AND kind = $2 AND variant_id = ANY($3)",
        connector_id,
        kind,
        differing,
    )
    rows = [Told(v, now.skus[v], now.values[kind, v]) for v in differing]
    batch = Batch(kind, await next_number(session, connector_id), channel["currency"], rows)
    return Outgoing(batch, due), len(due)


_DUE = """
    SELECT * FROM connector_value WHERE connector_id = $1 AND kind = $2 AND since IS NOT NULL
        AND (next_at IS NULL OR next_at <= $3)
    ORDER BY since, variant_id LIMIT $4
"""


async def next_number(session: Session, connector_id: UUID) -> int:
    """The number of what is sent next."""
    number = await session.fetchval(
        "UPDATE connector SET batches = batches + 1 WHERE id = $1 RETURNING batches", connector_id
    )
    return int(number)


async def _put_away(session: Session, connector_id: UUID, kind: ValueKind, variant_ids: Sequence[int]) -> None:
    """Nothing to tell of these; what was never told leaves no row behind."""
    of = "connector_id = $1 AND kind = $2 AND variant_id = ANY($3)"
    await session.run(f"DELETE FROM connector_value WHERE {of} AND value IS NULL", connector_id, kind, variant_ids)
    await session.run(
        "UPDATE connector_value SET since = NULL, doubt = false, refusals = 0, refused_code = NULL, "
        f"refused_message = NULL, next_at = NULL WHERE {of}",
        connector_id,
        kind,
        variant_ids,
    )


async def record(
    session: Session,
    connector_id: UUID,
    outgoing: Outgoing,
    pushed: Pushed,
    *,
    pauses: Sequence[float],
    dice: float,
) -> None:
    """Write down what was taken, row by row, and what was not, with its reason."""
    batch = outgoing.batch
    taken = [row for row in batch.rows if row.sku not in pushed.refused]
    refused = [row for row in batch.rows if row.sku in pushed.refused]
    await session.run(_TAKEN, connector_id, batch.kind, [row.variant_id for row in taken], [row.value for row in taken])
    if not refused:
        return
    tries = [min(outgoing.before[row.variant_id]["refusals"] + 1, len(pauses)) for row in refused]
    await session.run(
        _REFUSED,
        connector_id,
        batch.kind,
        [row.variant_id for row in refused],
        [pushed.refused[row.sku].code for row in refused],
        [pushed.refused[row.sku].message for row in refused],
        [pause_s(tried, pauses, dice=dice) for tried in tries],
        [pushed.doubt or outgoing.before[row.variant_id]["doubt"] for row in refused],
    )


_TAKEN = """
    UPDATE connector_value c SET value = t.value, told_at = now(), since = NULL, doubt = false, refusals = 0,
        refused_code = NULL, refused_message = NULL, next_at = NULL
    FROM unnest($3::bigint[], $4::bigint[]) AS t(variant_id, value)
    WHERE c.connector_id = $1 AND c.kind = $2 AND c.variant_id = t.variant_id
"""

# What was refused did not change what the channel had; what was in doubt before that, is still.
_REFUSED = """
    UPDATE connector_value c SET refusals = c.refusals + 1, refused_code = t.code, refused_message = t.message,
        next_at = now() + make_interval(secs => t.pause_s), doubt = t.doubt
    FROM unnest($3::bigint[], $4::text[], $5::text[], $6::float8[], $7::boolean[])
        AS t(variant_id, code, message, pause_s, doubt)
    WHERE c.connector_id = $1 AND c.kind = $2 AND c.variant_id = t.variant_id
"""
