"""Why a level's available is what it is, in the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

import strawberry

from uriba.core.ids import global_id
from uriba.db import Database, Row, Session
from uriba.fulfillment import queries as fulfillments
from uriba.graphql.context import Info
from uriba.graphql.loaders import Batch, Loaders
from uriba.inventory import explain, queries
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


class LevelBatches:
    """What is read of many levels at once, for one request."""

    def __init__(self, database: Database) -> None:
        self.states: Batch[Key, list[Row]] = Batch(database, explain.states_by_level)
        self.terms: Batch[Key, list[Term]] = Batch(database, _terms_by_level)


_BATCHES: WeakKeyDictionary[Loaders, LevelBatches] = WeakKeyDictionary()
"""They live as long as the request's other loaders do."""


def _batches(info: Info) -> LevelBatches:
    loaders = info.context.loaders
    if loaders not in _BATCHES:
        _BATCHES[loaders] = LevelBatches(info.context.hub.database)
    return _BATCHES[loaders]


async def states(info: Info, key: Key, as_of: datetime | None) -> list[StockStateUnits]:
    """The units of a level that are unavailable, or were believed to be, by state."""
    return [units_of(row) for row in await _states(info, key, as_of)]


async def explained(info: Info, key: Key, level: Mapping[str, Any], as_of: datetime | None) -> list[StockTerm]:
    """The terms of a level. Which orders and carts those of the past stood for is not kept."""
    if as_of is None:
        return [term_of(term) for term in await _batches(info).terms.get(key) or ()]
    return [term_of(term) for term in explain.terms(level, await _states(info, key, as_of))]


async def _states(info: Info, key: Key, as_of: datetime | None) -> Sequence[Row]:
    if as_of is None:
        return await _batches(info).states.get(key) or ()
    async with info.context.reading() as session:
        return await explain.states_as_of(session, key, as_of=as_of)


async def _terms_by_level(session: Session, keys: list[Key]) -> dict[Key, list[Term]]:
    """All in one snapshot, so that terms add up and rows add up to terms."""
    await session.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        levels = await queries.levels_by_key(session, keys)
        states = await explain.states_by_level(session, keys)
        counts = await explain.counts_by_level(session, keys)
        holds = await explain.holds_by_level(session, keys)
        promises = await fulfillments.promises_by_level(session, keys, rows_max=explain.ROWS_MAX)
    finally:
        await session.run("ROLLBACK")
    return {
        key: explain.terms(level, states[key], count=counts.get(key), promises=promises[key], holds=holds[key])
        for key, level in levels.items()
    }
