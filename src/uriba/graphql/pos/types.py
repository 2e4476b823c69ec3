"""Types of facts, their verdicts, and conflicts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from uriba.conflicts.cases import fact_of
from uriba.conflicts.models import ConflictKind, ConflictStatus
from uriba.core.errors import Code, Problem
from uriba.core.ids import global_id
from uriba.graphql.catalog.types import Location, Variant, load_location, load_variant
from uriba.graphql.context import Info
from uriba.graphql.orders.types import Order, order_of
from uriba.graphql.scalars import DecimalString, Node, PageInfo, UserError
from uriba.pos.facts import Line, Tendered, Told
from uriba.pos.models import PosEventStatus, PosEventType
from uriba.pos.sync import Verdict

strawberry.enum(PosEventType, description="What a till reports. It has happened already.")
strawberry.enum(PosEventStatus, description="What became of a fact.")
strawberry.enum(ConflictKind, description="What is in conflict.")
strawberry.enum(ConflictStatus, description="Whether somebody has still to look at it.")


@strawberry.input(
    description="COUNT: the counted on hand; ADJUSTMENT: signed; else units. Prices as printed, with tax."
)
class PosLineInput:
    sku: str = strawberry.field(description="The SKU, or the barcode.")
    quantity: int
    unit_price: DecimalString | None = strawberry.field(
        default=None, description="Where it is not said: the hub's price at that time."
    )
    discount: DecimalString = strawberry.field(default=DecimalString("0"), description="Of the whole line.")


@strawberry.input
class PosTenderInput:
    method: str
    amount: DecimalString
    reference: str | None = None


@strawberry.input(description="A fact. It is kept whatever the hub thinks of it.")
class PosEventInput:
    event_id: str = strawberry.field(description="The till's own, unique for ever.")
    sequence: int = strawberry.field(description="1, 2, 3 … per terminal and epoch.")
    type: PosEventType
    occurred_at: datetime = strawberry.field(description="By the till's clock.")
    lines: list[PosLineInput]
    receipt: str | None = None
    original_receipt: str | None = None
    tenders: list[PosTenderInput] | None = None
    loyalty_card: str | None = None
    cart_id: strawberry.ID | None = None
    coupons: list[str] | None = strawberry.field(default=None, description="SALE: codes that the till took.")

    def told(self) -> Told:
        tenders = self.tenders
        return Told(
            event_id=self.event_id,
            sequence=self.sequence,
            type=self.type,
            occurred_at=self.occurred_at,
            lines=tuple(Line(l.sku, l.quantity, l.unit_price, l.discount) for l in self.lines),  # noqa: E741
            receipt=self.receipt,
            original_receipt=self.original_receipt,
            tenders=None if tenders is None else tuple(Tendered(t.method, t.amount, t.reference) for t in tenders),
            loyalty_card=self.loyalty_card,
            cart_id=self.cart_id,
            coupons=tuple(self.coupons or ()),
        )


@strawberry.input
class PosSyncInput:
    sent_at: datetime = strawberry.field(
        description="The till's clock at this very sending: the hub measures it by that."
    )
    events: list[PosEventInput]
    epoch: int = strawberry.field(default=1, description="A till that lost its journal begins a new one.")


def errors_of(problems: Any) -> list[UserError]:
    return [UserError(code=Code(p.code), message=p.message, path=list(p.path) or None) for p in problems]


@strawberry.type
class PosEventResult:
    event_id: str
    status: PosEventStatus
    errors: list[UserError] = strawberry.field(description="Why it was put aside.")
    warnings: list[UserError] = strawberry.field(description="Applied, and worth saying: a clock that was corrected.")


def result_of(verdict: Verdict) -> PosEventResult:
    return PosEventResult(
        event_id=verdict.event_id,
        status=verdict.status,
        errors=errors_of(verdict.problems),
        warnings=errors_of(verdict.warnings),
    )


@strawberry.type(description="From and to, both included.")
class SequenceRange:
    from_: int = strawberry.field(name="from")
    to: int


@strawberry.type
class PosSyncPayload:
    results: list[PosEventResult] = strawberry.field(default_factory=list, description="In the order sent.")
    acknowledged: int = strawberry.field(
        default=0, description="Every sequence of this epoch up to here is safe; the till may forget those."
    )
    missing: list[SequenceRange] = strawberry.field(
        default_factory=list, description="Gaps below the highest sequence; the first 1,000."
    )
    shortages: int = strawberry.field(default=0, description="Promised units that these facts made impossible to keep.")
    errors: list[UserError] = strawberry.field(
        default_factory=list, description="Of the batch as a whole; then nothing was kept."
    )


@strawberry.type(description="What the hub could not settle by itself.")
class Conflict(Node):
    row: strawberry.Private[Mapping[str, Any]]
    id: strawberry.ID
    kind: ConflictKind
    status: ConflictStatus
    message: str = strawberry.field(description="What happened, for store and operations staff.")
    terminal: str | None = strawberry.field(description="The id of the till's key.")
    quantity: int | None = strawberry.field(description="Units concerned.")
    event: JSON | None = strawberry.field(description="PARKED and TAMPERED: the fact as the till sent it.")
    errors: list[UserError] = strawberry.field(description="PARKED and TAMPERED: why it was put aside.")
    opened_at: datetime
    resolved_at: datetime | None
    resolved_by: str | None
    note: str | None

    @strawberry.field
    async def location(self, info: Info) -> Location | None:
        key = self.row["location_id"]
        return None if key is None else await load_location(info, key)

    @strawberry.field
    async def variant(self, info: Info) -> Variant | None:
        key = self.row["variant_id"]
        return None if key is None else await load_variant(info, key)

    @strawberry.field
    async def order(self, info: Info) -> Order | None:
        key: UUID | None = self.row["order_id"]
        found = None if key is None else await info.context.loaders.order.get(key)
        return order_of(found) if found else None


def conflict_of(row: Mapping[str, Any]) -> Conflict:
    sent = fact_of(row)
    problems = [Problem(Code(p["code"]), p["message"], tuple(p["path"])) for p in row["problems"] or ()]
    return Conflict(
        row=row,
        id=strawberry.ID(global_id("Conflict", row["id"])),
        kind=ConflictKind(row["kind"]),
        status=ConflictStatus(row["status"]),
        message=row["message"],
        terminal=row["terminal"],
        quantity=row["quantity"],
        event=None if sent is None else JSON(sent),
        errors=errors_of(problems),
        opened_at=row["opened_at"],
        resolved_at=row["resolved_at"],
        resolved_by=row["resolved_by"],
        note=row["note"],
    )


@strawberry.type
class ConflictEdge:
    node: Conflict
    cursor: str


@strawberry.type
class ConflictConnection:
    edges: list[ConflictEdge]
    page_info: PageInfo
