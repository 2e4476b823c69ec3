"""Transfers: goods that one location ships to another. Planned, shipped, cancelled; see `transfer_receipts`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from uriba.catalog.queries import SKU_OF_VARIANT
from uriba.core import quantities, text
from uriba.core.actor import Actor
from uriba.core.errors import Code, DomainError, Invalid, InvalidQuantity, InvalidState, NotFound, Refusals
from uriba.db import Row, Session
from uriba.db.statements import statement
from uriba.inventory import ledger, lookups
from uriba.inventory.enums import StockReason, TransferStatus
from uriba.inventory.errors import LedgerRefused
from uriba.inventory.ledger import Movement

NEXT_STATUSES = {
    TransferStatus.DRAFT: (TransferStatus.IN_TRANSIT, TransferStatus.CANCELLED),
    TransferStatus.IN_TRANSIT: (
        TransferStatus.PARTIALLY_RECEIVED,
        TransferStatus.RECEIVED,
        TransferStatus.CANCELLED,
    ),
    TransferStatus.PARTIALLY_RECEIVED: (
        TransferStatus.PARTIALLY_RECEIVED,
        TransferStatus.RECEIVED,
        TransferStatus.CANCELLED,
    ),
    TransferStatus.RECEIVED: (),
    TransferStatus.CANCELLED: (),
}
"""The statuses that may follow each status."""


@dataclass(frozen=True, slots=True)
class SkuUnits:
    """A number of units of a SKU."""

    sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class TransferLine:
    """A line of a locked transfer, in units. `discrepancy`: why the received units differ from the shipped ones."""

    variant_id: int
    sku: str
    quantity: int
    shipped: int
    received: int
    returned: int
    discrepancy: str | None

    @property
    def open(self) -> int:
        """Units that are still on the way."""
        return max(0, self.shipped - self.received - self.returned)


@dataclass(frozen=True, slots=True)
class Transfer:
    """A locked transfer with its lines in their order."""

    id: UUID
    source: int
    destination: int
    status: TransferStatus
    lines: tuple[TransferLine, ...]

    @property
    def reference(self) -> str:
        """The reference of its movements."""
        return f"transfer:{self.id}"

    def check_next(self, *wanted: TransferStatus) -> None:
        """Check that one of these statuses may follow. Errors: `InvalidState`, with those that may."""
        allowed = NEXT_STATUSES[self.status]
        if not set(wanted) & set(allowed):
            then = f"It can become {' or '.join(allowed)}." if allowed else "Its status cannot change any more."
            raise InvalidState(f"This transfer is {self.status}. {then}", "id")


async def create(
    session: Session,
    *,
    transfer_id: UUID,
    actor: Actor,
    source: str,
    destination: str,
    note: str | None,
    lines: Sequence[SkuUnits],
) -> None:
    """Plan a transfer between two locations, by code; no stock moves yet. `note`: the caller's own reference.

    Errors: `NotFound` SKU or location, `Invalid` (no line, a SKU twice, the same location), `InvalidQuantity`,
    `LimitExceeded`.
    """
    quantities.check_rows(len(lines), "lines")
    if not lines:
        raise Invalid("Give at least one line.", "lines")
    refusals = Refusals()
    own_reference = text.optional_text(note, "reference")
    if source == destination:
        refusals.add(Code.INVALID, "The destination must differ from the source.", "to")
    source_id = await lookups.location_id(session, source, "from", refusals=refusals)
    destination_id = await lookups.location_id(session, destination, "to", refusals=refusals)
    check_units(lines, refusals)
    variants = await lookups.variant_ids(session, [line.sku for line in lines], "sku", field="lines", refusals=refusals)
    if source_id is not None and destination_id is not None:
        lookups.check_terminal_location(actor, source_id, destination_id)
    refusals.raise_any()
    session.defer(
        _INSERT,
        transfer_id=transfer_id,
        source_id=source_id,
        destination_id=destination_id,
        reference=own_reference,
        actor=actor.label,
    )
    session.defer(
        _INSERT_LINES,
        transfer_id=transfer_id,
        variant_ids=[variants[line.sku] for line in lines],
        quantities=[line.quantity for line in lines],
    )
    await session.flush()


_INSERT = statement("""
    INSERT INTO stock_transfer (id, from_location_id, to_location_id, reference, actor)
    VALUES (:transfer_id, :source_id, :destination_id, :reference, :actor)
""")

_INSERT_LINES = statement("""
    INSERT INTO stock_transfer_line (transfer_id, variant_id, position, quantity)
    SELECT :transfer_id, variant_id, position, quantity
    FROM unnest(:variant_ids::bigint[], :quantities::bigint[]) WITH ORDINALITY AS u(variant_id, quantity, position)
""")


async def ship(
    session: Session, *, actor: Actor, transfer_id: UUID | None, lines: Sequence[SkuUnits] | None
) -> list[Row]:
    """Ship available units of a transfer: off the source's on hand, incoming at the destination. Return the levels.

    `lines`: what is shipped, None for all that was planned.

    Errors: `NotFound`, `InvalidState`, `Invalid`, `InvalidQuantity` (more than was planned), `OutOfStock` with the
    line's path.
    """
    quantities.check_rows(len(lines or ()), "lines")
    transfer = await lock_transfer(session, transfer_id)
    lookups.check_terminal_location(actor, transfer.source)
    transfer.check_next(TransferStatus.IN_TRANSIT)
    planned = {line.sku: line for line in transfer.lines}
    chosen = [SkuUnits(line.sku, line.quantity) for line in transfer.lines] if lines is None else lines
    _check_shipped(chosen, planned)
    units = {planned[line.sku].variant_id: line.quantity for line in chosen}
    await session.run(
        _SHIP,
        transfer_id=transfer.id,
        variant_ids=list(units),
        shipped=list(units.values()),
        status=TransferStatus.IN_TRANSIT,
    )
    await ledger.open_levels(session, [(v, place) for v in units for place in (transfer.source, transfer.destination)])
    movements = [m for v, quantity in units.items() for m in _shipping_movements(transfer, v, quantity)]
    try:
        return await ledger.post(session, movements, reference=transfer.reference, actor=actor.label)
    except LedgerRefused as refused:
        raise _out_of_stock(refused, list(units)) from refused


_SHIP = statement("""
    WITH shipped AS (
        UPDATE stock_transfer_line l SET shipped = u.shipped
        FROM unnest(:variant_ids::bigint[], :shipped::bigint[]) AS u(variant_id, shipped)
        WHERE l.transfer_id = :transfer_id AND l.variant_id = u.variant_id
    )
    UPDATE stock_transfer SET status = :status, shipped_at = clock_timestamp() WHERE id = :transfer_id
""")


def check_units(lines: Sequence[SkuUnits], refusals: Refusals) -> None:
    """Refuse quantities that are out of bounds, and SKUs that occur twice."""
    for index, line in enumerate(lines):
        try:
            quantities.quantity(line.quantity, "lines", index, "quantity")
        except InvalidQuantity as error:
            refusals.caught(error)
    lookups.refuse_duplicates([line.sku for line in lines], "sku", field="lines", refusals=refusals)


def _check_shipped(lines: Sequence[SkuUnits], planned: dict[str, TransferLine]) -> None:
    if not lines:
        raise Invalid("Give at least one line, or leave out lines to ship everything.", "lines")
    refusals = Refusals()
    check_units(lines, refusals)
    for index, line in enumerate(lines):
        if line.sku not in planned:
            refusals.add(Code.NOT_FOUND, "This SKU is not in the transfer.", "lines", index, "sku")
        elif line.quantity > planned[line.sku].quantity:
            sentence = f"Only {planned[line.sku].quantity} units are planned."
            refusals.add(Code.INVALID_QUANTITY, sentence, "lines", index, "quantity")
    refusals.raise_any()


def _shipping_movements(transfer: Transfer, variant_id: int, units: int) -> tuple[Movement, Movement]:
    return (
        Movement(
            variant_id=variant_id,
            location_id=transfer.source,
            reason=StockReason.TRANSFER_OUT,
            quantity=units,
            on_hand=-units,
            need=units,
        ),
        Movement(
            variant_id=variant_id,
            location_id=transfer.destination,
            reason=StockReason.TRANSFER_IN,
            quantity=units,
            incoming=units,
        ),
    )


def _out_of_stock(refused: LedgerRefused, variant_ids: Sequence[int]) -> DomainError:
    problems = Refusals()
    for refusal in refused.refusals:
        index = variant_ids.index(refusal.variant_id)
        sentence = f"Only {refusal.available} are available at the source."
        problems.add(Code.OUT_OF_STOCK, sentence, "lines", index, "quantity")
    return DomainError.of(problems.problems)


async def cancel(session: Session, *, actor: Actor, transfer_id: UUID | None, reason: str | None) -> list[Row]:
    """Cancel a transfer: units still on the way go back on hand at the source. Return the levels.

    A terminal can cancel a plan of its location, and what its location has shipped.

    Errors: `NotFound`, `InvalidState`.
    """
    own_reason = text.optional_text(reason, "reason")
    transfer = await lock_transfer(session, transfer_id)
    planned = transfer.status is TransferStatus.DRAFT
    lookups.check_terminal_location(actor, transfer.source, *([transfer.destination] if planned else []))
    transfer.check_next(TransferStatus.CANCELLED)
    await session.run(_CANCEL, transfer_id=transfer.id, status=TransferStatus.CANCELLED, reason=own_reason)
    movements = [m for line in transfer.lines if line.open for m in _returning_movements(transfer, line)]
    if not movements:
        return []
    return await ledger.post(session, movements, reference=transfer.reference, actor=actor.label)


_CANCEL = statement("""
    WITH returned AS (
        UPDATE stock_transfer_line SET returned = returned + greatest(0, shipped - received - returned)
        WHERE transfer_id = :transfer_id
    )
    UPDATE stock_transfer SET status = :status, reason = :reason, closed_at = clock_timestamp() WHERE id = :transfer_id
""")


def _returning_movements(transfer: Transfer, line: TransferLine) -> tuple[Movement, Movement]:
    return (
        Movement(
            variant_id=line.variant_id,
            location_id=transfer.source,
            reason=StockReason.TRANSFER_IN,
            quantity=line.open,
            on_hand=line.open,
        ),
        Movement(
            variant_id=line.variant_id,
            location_id=transfer.destination,
            reason=StockReason.TRANSFER_OUT,
            quantity=line.open,
            incoming=-line.open,
        ),
    )


async def lock_transfer(session: Session, transfer_id: UUID | None) -> Transfer:
    """Lock a transfer and return it with its lines. Errors: `NotFound`."""
    row = await session.fetchrow(_LOCK, transfer_id=transfer_id)
    if row is None:
        raise NotFound("There is no such transfer.", "id")
    # A second statement: the one that waits for the lock would read the lines as they were before.
    lines = await session.fetch(_LINES, transfer_id=transfer_id)
    return Transfer(
        row["id"],
        row["from_location_id"],
        row["to_location_id"],
        TransferStatus(row["status"]),
        tuple(TransferLine(**dict(line)) for line in lines),
    )


_LOCK = statement("""
    SELECT id, from_location_id, to_location_id, status FROM stock_transfer WHERE id = :transfer_id FOR UPDATE
""")

_LINES = statement(f"""
    SELECT l.variant_id, ({SKU_OF_VARIANT.format(variant="l.variant_id")}) AS sku, l.quantity, l.shipped, l.received,
        l.returned, l.discrepancy
    FROM stock_transfer_line l WHERE l.transfer_id = :transfer_id ORDER BY l.position
""")
