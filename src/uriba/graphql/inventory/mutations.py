"""Changes of stock by people and their systems."""

from __future__ import annotations

from collections.abc import Sequence

import strawberry

from uriba.db import Row, Session
from uriba.db.idempotency import Replayed
from uriba.graphql.context import Info
from uriba.graphql.inventory.backorders import served
from uriba.graphql.inventory.types import StockLevel, level_of
from uriba.graphql.permissions import TERMINAL_OR_INVENTORY_SCOPE, mutation
from uriba.graphql.scalars import UserError
from uriba.inventory import adjustments, queries
from uriba.inventory.adjustments import Adjustment, Count
from uriba.inventory.models import StockReason


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


@strawberry.type(description="The levels that changed, each once.")
class StockPayload:
    levels: list[StockLevel] = strawberry.field(default_factory=list)
    errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class InventoryMutations:
    @mutation(TERMINAL_OR_INVENTORY_SCOPE, "Add differences to levels: all rows or none, rows of one level summed.")
    async def stock_adjust(self, info: Info, input: StockAdjustInput) -> StockPayload:
        changes = [Adjustment(**vars(change)) for change in input.changes]
        content = {"changes": changes, "reason": input.reason}
        call = info.context.call("stockAdjust", input.idempotency_key, content)

        async def adjust(session: Session) -> Sequence[Row]:
            rows = await adjustments.adjust(
                session,
                actor=info.context.actor,
                changes=changes,
                reason=input.reason,
                reference=f"adjustment:{call.key}",
            )
            return await served(session, rows, actor=info.context.actor)

        return await payload_or_replay(
            info, await info.context.once(call, adjust), [(c.sku, c.location) for c in changes]
        )

    @mutation(TERMINAL_OR_INVENTORY_SCOPE, "Set what is on hand: a count as of now, or a compare and set.")
    async def stock_set(self, info: Info, input: StockSetInput) -> StockPayload:
        changes = [Count(**vars(change)) for change in input.changes]
        call = info.context.call("stockSet", input.idempotency_key, {"changes": changes})

        async def count(session: Session) -> Sequence[Row]:
            rows = await adjustments.count(
                session, actor=info.context.actor, changes=changes, reference=f"count:{call.key}"
            )
            return await served(session, rows, actor=info.context.actor)

        return await payload_or_replay(
            info, await info.context.once(call, count), [(c.sku, c.location) for c in changes]
        )


def payload_of(rows: Sequence[Row]) -> StockPayload:
    return StockPayload(levels=[level_of(row) for row in rows])


async def payload_or_replay(
    info: Info, rows: Sequence[Row] | Replayed, names: Sequence[tuple[str, str]]
) -> StockPayload:
    """Return the changed levels; for a replayed call, the levels of these SKUs and locations as they are now."""
    if not isinstance(rows, Replayed):
        return payload_of(rows)
    async with info.context.reading() as session:
        return payload_of(await queries.levels_by_name(session, names))
