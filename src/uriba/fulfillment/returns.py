"""Returns that the hub books: at any location, for an order of any channel, of goods that had left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from uriba.catalog import channels, locations
from uriba.core import clock, text
from uriba.core.actor import Actor, Role
from uriba.core.errors import ApprovalRequired, Code, Invalid, NotFound, Refusals
from uriba.core.ids import new_id
from uriba.core.money import Money
from uriba.core.quantities import check_rows
from uriba.db import Row, Session
from uriba.fulfillment import order_snapshot
from uriba.fulfillment.allocation import backorders
from uriba.fulfillment.lifecycle.transitions import DEPARTED
from uriba.fulfillment.order_snapshot import OrderSnapshot
from uriba.inventory import ledger
from uriba.inventory.ledger import Movement
from uriba.inventory.models import StockReason, StockState
from uriba.orders import payments, timeline
from uriba.orders.events import ReturnCreated
from uriba.orders.models import ReturnCondition
from uriba.orders.payments import PaymentReason
from uriba.orders.proration import Proration
from uriba.orders.timeline import TimelineEntry


@dataclass(frozen=True, slots=True)
class ReturnRequestLine:
    """Units of a line that are handed in; without a condition they are not kept as stock."""

    order_line_id: UUID | None
    quantity: int
    condition: ReturnCondition | None = ReturnCondition.SELLABLE
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ReturnRequest:
    """A return; `location` is a code, a terminal's its own. `approve`: staff allows what the channel's terms do not."""

    order_id: UUID
    lines: Sequence[ReturnRequestLine]
    location: str | None = None
    approve: bool = False
    note: str | None = None


@dataclass(frozen=True, slots=True)
class RecordedReturn:
    """A return that was booked; `credit_minor`: what its units are worth."""

    id: UUID
    snapshot: OrderSnapshot
    location_id: int
    credit_minor: int


async def accept(session: Session, asked: ReturnRequest, *, return_id: UUID, actor: Actor) -> RecordedReturn:
    """Book a return: its goods, and what was paid for them. They land where they were handed in, known there or not.

    Errors: `NotFound` (order, line, location), `InvalidQuantity` (more than was bought), `InvalidState` (had not left),
    `ApprovalRequired`, `LimitExceeded`.
    """
    taken = await record(session, asked, return_id=return_id, actor=actor)
    at_till = actor.role is Role.TERMINAL
    await payments.refund(
        session,
        taken.snapshot.order,
        taken.credit_minor,
        reason=PaymentReason.RETURNED,
        actor=actor.label,
        at_till=at_till,
        return_id=taken.id,
    )
    await restock(session, taken, asked.lines, actor=actor.label)
    return taken


async def record(session: Session, asked: ReturnRequest, *, return_id: UUID, actor: Actor) -> RecordedReturn:
    """Record a return and its credit; refund and restocking are the caller's next steps. Errors: as `accept`."""
    check_rows(len(asked.lines), "lines")
    if not asked.lines:
        raise Invalid("Name at least one line.", "lines")
    found = await order_snapshot.lock(session, asked.order_id, actor=actor, path="orderId", own_place=False)
    location_id = await _place(session, found, asked.location, actor)
    units = _units(found, asked.lines)
    share = found.refund(units)
    credit = await _credit(session, found, units, share)
    await _check_terms(session, found, units, credit, asked, actor)
    await _write(session, return_id, found, asked, location_id, share, credit, actor)
    data = {"return": str(return_id), "refundMinor": credit, "units": sum(units.values())}
    await timeline.record(session, [TimelineEntry(found.order["id"], ReturnCreated, data)], actor=actor.label)
    return RecordedReturn(return_id, found, location_id, credit)


async def _place(session: Session, found: OrderSnapshot, code: str | None, actor: Actor) -> int:
    """Where the goods are handed in."""
    if code is not None:
        place = (await locations.by_code(session, [code])).get(code)
        if place is None or (actor.role is Role.TERMINAL and place["id"] != actor.location_id):
            raise NotFound("There is no such location.", "location")
        return int(place["id"])
    if actor.location_id is not None:
        return actor.location_id
    left = [piece.location_id for piece in found.pieces if piece.status in DEPARTED]
    if len(set(left)) != 1:
        raise Invalid("Say at which location the goods were handed in.", "location")
    return left[0]


def _units(found: OrderSnapshot, lines: Sequence[ReturnRequestLine]) -> dict[UUID, int]:
    """Units by line, rows of one line summed. Errors: per row."""
    refusals = Refusals()
    units = Counter[UUID]()
    for index, back in enumerate(lines):
        line = found.line(back.order_line_id) if back.order_line_id else None
        if line is None:
            refusals.add(Code.NOT_FOUND, "This order has no such line.", "lines", index, "orderLineId")
            continue
        units[line.id] += back.quantity
        left = line.quantity - line.cancelled - line.returned
        gone = found.units(line.id, DEPARTED) - line.returned
        if back.quantity <= 0 or units[line.id] > left:
            why = f"{left} units of this line can come back at most."
            refusals.add(Code.INVALID_QUANTITY, why, "lines", index, "quantity")
        elif units[line.id] > gone:
            why = f"{gone} units of this line have been handed over or shipped: cancel the others."
            refusals.add(Code.INVALID_STATE, why, "lines", index, "quantity")
    refusals.raise_any()
    return dict(units)


async def _credit(session: Session, found: OrderSnapshot, units: dict[UUID, int], share: Proration) -> int:
    """What was paid for the units, never more than was paid and not given back; the last ones get all that is left."""
    paid = await payments.paid_minor(session, found.order["id"])
    last = all(line.returned + line.cancelled + units.get(line.id, 0) == line.quantity for line in found.lines)
    return paid if last else min(paid, share.total_minor)


async def _check_terms(
    session: Session, found: OrderSnapshot, units: dict[UUID, int], credit: int, asked: ReturnRequest, actor: Actor
) -> None:
    """The channel's window, and how much may be given back without staff. Errors: `ApprovalRequired`."""
    if asked.approve and actor.role is Role.STAFF:
        return
    channel = (await channels.by_id(session, [found.order["channel_id"]]))[found.order["channel_id"]]
    most, days = channel["return_approval_minor"], channel["return_window_days"]
    if most is not None and credit > most:
        limit = Money(most, found.order["currency"])
        raise ApprovalRequired(f"A refund above {limit} needs staff's approval.", "approve")
    if days is not None:
        left_at = await session.fetchval(_LEFT_AT, found.order["id"], list(units), list(DEPARTED))
        if clock.now() > left_at + timedelta(days=days):
            raise ApprovalRequired(f"The {days} days for returns are over: this needs staff's approval.", "approve")


_LEFT_AT = """
    SELECT min(CASE WHEN f.method = 'CARRY_OUT' THEN o.placed_at ELSE f.changed_at END)
    FROM fulfillment f JOIN fulfillment_line l ON l.fulfillment_id = f.id JOIN orders o ON o.id = f.order_id
    WHERE o.id = $1 AND l.order_line_id = ANY($2) AND f.status = ANY($3)
"""


async def _write(
    session: Session,
    return_id: UUID,
    found: OrderSnapshot,
    asked: ReturnRequest,
    location_id: int,
    share: Proration,
    credit: int,
    actor: Actor,
) -> None:
    note = text.optional_text(asked.note, "note")
    reference = f"return:{return_id}"
    await session.run(
        "INSERT INTO order_return (id, order_id, location_id, currency, refund_minor, reference, note, actor) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        return_id,
        found.order["id"],
        location_id,
        found.order["currency"],
        credit,
        reference,
        note,
        actor.label,
    )
    rows = _lines(found, asked.lines, share)
    await session.run(_LINES, return_id, *(list(column) for column in zip(*rows, strict=True)))
    await session.run(
        "INSERT INTO order_return_tax (return_id, rate, gross_minor, tax_minor) "
        "SELECT $1, r, g, t FROM unnest($2::numeric[], $3::bigint[], $4::bigint[]) AS p(r, g, t)",
        return_id,
        [part.rate for part in share.parts],
        [part.gross_minor for part in share.parts],
        [part.tax_minor for part in share.parts],
    )
    await session.run(
        "UPDATE order_line l SET returned_quantity = returned_quantity + u.units FROM ("
        "SELECT id, sum(units) AS units FROM unnest($1::uuid[], $2::bigint[]) AS r(id, units) GROUP BY 1) u "
        "WHERE l.id = u.id",
        [back.order_line_id for back in asked.lines],
        [back.quantity for back in asked.lines],
    )


_LINES = """
    INSERT INTO order_return_line (id, return_id, order_line_id, variant_id, quantity, restocked, condition, reason,
        refund_minor)
    SELECT id, $1, line_id, variant_id, quantity, restocked, condition, reason, refund_minor
    FROM unnest($2::uuid[], $3::uuid[], $4::bigint[], $5::bigint[], $6::boolean[], $7::text[], $8::text[], $9::bigint[])
        AS r(id, line_id, variant_id, quantity, restocked, condition, reason, refund_minor)
"""


def _lines(found: OrderSnapshot, lines: Sequence[ReturnRequestLine], share: Proration) -> list[tuple[object, ...]]:
    """Rows as they were given; what a line's units cost is spread over its rows by units, the rest on the first."""
    units, first = Counter[UUID](), dict[UUID, int]()
    for index, back in enumerate(lines):
        assert back.order_line_id is not None
        units[back.order_line_id] += back.quantity
        first.setdefault(back.order_line_id, index)
    rows: list[tuple[object, ...]] = []
    for index, back in enumerate(lines):
        line = found.line(back.order_line_id) if back.order_line_id else None
        assert line is not None
        part = share.lines[line.id] * back.quantity // units[line.id]
        if first[line.id] == index:
            others = [b.quantity for n, b in enumerate(lines) if b.order_line_id == line.id and n != index]
            part = share.lines[line.id] - sum(share.lines[line.id] * n // units[line.id] for n in others)
        sellable = back.condition is ReturnCondition.SELLABLE
        reason = text.optional_text(back.reason, "lines", index, "reason")
        rows.append((new_id(), line.id, line.variant_id, back.quantity, sellable, back.condition, reason, part))
    return rows


async def restock(session: Session, taken: RecordedReturn, lines: Sequence[ReturnRequestLine], *, actor: str) -> None:
    """The goods land where they were handed in: for sale, or put aside; whoever waits for them gets them first."""
    movements = []
    for back in lines:
        line = taken.snapshot.line(back.order_line_id) if back.order_line_id else None
        if line is None or back.condition is None:
            continue
        aside = 0 if back.condition is ReturnCondition.SELLABLE else back.quantity
        movements.append(
            Movement(
                variant_id=line.variant_id,
                location_id=taken.location_id,
                reason=StockReason.RETURN,
                quantity=back.quantity,
                on_hand=back.quantity,
                unavailable=aside,
                state=StockState(back.condition) if aside else None,
            )
        )
    if movements:
        await ledger.open_levels(session, [(m.variant_id, m.location_id) for m in movements])
        rows: Sequence[Row] = await ledger.post(session, movements, reference=f"return:{taken.id}", actor=actor)
        await backorders.fill(session, rows, actor=actor)
