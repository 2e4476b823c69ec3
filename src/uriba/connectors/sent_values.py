"""Sent values: what a channel was last sent for each variant, which values may have changed since, and refusals.

A row with `since` is marked: its value may differ from the current one since then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from uriba.connectors import current_values
from uriba.connectors.current_values import CurrentValues, SentValue, ValueKey
from uriba.connectors.enums import ValueKind
from uriba.connectors.port import BATCH_ROWS_MAX, Batch, ChannelValue, PushResult
from uriba.core.money import to_decimal
from uriba.db import Row, Session
from uriba.db.statements import fragment, statement
from uriba.outbound.retry_policy import retry_pause_s

COMPARED_MAX = 2_000
"""Variants that are compared at once."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A sent value (None: nothing was sent yet) that is not the current one. `in_doubt`: the channel may have the
    current value already. `currency`: of the channel's prices.
    """

    kind: ValueKind
    variant_id: int
    sku: str
    sent: int | None
    current: int
    currency: str
    in_doubt: bool
    refused_code: str | None
    refused_message: str | None

    @property
    def sent_text(self) -> str | None:
        return None if self.sent is None else self._text(self.sent)

    @property
    def current_text(self) -> str:
        return self._text(self.current)

    def _text(self, value: int) -> str:
        """Return units as a number, a price in major units."""
        return to_decimal(value, self.currency) if self.kind is ValueKind.PRICE else str(value)


@dataclass(frozen=True, slots=True)
class OutgoingBatch:
    """A batch to send, and by variant what was sent before."""

    batch: Batch
    sent_before: Mapping[int, SentValue]


_SENT_VALUE_COLUMNS = fragment("kind, variant_id, value, doubt, refusals, refused_code, refused_message")


def _sent_value(row: Row) -> SentValue:
    return SentValue(
        kind=ValueKind(row["kind"]),
        variant_id=row["variant_id"],
        value=row["value"],
        in_doubt=row["doubt"],
        refusals=row["refusals"],
        refused_code=row["refused_code"],
        refused_message=row["refused_message"],
    )


async def mark(session: Session, connector_id: UUID, keys: Iterable[ValueKey]) -> None:
    """Mark values that may have changed."""
    listed = sorted(set(keys), key=lambda key: (key[0], key[1]))
    if listed:
        await session.run(
            _MARK,
            connector_id=connector_id,
            kinds=[kind for kind, _ in listed],
            variant_ids=[variant_id for _, variant_id in listed],
        )


_MARK = statement("""
    INSERT INTO connector_value AS v (connector_id, kind, variant_id, since)
    SELECT :connector_id, kind, variant_id, now()
    FROM unnest(:kinds::text[], :variant_ids::bigint[]) AS marked(kind, variant_id)
    ON CONFLICT (connector_id, kind, variant_id) DO UPDATE SET since = coalesce(v.since, excluded.since)
""")


async def by_key(session: Session, connector_id: UUID, variant_ids: Sequence[int]) -> dict[ValueKey, SentValue]:
    """Return what a channel was sent for these variants."""
    rows = await session.fetch(_BY_VARIANT, connector_id=connector_id, variant_ids=variant_ids)
    return {(sent.kind, sent.variant_id): sent for sent in map(_sent_value, rows)}


_BY_VARIANT = statement(f"""
    SELECT {_SENT_VALUE_COLUMNS} FROM connector_value
    WHERE connector_id = :connector_id AND variant_id = ANY(:variant_ids)
""")


async def compare(
    session: Session, connector_id: UUID, channel: Row, *, after: int, limit: int = COMPARED_MAX
) -> tuple[list[Difference], int | None]:
    """Compare the next variants after an id. Return the differences, and the last id compared, None at the end."""
    ids = [row["id"] for row in await session.fetch(_VARIANTS, after=after, limit=limit)]
    sent = await by_key(session, connector_id, ids)
    current = await current_values.read(session, channel, ids)
    keys = [(kind, variant_id) for variant_id in ids for kind in ValueKind]
    found = [
        _difference(current, key, sent.get(key), channel["currency"])
        for key in keys
        if current.differs(key, sent.get(key))
    ]
    return found, ids[-1] if len(ids) == limit else None


_VARIANTS = statement("SELECT id FROM variant WHERE id > :after ORDER BY id LIMIT :limit")


def _difference(current: CurrentValues, key: ValueKey, sent: SentValue | None, currency: str) -> Difference:
    kind, variant_id = key
    return Difference(
        kind=kind,
        variant_id=variant_id,
        sku=current.skus[variant_id],
        sent=sent.value if sent else None,
        current=current.values[key],
        currency=currency,
        in_doubt=bool(sent and sent.in_doubt),
        refused_code=sent.refused_code if sent else None,
        refused_message=sent.refused_message if sent else None,
    )


async def next_batch(
    session: Session, connector_id: UUID, channel: Row, kind: ValueKind, *, began: datetime
) -> tuple[OutgoingBatch | None, int]:
    """Return the next batch of marked values that differ, and how many marked values were looked at.

    The batch's values are in doubt from now on, so that they are sent again unless they are recorded. Marks of values
    that do not differ are removed. A value that was refused waits for a run that begins after its pause.
    """
    rows = await session.fetch(_DUE, connector_id=connector_id, kind=kind, began=began, limit=BATCH_ROWS_MAX)
    due = {row["variant_id"]: _sent_value(row) for row in rows}
    if not due:
        return None, 0
    current = await current_values.read(session, channel, list(due))
    differing = [variant_id for variant_id, sent in due.items() if current.differs((kind, variant_id), sent)]
    await _unmark(session, connector_id, kind, sorted(due.keys() - set(differing)))
    if not differing:
        return None, len(due)
    await session.run(_SET_IN_DOUBT, connector_id=connector_id, kind=kind, variant_ids=differing)
    values = [ChannelValue(v, current.skus[v], current.values[kind, v]) for v in differing]
    batch = Batch(kind, await next_number(session, connector_id), channel["currency"], values)
    return OutgoingBatch(batch, due), len(due)


_DUE = statement(f"""
    SELECT {_SENT_VALUE_COLUMNS} FROM connector_value
    WHERE connector_id = :connector_id AND kind = :kind AND since IS NOT NULL
        AND (next_at IS NULL OR next_at <= :began)
    ORDER BY since, variant_id LIMIT :limit
""")
_SET_IN_DOUBT = statement("""
    UPDATE connector_value SET doubt = true
    WHERE connector_id = :connector_id AND kind = :kind AND variant_id = ANY(:variant_ids)
""")


async def next_number(session: Session, connector_id: UUID) -> int:
    """Return the number of the next batch or acknowledgement."""
    return int(await session.fetchval(_NEXT_NUMBER, connector_id=connector_id))


_NEXT_NUMBER = statement("UPDATE connector SET batches = batches + 1 WHERE id = :connector_id RETURNING batches")


async def _unmark(session: Session, connector_id: UUID, kind: ValueKind, variant_ids: Sequence[int]) -> None:
    """Remove marks of values that need not be sent, and the rows of those that never were sent."""
    await session.run(_DELETE_UNSENT, connector_id=connector_id, kind=kind, variant_ids=variant_ids)
    await session.run(_UNMARK, connector_id=connector_id, kind=kind, variant_ids=variant_ids)


_DELETE_UNSENT = statement("""
    DELETE FROM connector_value
    WHERE connector_id = :connector_id AND kind = :kind AND variant_id = ANY(:variant_ids) AND value IS NULL
""")
_UNMARK = statement("""
    UPDATE connector_value SET since = NULL, doubt = false, refusals = 0, refused_code = NULL, refused_message = NULL,
        next_at = NULL
    WHERE connector_id = :connector_id AND kind = :kind AND variant_id = ANY(:variant_ids)
""")


async def record_push(
    session: Session,
    connector_id: UUID,
    outgoing: OutgoingBatch,
    result: PushResult,
    *,
    pauses: Sequence[float],
    random_fraction: float,
) -> None:
    """Record which values of a batch were accepted, and which were refused and why."""
    batch, before = outgoing.batch, outgoing.sent_before
    accepted = [row for row in batch.rows if row.sku not in result.refused]
    refused = [row for row in batch.rows if row.sku in result.refused]
    await session.run(
        _RECORD_ACCEPTED,
        connector_id=connector_id,
        kind=batch.kind,
        variant_ids=[row.variant_id for row in accepted],
        values=[row.value for row in accepted],
    )
    if not refused:
        return
    refusals = [min(before[row.variant_id].refusals + 1, len(pauses)) for row in refused]
    await session.run(
        _RECORD_REFUSED,
        connector_id=connector_id,
        kind=batch.kind,
        variant_ids=[row.variant_id for row in refused],
        codes=[result.refused[row.sku].code for row in refused],
        messages=[result.refused[row.sku].message for row in refused],
        pauses_s=[retry_pause_s(count, pauses, random_fraction=random_fraction) for count in refusals],
        doubts=[result.in_doubt or before[row.variant_id].in_doubt for row in refused],
    )


_RECORD_ACCEPTED = statement("""
    UPDATE connector_value v SET value = accepted.value, told_at = now(), since = NULL, doubt = false, refusals = 0,
        refused_code = NULL, refused_message = NULL, next_at = NULL
    FROM unnest(:variant_ids::bigint[], :values::bigint[]) AS accepted(variant_id, value)
    WHERE v.connector_id = :connector_id AND v.kind = :kind AND v.variant_id = accepted.variant_id
""")

# A refused value did not change what the channel has. A value that was in doubt before still is.
_RECORD_REFUSED = statement("""
    UPDATE connector_value v SET refusals = v.refusals + 1, refused_code = refused.code,
        refused_message = refused.message, doubt = refused.doubt,
        next_at = now() + make_interval(secs => refused.pause_s)
    FROM unnest(:variant_ids::bigint[], :codes::text[], :messages::text[], :pauses_s::float8[], :doubts::boolean[])
        AS refused(variant_id, code, message, pause_s, doubt)
    WHERE v.connector_id = :connector_id AND v.kind = :kind AND v.variant_id = refused.variant_id
""")
