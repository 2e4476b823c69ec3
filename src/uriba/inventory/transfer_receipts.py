"""Arrivals: what a transfer's destination finds in the boxes, and why that is not what was shipped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from uriba.core import quantities
from uriba.core.actor import Actor
from uriba.core.errors import Code, Invalid, InvalidQuantity, Refusals
from uriba.db import Row, Session
from uriba.inventory import ledger, lookups
from uriba.inventory.ledger import Movement
from uriba.inventory.models import StockReason, StockState, TransferStatus
from uriba.inventory.transfers import Transfer, TransferLine, locked


class Discrepancy(StrEnum):
    """Why what arrived is not what was shipped, or is not fit for sale."""

    LOST = "LOST"
    DAMAGED = "DAMAGED"
    MISCOUNTED = "MISCOUNTED"
    OTHER = "OTHER"


@dataclass(frozen=True, slots=True)
class Arrival:
    """Units of a SKU that arrived: damaged, if that is the reason. None, with a reason, where nothing did."""

    sku: str
    quantity: int
    reason: Discrepancy | None = None

    @property
    def damaged(self) -> bool:
        return self.reason is Discrepancy.DAMAGED


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A line with what arrived of it now. `reason`: why that is not what was shipped."""

    line: TransferLine
    good: int
    damaged: int
    reason: Discrepancy | None

    @property
    def received(self) -> int:
        return self.line.received + self.good + self.damaged

    @property
    def even(self) -> bool:
        """All that was shipped has arrived, and no more."""
        return self.received == self.line.shipped

    @property
    def discrepancy(self) -> str | None:
        return self.reason or self.line.discrepancy or (Discrepancy.DAMAGED if self.damaged else None)

    @property
    def explained(self) -> bool:
        """There is a reason for a difference. Units that arrived damaged did arrive: they are none."""
        return self.reason is not None or self.line.discrepancy not in (None, Discrepancy.DAMAGED)

    @property
    def missing(self) -> int:
        """Units that are on the way still."""
        return max(0, self.line.open - self.good - self.damaged)


async def receive(
    session: Session, *, actor: Actor, transfer_id: UUID | None, arrivals: Sequence[Arrival], close: bool
) -> list[Row]:
    """The goods arrive at the destination: on hand there, no longer incoming. The levels as they are then.

    Units that arrived damaged are on hand and unavailable. Once all is there the transfer is RECEIVED; `close` makes it
    so with less or more, where each such line has a reason, now or from before. What is missing then is not incoming.
    That other units of the line arrived damaged is no reason; that the missing ones were is, with a quantity of 0.

    Errors: `NotFound`, `InvalidState`, `Invalid` (a reason is missing, a line twice), `InvalidQuantity`.
    """
    quantities.check_rows(len(arrivals), "lines")
    if not arrivals and not close:
        raise Invalid("Give at least one line.", "lines")
    transfer = await locked(session, transfer_id)
    lookups.check_own(actor, transfer.destination)
    transfer.check_next(TransferStatus.RECEIVED)
    _check(transfer, arrivals, close=close)
    rows: dict[str, list[Arrival]] = {line.sku: [] for line in transfer.lines}
    for arrival in arrivals:
        rows[arrival.sku].append(arrival)
    unpacked = [_unpack(line, rows[line.sku]) for line in transfer.lines]
    if close:
        _check_reasons(unpacked, arrivals)
    closed = close or all(one.even for one in unpacked)
    await _keep(session, transfer, unpacked, closed=closed)
    movements = [m for one in unpacked for m in _movements(transfer, one, closed=closed)]
    if not movements:
        return []
    await ledger.open_levels(session, [(m.variant_id, m.location_id) for m in movements])
    return await ledger.post(session, movements, reference=transfer.reference, actor=actor.label)


def _check(transfer: Transfer, arrivals: Sequence[Arrival], *, close: bool) -> None:
    known = {line.sku for line in transfer.lines}
    refusals = Refusals()
    for index, arrival in enumerate(arrivals):
        nothing = close and arrival.reason is not None
        try:
            quantities.quantity(arrival.quantity, "lines", index, "quantity", least=0 if nothing else 1)
        except InvalidQuantity as error:
            refusals.caught(error)
        if arrival.sku not in known:
            refusals.add(Code.NOT_FOUND, "This SKU is not in the transfer.", "lines", index, "sku")
    # What is fit for sale and what is not of one SKU are two lines.
    rows = [(arrival.sku, arrival.damaged) for arrival in arrivals]
    lookups.refuse_repeats(rows, field="lines", key="sku", refusals=refusals)
    refusals.raise_any()


def _unpack(line: TransferLine, own: Sequence[Arrival]) -> Unpacked:
    good = sum(arrival.quantity for arrival in own if not arrival.damaged)
    damaged = sum(arrival.quantity for arrival in own if arrival.damaged)
    reasons = [arrival.reason for arrival in own if arrival.reason and not (arrival.damaged and arrival.quantity)]
    return Unpacked(line, good, damaged, reasons[0] if reasons else None)


def _check_reasons(unpacked: Sequence[Unpacked], arrivals: Sequence[Arrival]) -> None:
    """Errors: `Invalid` for each line that arrived short, or in excess, for no reason."""
    rows = {arrival.sku: index for index, arrival in reversed(list(enumerate(arrivals)))}
    refusals = Refusals()
    for one in unpacked:
        if not one.even and not one.explained:
            sentence = f"{one.line.shipped} of {one.line.sku} were shipped, {one.received} arrived: give a reason."
            at = (rows[one.line.sku], "reason") if one.line.sku in rows else ()
            refusals.add(Code.INVALID, sentence, "lines", *at)
    refusals.raise_any()


async def _keep(session: Session, transfer: Transfer, unpacked: Sequence[Unpacked], *, closed: bool) -> None:
    await session.run(
        "WITH received AS (UPDATE stock_transfer_line l SET received = u.received, discrepancy = u.discrepancy "
        "FROM unnest($2::bigint[], $3::bigint[], $4::text[]) AS u(variant_id, received, discrepancy) "
        "WHERE l.transfer_id = $1 AND l.variant_id = u.variant_id) "
        "UPDATE stock_transfer SET status = $5, closed_at = CASE WHEN $6 THEN clock_timestamp() END WHERE id = $1",
        transfer.id,
        [one.line.variant_id for one in unpacked],
        [one.received for one in unpacked],
        [one.discrepancy for one in unpacked],
        TransferStatus.RECEIVED if closed else TransferStatus.PARTIALLY_RECEIVED,
        closed,
    )


def _movements(transfer: Transfer, one: Unpacked, *, closed: bool) -> list[Movement]:
    """Good units, damaged units, and the end of waiting for those that are missing."""
    expected = min(one.good, one.line.open)
    found = [
        _movement(transfer, one, one.good, incoming=-expected),
        _movement(transfer, one, one.damaged, incoming=-min(one.damaged, one.line.open - expected), damaged=True),
    ]
    if closed and one.missing:
        found.append(_movement(transfer, one, one.missing, incoming=-one.missing, arrived=False))
    return [movement for movement in found if movement.quantity]


def _movement(
    transfer: Transfer, one: Unpacked, units: int, *, incoming: int, damaged: bool = False, arrived: bool = True
) -> Movement:
    return Movement(
        variant_id=one.line.variant_id,
        location_id=transfer.destination,
        reason=StockReason.TRANSFER_IN,
        quantity=units,
        on_hand=units if arrived else 0,
        incoming=incoming,
        unavailable=units if damaged else 0,
        state=StockState.DAMAGED if damaged else None,
    )
