"""Moves between states, and stocktakes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import strawberry

from uriba.db import Row, Session
from uriba.graphql.context import Info
from uriba.graphql.inventory.backorders import served
from uriba.graphql.inventory.mutations import StockPayload, payload_or_replay
from uriba.graphql.permissions import TERMINAL_OR_INVENTORY_SCOPE, mutation
from uriba.inventory import counts, moves
from uriba.inventory.counts import Counted
from uriba.inventory.models import StockState
from uriba.inventory.moves import Move


@strawberry.input(description="Units of a level that go from one state to another.")
class StockMoveRowInput:
    sku: str
    location: str
    quantity: int
    from_: StockState = strawberry.field(name="from")
    to: StockState


@strawberry.input
class StockMoveInput:
    moves: list[StockMoveRowInput]
    idempotency_key: str
    reason: str | None = None


@strawberry.input
class StockCountLineInput:
    sku: str
    counted: int


@strawberry.input
class StockCountInput:
    location: str
    lines: list[StockCountLineInput]
    idempotency_key: str
    counted_at: datetime | None = strawberry.field(default=None, description="Now, where it is not said; never later.")
    reference: str | None = strawberry.field(default=None, description="The caller's own, kept with each movement.")


@strawberry.type
class MoveMutations:
    @mutation(
        TERMINAL_OR_INVENTORY_SCOPE,
        "Move units between states: all rows or none. What is promised cannot be set aside.",
    )
    async def stock_move(self, info: Info, input: StockMoveInput) -> StockPayload:
        rows = [Move(**vars(row)) for row in input.moves]
        call = info.context.call("stockMove", input.idempotency_key, {"moves": rows, "reason": input.reason})

        async def move(session: Session) -> Sequence[Row]:
            levels = await moves.move(
                session, actor=info.context.actor, moves=rows, reason=input.reason, reference=f"move:{call.key}"
            )
            return await served(session, levels, actor=info.context.actor)

        levels = await info.context.once(call, move)
        return await payload_or_replay(info, levels, [(row.sku, row.location) for row in rows])

    @mutation(
        TERMINAL_OR_INVENTORY_SCOPE, "Submit a stocktake as of when it was counted: what happened after it is added."
    )
    async def stock_count_submit(self, info: Info, input: StockCountInput) -> StockPayload:
        lines = [Counted(**vars(line)) for line in input.lines]
        content = {
            "location": input.location,
            "lines": lines,
            "countedAt": input.counted_at and input.counted_at.isoformat(),
            "reference": input.reference,
        }
        call = info.context.call("stockCountSubmit", input.idempotency_key, content)

        async def submit(session: Session) -> Sequence[Row]:
            levels = await counts.submit(
                session,
                actor=info.context.actor,
                location=input.location,
                counted_at=input.counted_at,
                lines=lines,
                note=input.reference,
                reference=f"count:{call.key}",
            )
            return await served(session, levels, actor=info.context.actor)

        levels = await info.context.once(call, submit)
        return await payload_or_replay(info, levels, [(line.sku, input.location) for line in lines])
