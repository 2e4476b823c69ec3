"""Transfers: goods that one location ships to another, from the plan to the last unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from uriba.core import quantities, text
from uriba.core.actor import Actor
from uriba.core.errors import Code, DomainError, Invalid, InvalidQuantity, InvalidState, NotFound, Refusals
from uriba.db import Row, Session
from uriba.inventory import ledger, lookups
from uriba.inventory.errors import LedgerRefused
from uriba.inventory.ledger import Movement
from uriba.inventory.models import StockReason, TransferStatus

NEXT = {
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
"""What a transfer may become."""


@dataclass(frozen=True, slots=True)
class Units:
    """So many units of a SKU."""

    sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class TransferLine:
    """A line as the hub knows it, in units. `discrepancy`: why what arrived is not what was shipped."""

    variant_id: int
    sku: str
    quantity: int
    shipped: int
    received: int
    returned: int
    discrepancy: str | None

    @property
    def open(self) -> int:
        """Still on the way."""
        return max(0, self.shipped - self.received - self.returned)


@dataclass(frozen=True, slots=True)
class Transfer:
    """A transfer that this transaction has locked, and its lines in their order."""

    id: UUID
    source: int
    destination: int
    status: TransferStatus
    lines: tuple[TransferLine, ...]

    @property
    def reference(self) -> str:
        """How the ledger names it."""
        return f"transfer:{self.id}"

    def check_next(self, *wanted: TransferStatus) -> None:
        """Errors: `InvalidState`, naming what may be."""
        legal = NEXT[self.status]
        if not set(wanted) & set(legal):
            then = f"can become {' or '.join(legal)}" if legal else "stays so"
            raise InvalidState(f"This transfer is {self.status} and {then}.", "id")


async def create(
    session: Session,
    *,
    transfer_id: UUID,
    actor: Actor,
    source: str,
    destination: str,
    note: str | None,
    lines: Sequence[Units],
) -> None:
    """Plan a transfer between two locations, by their codes; nothing moves yet. `note` is the caller's own reference.

    Errors: `NotFound` SKU or location, `Invalid` (no line, a SKU twice, to where it comes from), `InvalidQuantity`,
    `LimitExceeded`.
    """
    quantities.check_rows(len(lines), "lines")
    if not lines:
        raise Invalid("Give at least one line.", "lines")
    refusals = Refusals()
    noted = text.optional_text(note, "reference")
    if source == destination:
        refusals.add(Code.INVALID, "Goods go to another location than they come from.", "to")
    source_id = await lookups.place(session, source, "from", refusals=refusals)
    destination_id = await lookups.place(session, destination, "to", refusals=refusals)
    check_units(lines, refusals)
    variants = await lookups.variants(session, [line.sku for line in lines], field="lines", refusals=refusals)
    if source_id is not None and destination_id is not None:
        lookups.check_own(actor, source_id, destination_id)
    refusals.raise_any()
    session.defer(
        "INSERT INTO stock_transfer (id, from_location_id, to_location_id, reference, actor) "
        "VALUES ($1, $2, $3, $4, $5)",
        transfer_id,
        source_id,
        destination_id,
        noted,
        actor.label,
    )
    session.defer(
        "INSERT INTO stock_transfer_line (transfer_id, variant_id, position, quantity) "
        "SELECT $1, v, n, q FROM unnest($2::bigint[], $3::bigint[]) WITH ORDINALITY AS u(v, q, n)",
        transfer_id,
        [variants[line.sku] for line in lines],
        [line.quantity for line in lines],
    )
    await session.flush()


async def ship(session: Session, *, actor: Actor, transfer_id: UUID | None, lines: Sequence[Units] | None) -> list[Row]:
    """The goods leave: out of the source's on hand, and incoming at the destination. None: all that was planned.

    Nothing leaves that is not available. The levels as they are then.

    Errors: `NotFound`, `InvalidState`, `Invalid`, `InvalidQuantity` (more than was planned), `OutOfStock` with the
    line's path.
    """
    quantities.check_rows(len(lines or ()), "lines")
    transfer = await locked(session, transfer_id)
    lookups.check_own(actor, transfer.source)
    transfer.check_next(TransferStatus.IN_TRANSIT)
    planned = {line.sku: line for line in transfer.lines}
    chosen = [Units(line.sku, line.quantity) for line in transfer.lines] if lines is None else lines
    _check_shipped(chosen, planned)
    units = {planned[line.sku].variant_id: line.quantity for line in chosen}
    await session.run(
        "WITH shipped AS (UPDATE stock_transfer_line l SET shipped = u.q FROM unnest($2::bigint[], $3::bigint[]) "
        "AS u(v, q) WHERE l.transfer_id = $1 AND l.variant_id = u.v) "
        "UPDATE stock_transfer SET status = $4, shipped_at = clock_timestamp() WHERE id = $1",
        transfer.id,
        list(units),
        list(units.values()),
        TransferStatus.IN_TRANSIT,
    )
    await ledger.open_levels(session, [(v, place) for v in units for place in (transfer.source, transfer.destination)])
    movements = [m for v, quantity in units.items() for m in _leaving(transfer, v, quantity)]
    try:
        return await ledger.post(session, movements, reference=transfer.reference, actor=actor.label)
    except LedgerRefused as refused:
        raise _short(refused, list(units)) from refused


def check_units(lines: Sequence[Units], refusals: Refusals) -> None:
    """Refuse quantities out of bounds, and SKUs that stand twice."""
    for index, line in enumerate(lines):
        try:
            quantities.quantity(line.quantity, "lines", index, "quantity")
        except InvalidQuantity as error:
            refusals.caught(error)
    lookups.refuse_repeats([line.sku for line in lines], field="lines", key="sku", refusals=refusals)


def _check_shipped(lines: Sequence[Units], planned: dict[str, TransferLine]) -> None:
    if not lines:
        raise Invalid("Ship at least one line, or leave out lines for all.", "lines")
    refusals = Refusals()
    check_units(lines, refusals)
    for index, line in enumerate(lines):
        if line.sku not in planned:
            refusals.add(Code.NOT_FOUND, "This SKU is not in the transfer.", "lines", index, "sku")
        elif line.quantity > planned[line.sku].quantity:
            sentence = f"Only {planned[line.sku].quantity} are planned."
            refusals.add(Code.INVALID_QUANTITY, sentence, "lines", index, "quantity")
    refusals.raise_any()


def _leaving(transfer: Transfer, variant_id: int, units: int) -> tuple[Movement, Movement]:
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


def _short(refused: LedgerRefused, variant_ids: Sequence[int]) -> DomainError:
    problems = Refusals()
    for refusal in refused.refusals:
        index = variant_ids.index(refusal.variant_id)
        sentence = f"Only {refusal.available} are available there."
        problems.add(Code.OUT_OF_STOCK, sentence, "lines", index, "quantity")
    return DomainError.of(problems.problems)


async def cancel(session: Session, *, actor: Actor, transfer_id: UUID | None, reason: str | None) -> list[Row]:
    """Give a transfer up: what is still on the way goes back on hand at the source. The levels as they are then.

    A terminal cancels a plan of its location's, and what its location has shipped. Errors: `NotFound`, `InvalidState`.
    """
    because = text.optional_text(reason, "reason")
    transfer = await locked(session, transfer_id)
    planned = transfer.status is TransferStatus.DRAFT
    lookups.check_own(actor, transfer.source, *([transfer.destination] if planned else []))
    transfer.check_next(TransferStatus.CANCELLED)
    await session.run(
        "WITH returned AS (UPDATE stock_transfer_line SET returned = returned + greatest(0, shipped - received "
        "- returned) WHERE transfer_id = $1) "
        "UPDATE stock_transfer SET status = $2, reason = $3, closed_at = clock_timestamp() WHERE id = $1",
        transfer.id,
        TransferStatus.CANCELLED,
        because,
    )
    movements = [m for line in transfer.lines if line.open for m in _coming_back(transfer, line)]
    if not movements:
        return []
    return await ledger.post(session, movements, reference=transfer.reference, actor=actor.label)


def _coming_back(transfer: Transfer, line: TransferLine) -> tuple[Movement, Movement]:
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


async def locked(session: Session, transfer_id: UUID | None) -> Transfer:
    """The transfer as it is now; whoever else would change it waits. Errors: `NotFound`."""
    row = await session.fetchrow(
        "SELECT id, from_location_id, to_location_id, status FROM stock_transfer WHERE id = $1 FOR UPDATE", transfer_id
    )
    if row is None:
        raise NotFound("There is no such transfer.", "id")
    # Only now: lines that were read together with the lock could be those of before whoever held it.
    lines = await session.fetch(
        "SELECT l.variant_id, v.sku, l.quantity, l.shipped, l.received, l.returned, l.discrepancy "
        "FROM stock_transfer_line l JOIN variant v ON v.id = l.variant_id WHERE l.transfer_id = $1 ORDER BY l.position",
        transfer_id,
    )
    return Transfer(
        row["id"],
        row["from_location_id"],
        row["to_location_id"],
        TransferStatus(row["status"]),
        tuple(TransferLine(**dict(line)) for line in lines),
    )
