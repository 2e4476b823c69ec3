"""Receipts of transfers: what the destination accepts, and why that differs from what was shipped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from uriba.core import quantities
from uriba.core.actor import Actor
from uriba.core.errors import Code, Invalid, InvalidQuantity, Refusals
from uriba.db import Row, Session
from uriba.db.statements import statement
from uriba.inventory import ledger, lookups
from uriba.inventory.enums import StockReason, StockState, TransferStatus
from uriba.inventory.ledger import Movement
from uriba.inventory.transfers import Transfer, TransferLine, lock_transfer


class Discrepancy(StrEnum):
    """Why received units differ from the shipped ones, or are not fit for sale."""

    LOST = "LOST"
    DAMAGED = "DAMAGED"
    MISCOUNTED = "MISCOUNTED"
    OTHER = "OTHER"


@dataclass(frozen=True, slots=True)
class ReceivedUnits:
    """Units of a SKU that arrived, damaged ones if the reason is DAMAGED. 0 units with a reason: nothing arrived."""

    sku: str
    quantity: int
    reason: Discrepancy | None = None

    @property
    def damaged(self) -> bool:
        return self.reason is Discrepancy.DAMAGED


@dataclass(frozen=True, slots=True)
class LineReceipt:
    """A line of a transfer with what is received of it now. `reason`: why that differs from what was shipped."""

    line: TransferLine
    good: int
    damaged: int
    reason: Discrepancy | None

    @property
    def received(self) -> int:
        return self.line.received + self.good + self.damaged

    @property
    def is_complete(self) -> bool:
        """Whether exactly the shipped units have been received."""
        return self.received == self.line.shipped

    @property
    def discrepancy(self) -> str | None:
        return self.reason or self.line.discrepancy or (Discrepancy.DAMAGED if self.damaged else None)

    @property
    def is_explained(self) -> bool:
        """Whether there is a reason for a difference. DAMAGED of units that did arrive is none."""
        return self.reason is not None or self.line.discrepancy not in (None, Discrepancy.DAMAGED)

    @property
    def missing(self) -> int:
        """Units that are still on the way."""
        return max(0, self.line.open - self.good - self.damaged)


async def receive(
    session: Session, *, actor: Actor, transfer_id: UUID | None, units: Sequence[ReceivedUnits], close: bool
) -> list[Row]:
    """Receive units at the destination: on hand there, no longer incoming. Return the levels.

    Damaged units are on hand and unavailable. A transfer with all units received becomes RECEIVED. `close` makes it
    RECEIVED with fewer or more, where each such line has a reason, from now or from before; missing units are then no
    longer incoming. DAMAGED explains missing units only on a line with a quantity of 0.

    Errors: `NotFound`, `InvalidState`, `Invalid` (a reason is missing, a line twice), `InvalidQuantity`.
    """
    quantities.check_rows(len(units), "lines")
    if not units and not close:
        raise Invalid("Give at least one line.", "lines")
    transfer = await lock_transfer(session, transfer_id)
    lookups.check_terminal_location(actor, transfer.destination)
    transfer.check_next(TransferStatus.RECEIVED)
    _check(transfer, units, close=close)
    rows: dict[str, list[ReceivedUnits]] = {line.sku: [] for line in transfer.lines}
    for received in units:
        rows[received.sku].append(received)
    receipts = [_line_receipt(line, rows[line.sku]) for line in transfer.lines]
    if close:
        _check_reasons(receipts, units)
    closed = close or all(receipt.is_complete for receipt in receipts)
    await _write(session, transfer, receipts, closed=closed)
    movements = [m for receipt in receipts for m in _movements(transfer, receipt, closed=closed)]
    if not movements:
        return []
    await ledger.open_levels(session, [(m.variant_id, m.location_id) for m in movements])
    return await ledger.post(session, movements, reference=transfer.reference, actor=actor.label)


def _check(transfer: Transfer, units: Sequence[ReceivedUnits], *, close: bool) -> None:
    known = {line.sku for line in transfer.lines}
    refusals = Refusals()
    for index, received in enumerate(units):
        may_be_none = close and received.reason is not None
        try:
            quantities.quantity(received.quantity, "lines", index, "quantity", least=0 if may_be_none else 1)
        except InvalidQuantity as error:
            refusals.caught(error)
        if received.sku not in known:
            refusals.add(Code.NOT_FOUND, "This SKU is not in the transfer.", "lines", index, "sku")
    # Sellable and damaged units of one SKU are two lines.
    rows = [(received.sku, received.damaged) for received in units]
    lookups.refuse_duplicates(rows, "sku", field="lines", refusals=refusals)
    refusals.raise_any()


def _line_receipt(line: TransferLine, own: Sequence[ReceivedUnits]) -> LineReceipt:
    good = sum(received.quantity for received in own if not received.damaged)
    damaged = sum(received.quantity for received in own if received.damaged)
    reasons = [received.reason for received in own if received.reason and not (received.damaged and received.quantity)]
    return LineReceipt(line, good, damaged, reasons[0] if reasons else None)


def _check_reasons(receipts: Sequence[LineReceipt], units: Sequence[ReceivedUnits]) -> None:
    """Errors: `Invalid` for each line with fewer or more units than shipped and no reason."""
    rows = {received.sku: index for index, received in reversed(list(enumerate(units)))}
    refusals = Refusals()
    for receipt in receipts:
        if not receipt.is_complete and not receipt.is_explained:
            line = receipt.line
            sentence = f"{line.shipped} of {line.sku} were shipped and {receipt.received} received. Give a reason."
            at = (rows[line.sku], "reason") if line.sku in rows else ()
            refusals.add(Code.INVALID, sentence, "lines", *at)
    refusals.raise_any()


async def _write(session: Session, transfer: Transfer, receipts: Sequence[LineReceipt], *, closed: bool) -> None:
    await session.run(
        _RECEIVE,
        transfer_id=transfer.id,
        variant_ids=[receipt.line.variant_id for receipt in receipts],
        received=[receipt.received for receipt in receipts],
        discrepancies=[receipt.discrepancy for receipt in receipts],
        status=TransferStatus.RECEIVED if closed else TransferStatus.PARTIALLY_RECEIVED,
        closed=closed,
    )


_RECEIVE = statement("""
    WITH received AS (
        UPDATE stock_transfer_line l SET received = u.received, discrepancy = u.discrepancy
        FROM unnest(:variant_ids::bigint[], :received::bigint[], :discrepancies::text[])
            AS u(variant_id, received, discrepancy)
        WHERE l.transfer_id = :transfer_id AND l.variant_id = u.variant_id
    )
    UPDATE stock_transfer SET status = :status, closed_at = CASE WHEN :closed THEN clock_timestamp() END
    WHERE id = :transfer_id
""")


def _movements(transfer: Transfer, receipt: LineReceipt, *, closed: bool) -> list[Movement]:
    """Return the movements of good units, of damaged units and, in a closed transfer, of missing ones."""
    expected = min(receipt.good, receipt.line.open)
    found = [
        _movement(transfer, receipt, receipt.good, incoming=-expected),
        _movement(
            transfer,
            receipt,
            receipt.damaged,
            incoming=-min(receipt.damaged, receipt.line.open - expected),
            damaged=True,
        ),
    ]
    if closed and receipt.missing:
        found.append(_movement(transfer, receipt, receipt.missing, incoming=-receipt.missing, arrived=False))
    return [movement for movement in found if movement.quantity]


def _movement(
    transfer: Transfer, receipt: LineReceipt, units: int, *, incoming: int, damaged: bool = False, arrived: bool = True
) -> Movement:
    return Movement(
        variant_id=receipt.line.variant_id,
        location_id=transfer.destination,
        reason=StockReason.TRANSFER_IN,
        quantity=units,
        on_hand=units if arrived else 0,
        incoming=incoming,
        unavailable=units if damaged else 0,
        state=StockState.DAMAGED if damaged else None,
    )
