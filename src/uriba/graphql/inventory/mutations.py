"""Changes of stock by people and their systems: adjustments, settings, moves between states, and stocktakes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial

import strawberry

from uriba.db import Row
from uriba.db.idempotency import Replayed
from uriba.fulfillment.allocation import backorders
from uriba.graphql.context import Info
from uriba.graphql.inventory.types import StockLevel, level_of
from uriba.graphql.permissions import TERMINAL_OR_INVENTORY_SCOPE, mutation
from uriba.graphql.scalars import UserError
from uriba.inventory import adjustments, counts, queries, state_moves
from uriba.inventory.adjustments import Adjustment, LevelSetting
from uriba.inventory.counts import CountedLine
from uriba.inventory.enums import StockReason, StockState
from uriba.inventory.state_moves import StateMove


@strawberry.input
class StockChangeInput:
    sku: str
    location: str
    delta: int


@strawberry.input
class StockAdjustInput:
    changes: list[StockChangeInput]
    idempotency_key: str
    reason: StockReason = StockReason.ADJUSTMENT


@strawberry.input
class StockSetChangeInput:
    sku: str
    location: str
    on_hand: int
    expected_on_hand: int | None = None
    safety_stock: int | None = None


@strawberry.input
class StockSetInput:
    changes: list[StockSetChangeInput]
    idempotency_key: str


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
    counted_at: datetime | None = strawberry.field(
        default=None, description="When it was counted. Default: now. A later time is taken as now."
    )
    reference: str | None = strawberry.field(
        default=None, description="The caller's own reference, kept with each movement."
    )


@strawberry.type(description="The levels that changed, each once.")
class StockPayload:
    levels: list[StockLevel] = strawberry.field(default_factory=list)
    errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class InventoryMutations:
    @mutation(
        TERMINAL_OR_INVENTORY_SCOPE, "Add differences to levels, all rows or none. Rows of one level are added up."
    )
    async def stock_adjust(self, info: Info, input: StockAdjustInput) -> StockPayload:
        actor, changes = info.context.actor, [Adjustment(**vars(change)) for change in input.changes]
        call = info.context.call("stockAdjust", input.idempotency_key, {"changes": changes, "reason": input.reason})
        reference = f"adjustment:{call.key}"
        adjust = partial(adjustments.adjust, actor=actor, changes=changes, reason=input.reason, reference=reference)
        levels = await info.context.once(call, partial(backorders.fill_after, change=adjust, actor=actor.label))
        return await _payload(info, levels, [(change.sku, change.location) for change in changes])

    @mutation(
        TERMINAL_OR_INVENTORY_SCOPE, "Set what is on hand, as a count as of now, or only where it is as expected."
    )
    async def stock_set(self, info: Info, input: StockSetInput) -> StockPayload:
        actor, changes = info.context.actor, [LevelSetting(**vars(change)) for change in input.changes]
        call = info.context.call("stockSet", input.idempotency_key, {"changes": changes})
        set_levels = partial(adjustments.set_levels, actor=actor, changes=changes, reference=f"count:{call.key}")
        levels = await info.context.once(call, partial(backorders.fill_after, change=set_levels, actor=actor.label))
        return await _payload(info, levels, [(change.sku, change.location) for change in changes])

    @mutation(
        TERMINAL_OR_INVENTORY_SCOPE,
        "Move units between states, all rows or none. Promised units cannot become unavailable.",
    )
    async def stock_move(self, info: Info, input: StockMoveInput) -> StockPayload:
        actor, moves = info.context.actor, [StateMove(**vars(row)) for row in input.moves]
        call = info.context.call("stockMove", input.idempotency_key, {"moves": moves, "reason": input.reason})
        reference = f"move:{call.key}"
        move = partial(
            state_moves.move_between_states, actor=actor, moves=moves, reason=input.reason, reference=reference
        )
        levels = await info.context.once(call, partial(backorders.fill_after, change=move, actor=actor.label))
        return await _payload(info, levels, [(move.sku, move.location) for move in moves])

    @mutation(
        TERMINAL_OR_INVENTORY_SCOPE, "Submit a stocktake as of when it was counted. What happened after that is added."
    )
    async def stock_count_submit(self, info: Info, input: StockCountInput) -> StockPayload:
        actor, lines = info.context.actor, [CountedLine(**vars(line)) for line in input.lines]
        content = {
            "location": input.location,
            "lines": lines,
            "countedAt": input.counted_at and input.counted_at.isoformat(),
            "reference": input.reference,
        }
        call = info.context.call("stockCountSubmit", input.idempotency_key, content)
        submit = partial(
            counts.submit,
            actor=actor,
            location=input.location,
            counted_at=input.counted_at,
            lines=lines,
            note=input.reference,
            reference=f"count:{call.key}",
        )
        levels = await info.context.once(call, partial(backorders.fill_after, change=submit, actor=actor.label))
        return await _payload(info, levels, [(line.sku, input.location) for line in lines])


async def _payload(info: Info, levels: Sequence[Row] | Replayed, names: Sequence[tuple[str, str]]) -> StockPayload:
    """Return the changed levels; of a replayed call, the levels of these SKUs and locations as they are now."""
    if isinstance(levels, Replayed):
        async with info.context.reading() as session:
            levels = await queries.levels_by_name(session, names)
    return StockPayload(levels=[level_of(row) for row in levels])
