"""The inbox: orders that channels brought, kept before they are tried, decided once, and answered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from uriba.connectors.external_orders import ExternalOrder, Unreadable, digest
from uriba.connectors.models import ImportStatus
from uriba.connectors.port import ORDERS_MAX, Refusal, Verdict
from uriba.core.errors import Code
from uriba.db import Row, Session
from uriba.orders import queries

CHANGED = "This number was brought before with another content, and its order was placed."
OVERDUE = "Its goods did not come in before its deadline. {}"


async def keep(
    session: Session, connector_id: UUID, orders: Sequence[ExternalOrder | Unreadable], *, term_s: float
) -> None:
    """Keep a page's orders by their numbers.

    One that was placed stays as it is, and is answered again. One that was refused is tried anew: its goods may be
    known by now. One that waits is replaced by what is said now.
    """
    read = {order.number: order for order in orders if isinstance(order, ExternalOrder)}
    digests = [digest(order) for order in read.values()]
    documents = [msgspec.json.encode(order).decode() for order in read.values()]
    deadlines = [order.deadline for order in read.values()]
    await session.run(_KEEP, connector_id, list(read), digests, documents, deadlines, term_s)
    await session.run(
        "UPDATE connector_order SET acknowledged_at = NULL "
        "WHERE connector_id = $1 AND number = ANY($2) AND status = 'PLACED'",
        connector_id,
        list(read),
    )
    unread = {one.number: one.message for one in orders if isinstance(one, Unreadable) and one.number is not None}
    await session.run(_REFUSE_UNREAD, connector_id, list(unread), list(unread.values()))


_KEEP = """
    INSERT INTO connector_order AS c (connector_id, number, digest, document, deadline)
    SELECT $1, number, digest, document::jsonb, coalesce(deadline, now() + make_interval(secs => $6))
    FROM unnest($2::text[], $3::bytea[], $4::text[], $5::timestamptz[]) AS o(number, digest, document, deadline)
    ORDER BY number
    ON CONFLICT (connector_id, number) DO UPDATE SET status = 'NEW', digest = excluded.digest,
        document = excluded.document, deadline = excluded.deadline, code = NULL, message = NULL, attempts = 0,
        next_at = now(), decided_at = NULL, acknowledged_at = NULL
    WHERE c.status = 'REFUSED' OR (c.status IN ('NEW', 'WAITING') AND c.digest <> excluded.digest)
"""
_REFUSE_UNREAD = """
    INSERT INTO connector_order AS c (connector_id, number, status, digest, code, message, deadline, decided_at)
    SELECT $1, number, 'REFUSED', ''::bytea, 'INVALID', message, now(), now()
    FROM unnest($2::text[], $3::text[]) AS o(number, message) ORDER BY number
    ON CONFLICT (connector_id, number) DO UPDATE SET code = excluded.code, message = excluded.message,
        decided_at = now(), acknowledged_at = NULL
    WHERE c.status = 'REFUSED'
"""


async def changed(session: Session, connector_id: UUID, orders: Sequence[ExternalOrder | Unreadable]) -> list[str]:
    """Numbers whose order was placed with another content than is said now."""
    read = {order.number: digest(order) for order in orders if isinstance(order, ExternalOrder)}
    rows = await session.fetch(
        "SELECT c.number FROM connector_order c JOIN unnest($2::text[], $3::bytea[]) AS o(number, digest) "
        "USING (number) WHERE c.connector_id = $1 AND c.status = 'PLACED' AND c.digest <> o.digest ORDER BY 1",
        connector_id,
        list(read),
        list(read.values()),
    )
    return [row["number"] for row in rows]


async def due(session: Session, connector_id: UUID, *, before: datetime, retry_s: float, limit: int) -> list[Row]:
    """Orders to be tried in a run that began then; each is tried once in it, and again later whatever happens now."""
    return await session.fetch(_DUE, connector_id, before, retry_s, limit)


_DUE = """
    UPDATE connector_order c SET attempts = attempts + 1,
        next_at = greatest(now(), $2 + interval '1 microsecond') + make_interval(secs => $3)
    FROM (
        SELECT number FROM connector_order WHERE connector_id = $1 AND status IN ('NEW', 'WAITING')
            AND next_at <= $2 ORDER BY received_at, number LIMIT $4
    ) d WHERE c.connector_id = $1 AND c.number = d.number RETURNING c.*
"""


async def lock(session: Session, row: Row) -> bool:
    """Have an order to oneself: false where it is decided, or says something else by now."""
    found = await session.fetchval(
        "SELECT true FROM connector_order WHERE connector_id = $1 AND number = $2 AND digest = $3 "
        "AND status IN ('NEW', 'WAITING') FOR UPDATE",
        row["connector_id"],
        row["number"],
        row["digest"],
    )
    return bool(found)


def placed(session: Session, row: Row, *, cart_id: UUID) -> None:
    """A locked order becomes what its cart becomes, with the transaction that does it."""
    session.defer(
        "UPDATE connector_order SET status = 'PLACED', cart_id = $3, document = NULL, code = NULL, message = NULL, "
        "decided_at = now(), acknowledged_at = NULL WHERE connector_id = $1 AND number = $2",
        row["connector_id"],
        row["number"],
        cart_id,
    )


async def not_placed(session: Session, row: Row, *, code: Code, message: str, again: bool) -> None:
    """Write down why an order was not placed; `again`: it waits, as long as its deadline lets it."""
    await session.run(
        _NOT_PLACED, row["connector_id"], row["number"], row["digest"], code, message, OVERDUE.format(message), again
    )


_NOT_PLACED = """
    UPDATE connector_order SET code = $4, status = CASE WHEN w.waits THEN 'WAITING' ELSE 'REFUSED' END,
        message = CASE WHEN $7 AND NOT w.waits THEN $6 ELSE $5 END,
        document = CASE WHEN w.waits THEN document END, decided_at = CASE WHEN w.waits THEN NULL ELSE now() END
    FROM (SELECT number, $7 AND deadline > now() AS waits FROM connector_order
          WHERE connector_id = $1 AND number = $2) w
    WHERE connector_order.connector_id = $1 AND connector_order.number = w.number AND digest = $3
        AND status IN ('NEW', 'WAITING')
"""


async def unanswered(session: Session, connector_id: UUID) -> list[str]:
    """Numbers of decided orders that the channel has not been told about."""
    rows = await session.fetch(
        "SELECT number FROM connector_order WHERE connector_id = $1 AND acknowledged_at IS NULL "
        "AND status IN ('PLACED', 'REFUSED') ORDER BY decided_at, number LIMIT $2",
        connector_id,
        ORDERS_MAX,
    )
    return [row["number"] for row in rows]


async def verdicts(session: Session, connector_id: UUID, numbers: Sequence[str]) -> list[Verdict]:
    """What became of orders so far, by number."""
    rows = await session.fetch(
        "SELECT number, status, cart_id, code, message FROM connector_order "
        "WHERE connector_id = $1 AND number = ANY($2) ORDER BY number",
        connector_id,
        numbers,
    )
    orders = await queries.by_cart(session, [row["cart_id"] for row in rows if row["cart_id"]])
    return [
        Verdict(
            number=row["number"],
            status=ImportStatus(row["status"]),
            order=orders[row["cart_id"]]["number"] if row["cart_id"] else None,
            refusal=Refusal(row["code"], row["message"]) if row["code"] else None,
        )
        for row in rows
    ]


async def answered(session: Session, connector_id: UUID, told: Sequence[Verdict]) -> None:
    """The channel knows what became of these."""
    await session.run(
        "UPDATE connector_order c SET acknowledged_at = now() FROM unnest($2::text[], $3::text[]) AS v(number, status) "
        "WHERE c.connector_id = $1 AND c.number = v.number AND c.status = v.status",
        connector_id,
        [verdict.number for verdict in told],
        [verdict.status for verdict in told],
    )
