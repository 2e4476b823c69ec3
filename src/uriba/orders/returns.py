"""Returns that the hub accepts: the rows of a return whose order is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from uriba.db import Session
from uriba.db.statements import statement
from uriba.orders.enums import ReturnCondition
from uriba.orders.proration import ProratedTax


@dataclass(frozen=True, slots=True)
class AcceptedLine:
    """Returned units of an order line; `refund_minor`: their price. `condition` None: not kept as stock."""

    id: UUID
    order_line_id: UUID
    variant_id: int
    quantity: int
    condition: ReturnCondition | None
    reason: str | None
    refund_minor: int


@dataclass(frozen=True, slots=True)
class AcceptedReturn:
    """A return as it is written. Amounts in minor units of `currency`, the order's."""

    id: UUID
    order_id: UUID
    location_id: int
    currency: str
    refund_minor: int
    note: str | None
    lines: Sequence[AcceptedLine]
    taxes: Sequence[ProratedTax]

    @property
    def reference(self) -> str:
        """The reference of the return's stock movements."""
        return f"return:{self.id}"


async def insert(session: Session, accepted: AcceptedReturn, *, actor: str) -> None:
    """Write a return with its lines and taxes."""
    await session.run(
        _INSERT_RETURN,
        id=accepted.id,
        order_id=accepted.order_id,
        location_id=accepted.location_id,
        currency=accepted.currency,
        refund_minor=accepted.refund_minor,
        reference=accepted.reference,
        note=accepted.note,
        actor=actor,
    )
    lines, taxes = accepted.lines, accepted.taxes
    await session.run(
        _INSERT_LINES,
        return_id=accepted.id,
        ids=[line.id for line in lines],
        order_line_ids=[line.order_line_id for line in lines],
        variant_ids=[line.variant_id for line in lines],
        quantities=[line.quantity for line in lines],
        restocked=[line.condition is ReturnCondition.SELLABLE for line in lines],
        conditions=[line.condition for line in lines],
        reasons=[line.reason for line in lines],
        refunds_minor=[line.refund_minor for line in lines],
    )
    await session.run(
        _INSERT_TAXES,
        return_id=accepted.id,
        rates=[tax.rate for tax in taxes],
        gross_minor=[tax.gross_minor for tax in taxes],
        tax_minor=[tax.tax_minor for tax in taxes],
    )


_INSERT_RETURN = statement("""
    INSERT INTO order_return (id, order_id, location_id, currency, refund_minor, reference, note, actor)
    VALUES (:id, :order_id, :location_id, :currency, :refund_minor, :reference, :note, :actor)
""")

_INSERT_LINES = statement("""
    INSERT INTO order_return_line (id, return_id, order_line_id, variant_id, quantity, restocked, condition, reason,
        refund_minor)
    SELECT id, :return_id, order_line_id, variant_id, quantity, restocked, condition, reason, refund_minor
    FROM unnest(:ids::uuid[], :order_line_ids::uuid[], :variant_ids::bigint[], :quantities::bigint[],
        :restocked::boolean[], :conditions::text[], :reasons::text[], :refunds_minor::bigint[])
        AS l(id, order_line_id, variant_id, quantity, restocked, condition, reason, refund_minor)
""")

_INSERT_TAXES = statement("""
    INSERT INTO order_return_tax (return_id, rate, gross_minor, tax_minor)
    SELECT :return_id, rate, gross_minor, tax_minor
    FROM unnest(:rates::numeric[], :gross_minor::bigint[], :tax_minor::bigint[]) AS t(rate, gross_minor, tax_minor)
""")


async def set_exchange_order(session: Session, return_id: UUID, *, order_id: UUID) -> None:
    """Write the new order of an exchange on its return."""
    await session.run(_SET_EXCHANGE_ORDER, return_id=return_id, order_id=order_id)


_SET_EXCHANGE_ORDER = statement("UPDATE order_return SET exchange_order_id = :order_id WHERE id = :return_id")
