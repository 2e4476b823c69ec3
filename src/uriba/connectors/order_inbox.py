"""The order inbox: orders of channels, stored before they are tried, decided once, and acknowledged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

from uriba.connectors.enums import ImportStatus
from uriba.connectors.external_orders import ExternalOrder, UnreadableOrder, digest
from uriba.connectors.port import ORDERS_MAX, ImportOutcome, Refusal
from uriba.core.errors import Code
from uriba.db import Row, Session
from uriba.db.statements import statement
from uriba.orders import queries

CONTENT_CHANGED = "An order with this number and other content was placed before. Use another number."
OVERDUE = "The items were not in stock before the deadline. {}"


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """An undecided order of the inbox. `document`: the order as it is stored; `digest`: the hash of its content."""

    connector_id: UUID
    number: str
    digest: bytes
    document: object

    @classmethod
    def from_row(cls, row: Row) -> StoredOrder:
        return cls(row["connector_id"], row["number"], row["digest"], row["document"])


async def store(
    session: Session, connector_id: UUID, orders: Sequence[ExternalOrder | UnreadableOrder], *, term_s: float
) -> None:
    """Store a page's orders by their numbers.

    A placed order stays as it is and is acknowledged again. A refused one is tried again, because its items may be
    known by now. A waiting one is replaced. `term_s`: how long an order without a deadline may wait.
    """
    valid = {order.number: order for order in orders if isinstance(order, ExternalOrder)}
    await session.run(
        _STORE,
        connector_id=connector_id,
        numbers=list(valid),
        digests=[digest(order) for order in valid.values()],
        documents=[msgspec.json.encode(order).decode() for order in valid.values()],
        deadlines=[order.deadline for order in valid.values()],
        term_s=term_s,
    )
    await session.run(_ACKNOWLEDGE_AGAIN, connector_id=connector_id, numbers=list(valid))
    unreadable = {
        order.number: order.message
        for order in orders
        if isinstance(order, UnreadableOrder) and order.number is not None
    }
    await session.run(
        _REFUSE_UNREADABLE,
        connector_id=connector_id,
        numbers=list(unreadable),
        messages=list(unreadable.values()),
    )


_STORE = statement("""
    INSERT INTO connector_order AS c (connector_id, number, digest, document, deadline)
    SELECT :connector_id, o.number, o.digest, o.document::jsonb,
        coalesce(o.deadline, now() + make_interval(secs => :term_s))
    FROM unnest(:numbers::text[], :digests::bytea[], :documents::text[], :deadlines::timestamptz[])
        AS o(number, digest, document, deadline)
    ORDER BY o.number
    ON CONFLICT (connector_id, number) DO UPDATE SET status = 'NEW', digest = excluded.digest,
        document = excluded.document, deadline = excluded.deadline, code = NULL, message = NULL, attempts = 0,
        next_at = now(), decided_at = NULL, acknowledged_at = NULL
    WHERE c.status = 'REFUSED' OR (c.status IN ('NEW', 'WAITING') AND c.digest <> excluded.digest)
""")
_ACKNOWLEDGE_AGAIN = statement("""
    UPDATE connector_order SET acknowledged_at = NULL
    WHERE connector_id = :connector_id AND number = ANY(:numbers) AND status = 'PLACED'
""")
_REFUSE_UNREADABLE = statement("""
    INSERT INTO connector_order AS c (connector_id, number, status, digest, code, message, deadline, decided_at)
    SELECT :connector_id, o.number, 'REFUSED', ''::bytea, 'INVALID', o.message, now(), now()
    FROM unnest(:numbers::text[], :messages::text[]) AS o(number, message) ORDER BY o.number
    ON CONFLICT (connector_id, number) DO UPDATE SET code = excluded.code, message = excluded.message,
        decided_at = now(), acknowledged_at = NULL
    WHERE c.status = 'REFUSED'
""")


async def make_new_due(session: Session, connector_id: UUID, numbers: Sequence[str], *, at: datetime) -> None:
    """Make orders that were never tried due at this time."""
    await session.run(_MAKE_NEW_DUE, connector_id=connector_id, numbers=numbers, at=at)


_MAKE_NEW_DUE = statement("""
    UPDATE connector_order SET next_at = :at
    WHERE connector_id = :connector_id AND number = ANY(:numbers) AND status = 'NEW' AND attempts = 0
""")


async def make_undecided_due(session: Session, connector_id: UUID) -> None:
    """Make all undecided orders due now."""
    await session.run(_MAKE_UNDECIDED_DUE, connector_id=connector_id)


_MAKE_UNDECIDED_DUE = statement("""
    UPDATE connector_order SET next_at = now() WHERE connector_id = :connector_id AND status IN ('NEW', 'WAITING')
""")


async def placed_with_other_content(
    session: Session, connector_id: UUID, orders: Sequence[ExternalOrder | UnreadableOrder]
) -> list[str]:
    """Return the numbers of these orders that were placed before with other content."""
    digests = {order.number: digest(order) for order in orders if isinstance(order, ExternalOrder)}
    rows = await session.fetch(
        _OTHER_CONTENT, connector_id=connector_id, numbers=list(digests), digests=list(digests.values())
    )
    return [row["number"] for row in rows]


_OTHER_CONTENT = statement("""
    SELECT c.number FROM connector_order c
    JOIN unnest(:numbers::text[], :digests::bytea[]) AS o(number, digest) USING (number)
    WHERE c.connector_id = :connector_id AND c.status = 'PLACED' AND c.digest <> o.digest ORDER BY c.number
""")


async def take_due(
    session: Session, connector_id: UUID, *, began: datetime, retry_s: float, limit: int
) -> list[StoredOrder]:
    """Return orders to try in the run that began then. Each is tried once a run, and is due again after `retry_s`."""
    rows = await session.fetch(_TAKE_DUE, connector_id=connector_id, began=began, retry_s=retry_s, limit=limit)
    return [StoredOrder.from_row(row) for row in rows]


_TAKE_DUE = statement("""
    UPDATE connector_order c SET attempts = attempts + 1,
        next_at = greatest(now(), :began + interval '1 microsecond') + make_interval(secs => :retry_s)
    FROM (
        SELECT number FROM connector_order WHERE connector_id = :connector_id AND status IN ('NEW', 'WAITING')
            AND next_at <= :began ORDER BY received_at, number LIMIT :limit
    ) due WHERE c.connector_id = :connector_id AND c.number = due.number
    RETURNING c.connector_id, c.number, c.digest, c.document
""")


async def lock(session: Session, order: StoredOrder) -> bool:
    """Lock an order. Return False if it has been decided or replaced since it was read."""
    found = await session.fetchval(_LOCK, connector_id=order.connector_id, number=order.number, digest=order.digest)
    return bool(found)


_LOCK = statement("""
    SELECT true FROM connector_order
    WHERE connector_id = :connector_id AND number = :number AND digest = :digest AND status IN ('NEW', 'WAITING')
    FOR UPDATE
""")


def record_placed(session: Session, order: StoredOrder, *, cart_id: UUID) -> None:
    """Record, with the transaction of the checkout, that a locked order is placed with this cart."""
    session.defer(_RECORD_PLACED, connector_id=order.connector_id, number=order.number, cart_id=cart_id)


_RECORD_PLACED = statement("""
    UPDATE connector_order SET status = 'PLACED', cart_id = :cart_id, document = NULL, code = NULL, message = NULL,
        decided_at = now(), acknowledged_at = NULL
    WHERE connector_id = :connector_id AND number = :number
""")


async def record_not_placed(session: Session, order: StoredOrder, *, code: Code, message: str, may_wait: bool) -> None:
    """Record why an order was not placed. With `may_wait` it waits until its deadline, else it is refused."""
    await session.run(
        _RECORD_NOT_PLACED,
        connector_id=order.connector_id,
        number=order.number,
        digest=order.digest,
        code=code,
        message=message,
        overdue_message=OVERDUE.format(message),
        may_wait=may_wait,
    )


_RECORD_NOT_PLACED = statement("""
    UPDATE connector_order c SET code = :code, status = CASE WHEN w.waits THEN 'WAITING' ELSE 'REFUSED' END,
        message = CASE WHEN :may_wait AND NOT w.waits THEN :overdue_message ELSE :message END,
        document = CASE WHEN w.waits THEN document END, decided_at = CASE WHEN w.waits THEN NULL ELSE now() END
    FROM (
        SELECT number, :may_wait AND deadline > now() AS waits FROM connector_order
        WHERE connector_id = :connector_id AND number = :number
    ) w
    WHERE c.connector_id = :connector_id AND c.number = w.number AND c.digest = :digest
        AND c.status IN ('NEW', 'WAITING')
""")


async def unacknowledged(session: Session, connector_id: UUID) -> list[str]:
    """Return the numbers of decided orders whose outcome the channel has not received, up to one acknowledgement."""
    rows = await session.fetch(_UNACKNOWLEDGED, connector_id=connector_id, limit=ORDERS_MAX)
    return [row["number"] for row in rows]


_UNACKNOWLEDGED = statement("""
    SELECT number FROM connector_order
    WHERE connector_id = :connector_id AND acknowledged_at IS NULL AND status IN ('PLACED', 'REFUSED')
    ORDER BY decided_at, number LIMIT :limit
""")


async def outcomes(session: Session, connector_id: UUID, numbers: Sequence[str]) -> list[ImportOutcome]:
    """Return the outcomes of orders so far, by number."""
    rows = await session.fetch(_OUTCOMES, connector_id=connector_id, numbers=numbers)
    orders = await queries.by_cart(session, [row["cart_id"] for row in rows if row["cart_id"]])
    return [
        ImportOutcome(
            number=row["number"],
            status=ImportStatus(row["status"]),
            order=orders[row["cart_id"]].number if row["cart_id"] else None,
            refusal=Refusal(row["code"], row["message"]) if row["code"] else None,
        )
        for row in rows
    ]


_OUTCOMES = statement("""
    SELECT number, status, cart_id, code, message FROM connector_order
    WHERE connector_id = :connector_id AND number = ANY(:numbers) ORDER BY number
""")


async def record_acknowledged(session: Session, connector_id: UUID, acknowledged: Sequence[ImportOutcome]) -> None:
    """Record that the channel has received these outcomes."""
    await session.run(
        _RECORD_ACKNOWLEDGED,
        connector_id=connector_id,
        numbers=[outcome.number for outcome in acknowledged],
        statuses=[outcome.status for outcome in acknowledged],
    )


_RECORD_ACKNOWLEDGED = statement("""
    UPDATE connector_order c SET acknowledged_at = now()
    FROM unnest(:numbers::text[], :statuses::text[]) AS o(number, status)
    WHERE c.connector_id = :connector_id AND c.number = o.number AND c.status = o.status
""")
