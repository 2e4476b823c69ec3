"""Explanations of levels in the API: unavailable units by state, and the terms of what is available."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import strawberry

from uriba.core.ids import global_id
from uriba.graphql.context import Info
from uriba.inventory import explain
from uriba.inventory.enums import StockState
from uriba.inventory.explain import AvailabilityCause, AvailabilityTerm, CauseKind, StateUnits, TermName
from uriba.inventory.queries import LevelKey

strawberry.enum(StockState, description="The state of units on hand. All states but SELLABLE are unavailable.")
strawberry.enum(TermName, name="StockTermName", description="A term of what is available.")
strawberry.enum(
    CauseKind,
    name="StockCauseKind",
    description="The origin of a term: the last count, the sum of the movements since then (or ever), an open "
    "fulfillment of an order, or a hold of a cart that is being paid.",
)

_NODES = {CauseKind.COUNT: "StockMovement", CauseKind.FULFILLMENT: "Fulfillment"}


@strawberry.type(description="Units in one state.")
class StockStateUnits:
    state: StockState
    quantity: int


@strawberry.type(description="An origin of a term.")
class StockCause:
    id: strawberry.ID | None = strawberry.field(description="The global id, if it is an object that may be read.")
    kind: CauseKind
    label: str = strawberry.field(description="An order's number, a count's reference, or a description.")
    quantity: int
    at: datetime | None = strawberry.field(
        description="When it was counted, last moved, or ordered. Of a hold: its end."
    )


@strawberry.type(description="One term of what is available: sign times quantity.")
class StockTerm:
    name: TermName
    state: StockState | None = strawberry.field(description="Of UNAVAILABLE: the state of the units.")
    sign: int = strawberry.field(description="1 or -1.")
    quantity: int
    references: list[StockCause] = strawberry.field(description="The origins of the term, the first 20.")
    total: int = strawberry.field(description="The number of references.")


def units_of(units: StateUnits) -> StockStateUnits:
    return StockStateUnits(state=units.state, quantity=units.quantity)


def term_of(term: AvailabilityTerm) -> StockTerm:
    return StockTerm(
        name=term.name,
        state=term.state,
        sign=term.sign,
        quantity=term.quantity,
        references=[_cause_of(cause) for cause in term.causes],
        total=term.total,
    )


def _cause_of(cause: AvailabilityCause) -> StockCause:
    node = _NODES.get(cause.kind)
    return StockCause(
        id=strawberry.ID(global_id(node, cause.key)) if node else None,
        kind=cause.kind,
        label=cause.label,
        quantity=cause.quantity,
        at=cause.at,
    )


async def states(info: Info, key: LevelKey, as_of: datetime | None) -> list[StockStateUnits]:
    """Return the unavailable units of a level by state, as they are or as the hub knew them at a time."""
    return [units_of(units) for units in await _states(info, key, as_of)]


async def terms(info: Info, key: LevelKey, level: Mapping[str, Any], as_of: datetime | None) -> list[StockTerm]:
    """Return the terms of a level. Those of an earlier time have no orders and carts, which are not recorded."""
    if as_of is None:
        return [term_of(term) for term in await info.context.loaders.terms_of_level.get(key) or ()]
    return [term_of(term) for term in explain.availability_terms(level, await _states(info, key, as_of))]


async def _states(info: Info, key: LevelKey, as_of: datetime | None) -> Sequence[StateUnits]:
    if as_of is None:
        return await info.context.loaders.states_of_level.get(key) or ()
    async with info.context.reading() as session:
        return await explain.states_as_of(session, key, as_of=as_of)
