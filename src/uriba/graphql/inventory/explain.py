"""Why a level's available is what it is, in the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import strawberry

from uriba.core.ids import global_id
from uriba.db import Row
from uriba.graphql.context import Info
from uriba.inventory import explain
from uriba.inventory.explain import Cause, CauseKind, Key, Term, TermName
from uriba.inventory.models import StockState

strawberry.enum(StockState, description="What units on hand are fit for; all but SELLABLE are unavailable.")
strawberry.enum(TermName, name="StockTermName", description="A term of what is available.")
strawberry.enum(
    CauseKind,
    name="StockCauseKind",
    description="What a term comes from: the last count, the sum of what moved since then (or ever), an open "
    "fulfillment of an order, or a hold of a cart that is paying.",
)

_NODES = {CauseKind.COUNT: "StockMovement", CauseKind.FULFILLMENT: "Fulfillment"}


@strawberry.type(description="Units in one state.")
class StockStateUnits:
    state: StockState
    quantity: int


@strawberry.type(description="What a term comes from, in part.")
class StockCause:
    id: strawberry.ID | None = strawberry.field(description="For node, where it is a row that may be seen.")
    kind: CauseKind
    label: str = strawberry.field(description="An order's number, a count's reference, or words.")
    quantity: int
    at: datetime | None = strawberry.field(description="Counted, last moved, or ordered; of a hold: its end.")


@strawberry.type(description="One term of what is available: sign times quantity.")
class StockTerm:
    name: TermName
    state: StockState | None = strawberry.field(description="Of UNAVAILABLE: in which state.")
    sign: int = strawberry.field(description="1 or -1.")
    quantity: int
    references: list[StockCause] = strawberry.field(description="The first 20.")
    total: int = strawberry.field(description="How many references there are.")


def units_of(row: Row) -> StockStateUnits:
    return StockStateUnits(state=StockState(row["state"]), quantity=row["quantity"])


def term_of(term: Term) -> StockTerm:
    return StockTerm(
        name=term.name,
        state=term.state,
        sign=term.sign,
        quantity=term.quantity,
        references=[_cause_of(cause) for cause in term.causes],
        total=term.total,
    )


def _cause_of(cause: Cause) -> StockCause:
    node = _NODES.get(cause.kind)
    return StockCause(
        id=strawberry.ID(global_id(node, cause.key)) if node else None,
        kind=cause.kind,
        label=cause.label,
        quantity=cause.quantity,
        at=cause.at,
    )


async def states(info: Info, key: Key, as_of: datetime | None) -> list[StockStateUnits]:
    """The units of a level that are unavailable, or were believed to be, by state."""
    return [units_of(row) for row in await _states(info, key, as_of)]


async def explained(info: Info, key: Key, level: Mapping[str, Any], as_of: datetime | None) -> list[StockTerm]:
    """The terms of a level. Which orders and carts those of the past stood for is not kept."""
    if as_of is None:
        return [term_of(term) for term in await info.context.loaders.terms_of_level.get(key) or ()]
    return [term_of(term) for term in explain.terms(level, await _states(info, key, as_of))]


async def _states(info: Info, key: Key, as_of: datetime | None) -> Sequence[Row]:
    if as_of is None:
        return await info.context.loaders.states_of_level.get(key) or ()
    async with info.context.reading() as session:
        return await explain.states_as_of(session, key, as_of=as_of)
