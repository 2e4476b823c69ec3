"""Returns that the hub accepts: at any location, for units of an order of any channel that have departed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
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
from uriba.db import Session
from uriba.db.statements import statement
from uriba.fulfillment import order_snapshot
from uriba.fulfillment.allocation import backorders
from uriba.fulfillment.lifecycle.transitions import DEPARTED
from uriba.fulfillment.order_snapshot import OrderSnapshot
from uriba.inventory import ledger
from uriba.inventory.enums import StockReason, StockState
from uriba.inventory.ledger import Movement
from uriba.orders import lifecycle, payments, timeline
from uriba.orders import returns as order_returns
from uriba.orders.enums import ReturnCondition
from uriba.orders.events import ReturnCreated
from uriba.orders.payments import PaymentReason
from uriba.orders.proration import Proration
from uriba.orders.queries import PLACED_ORDERS
from uriba.orders.returns import AcceptedLine, AcceptedReturn
from uriba.orders.timeline import TimelineEntry


@dataclass(frozen=True, slots=True)
class ReturnRequestLine:
    """Units of an order line to return. `condition` None: they are not kept as stock."""

    order_line_id: UUID | None
    quantity: int
    condition: ReturnCondition | None = ReturnCondition.SELLABLE
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ReturnRequest:
    """A return to accept. `location`: a code; a terminal's own location if None.

    `approve`: staff approves a return that the channel's terms do not allow.
    """

    order_id: UUID
    lines: Sequence[ReturnRequestLine]
    location: str | None = None
    approve: bool = False
    note: str | None = None


@dataclass(frozen=True, slots=True)
class RecordedReturn:
    """A return that was written. `credit_minor`: the price of its units, to be refunded or used for an exchange."""

    id: UUID
    snapshot: OrderSnapshot
    location_id: int
    credit_minor: int


def condition_of(condition: ReturnCondition | None, *, restock: bool) -> ReturnCondition | None:
    """Return the condition of returned units: SELLABLE for units to restock whose condition was not given."""
    return ReturnCondition.SELLABLE if condition is None and restock else condition


async def accept(session: Session, request: ReturnRequest, *, return_id: UUID, actor: Actor) -> RecordedReturn:
    """Accept a return: write it, refund its units and put them into the stock of the location.

    The location need not have sold the variants before. A terminal pays out cash at once.

    Errors: `NotFound` (order, line, location), `InvalidQuantity` (more than was bought), `InvalidState` (not departed),
    `ApprovalRequired`, `LimitExceeded`.
    """
    recorded = await record(session, request, return_id=return_id, actor=actor)
    await payments.refund(
        session,
        recorded.snapshot.order,
        recorded.credit_minor,
        reason=PaymentReason.RETURNED,
        actor=actor.label,
        at_till=actor.role is Role.TERMINAL,
        return_id=recorded.id,
    )
    await restock(session, recorded, request.lines, actor=actor.label)
    return recorded


async def record(session: Session, request: ReturnRequest, *, return_id: UUID, actor: Actor) -> RecordedReturn:
    """Write a return and its credit. Refund and stock are the caller's next steps. Errors: those of `accept`."""
    check_rows(len(request.lines), "lines")
    if not request.lines:
        raise Invalid("Name at least one line.", "lines")
    snapshot = await order_snapshot.lock(
        session, request.order_id, actor=actor, path="orderId", own_location_only=False
    )
    location_id = await _location_id(session, snapshot, request.location, actor)
    units = _units_by_line(snapshot, request.lines)
    price = snapshot.price(units)
    credit = await _credit_minor(session, snapshot, units, price)
    await _check_terms(session, snapshot, units, credit, request, actor)
    order = snapshot.order
    accepted = AcceptedReturn(
        id=return_id,
        order_id=order.id,
        location_id=location_id,
        currency=order.currency,
        refund_minor=credit,
        note=text.optional_text(request.note, "note"),
        lines=_accepted_lines(snapshot, request.lines, price),
        taxes=price.taxes,
    )
    await order_returns.insert(session, accepted, actor=actor.label)
    lifecycle.count_returned(session, units)
    data = {"return": str(return_id), "refundMinor": credit, "units": sum(units.values())}
    await timeline.record(session, [TimelineEntry(order.id, ReturnCreated, data)], actor=actor.label)
    return RecordedReturn(return_id, snapshot, location_id, credit)


async def _location_id(session: Session, snapshot: OrderSnapshot, code: str | None, actor: Actor) -> int:
    """Return where the units are handed in: the named location, else the actor's, else the only one they left from."""
    if code is not None:
        location = (await locations.by_code(session, [code])).get(code)
        if location is None or (actor.role is Role.TERMINAL and location["id"] != actor.location_id):
            raise NotFound("There is no such location.", "location")
        return int(location["id"])
    if actor.location_id is not None:
        return actor.location_id
    departed_from = {part.location_id for part in snapshot.parts if part.status in DEPARTED}
    if len(departed_from) != 1:
        raise Invalid("Name the location where the units were handed in.", "location")
    return departed_from.pop()


def _units_by_line(snapshot: OrderSnapshot, lines: Sequence[ReturnRequestLine]) -> dict[UUID, int]:
    """Return the units by order line; several rows may name one line. Errors: by row."""
    refusals = Refusals()
    units = Counter[UUID]()
    for index, requested in enumerate(lines):
        line = snapshot.line(requested.order_line_id)
        if line is None:
            refusals.add(Code.NOT_FOUND, "This order has no such line.", "lines", index, "orderLineId")
            continue
        units[line.id] += requested.quantity
        returnable = line.quantity - line.cancelled - line.returned
        departed = snapshot.units_in(line.id, DEPARTED) - line.returned
        if requested.quantity <= 0 or units[line.id] > returnable:
            message = f"At most {returnable} units of this line can be returned."
            refusals.add(Code.INVALID_QUANTITY, message, "lines", index, "quantity")
        elif units[line.id] > departed:
            message = f"Only {departed} units of this line have been handed over or shipped. Cancel the others."
            refusals.add(Code.INVALID_STATE, message, "lines", index, "quantity")
    refusals.raise_any()
    return dict(units)


async def _credit_minor(session: Session, snapshot: OrderSnapshot, units: Mapping[UUID, int], price: Proration) -> int:
    """Return the price of the units, at most what is paid. The last units of an order get all that is left."""
    paid = await payments.paid_minor(session, snapshot.order.id)
    return paid if snapshot.completes(units) else min(paid, price.total_minor)


async def _check_terms(
    session: Session,
    snapshot: OrderSnapshot,
    units: Mapping[UUID, int],
    credit_minor: int,
    request: ReturnRequest,
    actor: Actor,
) -> None:
    """Check the channel's return window and its limit of refunds without approval. Errors: `ApprovalRequired`."""
    if request.approve and actor.role is Role.STAFF:
        return
    order = snapshot.order
    channel = (await channels.by_id(session, [order.channel_id]))[order.channel_id]
    limit_minor, days = channel["return_approval_minor"], channel["return_window_days"]
    if limit_minor is not None and credit_minor > limit_minor:
        limit = Money(limit_minor, order.currency)
        raise ApprovalRequired(f"A refund above {limit} needs the approval of staff.", "approve")
    if days is not None:
        departed_at = await session.fetchval(
            _DEPARTED_AT, order_id=order.id, line_ids=list(units), departed=list(DEPARTED)
        )
        if clock.now() > departed_at + timedelta(days=days):
            raise ApprovalRequired(
                f"The {days} days for returns are over. The return needs the approval of staff.", "approve"
            )


_DEPARTED_AT = statement(f"""
    SELECT min(CASE WHEN f.method = 'CARRY_OUT' THEN o.placed_at ELSE f.changed_at END)
    FROM fulfillment f JOIN fulfillment_line l ON l.fulfillment_id = f.id
    JOIN ({PLACED_ORDERS}) o ON o.order_id = f.order_id
    WHERE f.order_id = :order_id AND l.order_line_id = ANY(:line_ids) AND f.status = ANY(:departed)
""")


def _accepted_lines(
    snapshot: OrderSnapshot, lines: Sequence[ReturnRequestLine], price: Proration
) -> list[AcceptedLine]:
    """Return the rows as requested. The price of an order line is shared among its rows by units.

    Minor units that are left over go to the first row.
    """
    units, first_row = Counter[UUID](), dict[UUID, int]()
    for index, requested in enumerate(lines):
        assert requested.order_line_id is not None
        units[requested.order_line_id] += requested.quantity
        first_row.setdefault(requested.order_line_id, index)
    accepted = []
    for index, requested in enumerate(lines):
        line = snapshot.line(requested.order_line_id)
        assert line is not None
        line_price = price.lines[line.id]
        refund_minor = line_price * requested.quantity // units[line.id]
        if first_row[line.id] == index:
            others = [r.quantity for n, r in enumerate(lines) if r.order_line_id == line.id and n != index]
            refund_minor = line_price - sum(line_price * quantity // units[line.id] for quantity in others)
        accepted.append(
            AcceptedLine(
                id=new_id(),
                order_line_id=line.id,
                variant_id=line.variant_id,
                quantity=requested.quantity,
                condition=requested.condition,
                reason=text.optional_text(requested.reason, "lines", index, "reason"),
                refund_minor=refund_minor,
            )
        )
    return accepted


async def restock(
    session: Session, recorded: RecordedReturn, lines: Sequence[ReturnRequestLine], *, actor: str
) -> None:
    """Post the returned units to the location, available or unavailable by their condition, and fill back-orders."""
    movements = []
    for requested in lines:
        line = recorded.snapshot.line(requested.order_line_id)
        if line is None or requested.condition is None:
            continue
        sellable = requested.condition is ReturnCondition.SELLABLE
        movements.append(
            Movement(
                variant_id=line.variant_id,
                location_id=recorded.location_id,
                reason=StockReason.RETURN,
                quantity=requested.quantity,
                on_hand=requested.quantity,
                unavailable=0 if sellable else requested.quantity,
                state=None if sellable else StockState(requested.condition),
            )
        )
    if movements:
        await ledger.open_levels(session, [(m.variant_id, m.location_id) for m in movements])
        levels = await ledger.post(session, movements, reference=f"return:{recorded.id}", actor=actor)
        await backorders.fill(session, levels, actor=actor)
