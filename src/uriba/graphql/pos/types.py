"""Types of events, their verdicts, and conflicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from uriba.conflicts.enums import ConflictKind, ConflictStatus
from uriba.conflicts.queries import problems_of, sent_fact
from uriba.core.errors import Problem
from uriba.core.ids import global_id
from uriba.graphql.catalog.types import Location, Variant, load_location, load_variant
from uriba.graphql.context import Info
from uriba.graphql.orders.types import Order, order_of
from uriba.graphql.scalars import DecimalString, Node, PageInfo, UserError
from uriba.pos.enums import PosEventStatus, PosEventType
from uriba.pos.facts import FactLine, FactTender, TillFact
from uriba.pos.identity import Verdict

strawberry.enum(PosEventType, description="The type of an event: what has happened at the till.")
strawberry.enum(PosEventStatus, description="The verdict on an event.")
strawberry.enum(ConflictKind, description="The kind of a conflict.")
strawberry.enum(ConflictStatus, description="Whether a conflict still has to be resolved.")


@strawberry.input(
    description="quantity: units; of a COUNT the counted on hand, of an ADJUSTMENT a signed difference. Prices: as "
    "printed, tax included."
)
class PosLineInput:
    sku: str = strawberry.field(description="A SKU or a barcode.")
    quantity: int
    unit_price: DecimalString | None = strawberry.field(
        default=None, description="Default: the hub's price at that time."
    )
    discount: DecimalString = strawberry.field(
        default=DecimalString("0"), description="The discount of the whole line."
    )


@strawberry.input
class PosTenderInput:
    method: str
    amount: DecimalString
    reference: str | None = None


@strawberry.input(description="An event. The hub keeps every event, also one that it cannot apply.")
class PosEventInput:
    event_id: str = strawberry.field(description="The till's own id of the event, unique forever.")
    sequence: int = strawberry.field(description="1, 2, 3 … for each terminal and epoch.")
    type: PosEventType
    occurred_at: datetime = strawberry.field(description="The time of the till's clock.")
    lines: list[PosLineInput]
    receipt: str | None = None
    original_receipt: str | None = None
    tenders: list[PosTenderInput] | None = None
    loyalty_card: str | None = None
    cart_id: strawberry.ID | None = None
    coupons: list[str] | None = strawberry.field(default=None, description="SALE: the codes that the till accepted.")

    def to_fact(self) -> TillFact:
        tenders = self.tenders
        return TillFact(
            event_id=self.event_id,
            sequence=self.sequence,
            type=self.type,
            occurred_at=self.occurred_at,
            lines=tuple(FactLine(line.sku, line.quantity, line.unit_price, line.discount) for line in self.lines),
            receipt=self.receipt,
            original_receipt=self.original_receipt,
            tenders=None if tenders is None else tuple(FactTender(t.method, t.amount, t.reference) for t in tenders),
            loyalty_card=self.loyalty_card,
            cart_id=self.cart_id,
            coupons=tuple(self.coupons or ()),
        )


@strawberry.input
class PosSyncInput:
    sent_at: datetime = strawberry.field(
        description="The time of the till's clock when this request is sent, from which the hub measures its skew."
    )
    events: list[PosEventInput]
    epoch: int = strawberry.field(
        default=1, description="The life of one journal. A till that lost its journal starts a new one."
    )


def errors_of(problems: Sequence[Problem]) -> list[UserError]:
    return [UserError(code=p.code, message=p.message, path=list(p.path) or None) for p in problems]


@strawberry.type
class PosEventResult:
    event_id: str
    status: PosEventStatus
    errors: list[UserError] = strawberry.field(description="The reasons why the event is parked.")
    warnings: list[UserError] = strawberry.field(
        description="Of an applied event: for example that its time was corrected."
    )


def result_of(verdict: Verdict) -> PosEventResult:
    return PosEventResult(
        event_id=verdict.event_id,
        status=verdict.status,
        errors=errors_of(verdict.problems),
        warnings=errors_of(verdict.warnings),
    )


@strawberry.type(description="A range of sequences, both ends included.")
class SequenceRange:
    from_: int = strawberry.field(name="from")
    to: int


@strawberry.type
class PosSyncPayload:
    results: list[PosEventResult] = strawberry.field(
        default_factory=list, description="One per event, in the order sent."
    )
    acknowledged: int = strawberry.field(
        default=0, description="The hub has all sequences of this epoch up to here. The till may delete them."
    )
    missing: list[SequenceRange] = strawberry.field(
        default_factory=list, description="Gaps below the highest sequence, the first 1,000."
    )
    shortages: int = strawberry.field(
        default=0, description="Promised units that are not there any more because of these events."
    )
    errors: list[UserError] = strawberry.field(
        default_factory=list, description="Errors of the batch as a whole. Nothing of it was kept."
    )


@strawberry.type(description="A case that the hub cannot settle by itself.")
class Conflict(Node):
    row: strawberry.Private[Mapping[str, Any]]
    id: strawberry.ID
    kind: ConflictKind
    status: ConflictStatus
    message: str = strawberry.field(description="What happened, for store and operations staff.")
    terminal: str | None = strawberry.field(description="The id of the till's key.")
    quantity: int | None = strawberry.field(description="The units that it is about.")
    event: JSON | None = strawberry.field(description="PARKED and TAMPERED: the event as the till sent it.")
    errors: list[UserError] = strawberry.field(description="PARKED and TAMPERED: why the event is parked.")
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
    sent = sent_fact(row)
    return Conflict(
        row=row,
        id=strawberry.ID(global_id("Conflict", row["id"])),
        kind=ConflictKind(row["kind"]),
        status=ConflictStatus(row["status"]),
        message=row["message"],
        terminal=row["terminal"],
        quantity=row["quantity"],
        event=None if sent is None else JSON(sent),
        errors=errors_of(problems_of(row)),
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
