"""Events of tills, and the resolution of conflicts by staff."""

from __future__ import annotations

import strawberry

from uriba.core import ids
from uriba.graphql.context import Info
from uriba.graphql.permissions import INVENTORY_SCOPE, TERMINAL, mutation
from uriba.graphql.pos.types import (
    Conflict,
    PosEventInput,
    PosSyncInput,
    PosSyncPayload,
    SequenceRange,
    conflict_of,
    result_of,
)
from uriba.graphql.scalars import UserError
from uriba.pos import parked_facts, sync
from uriba.pos.parked_facts import ConflictAction

strawberry.enum(
    ConflictAction,
    description="APPLY: apply the parked event now, with its own time. DISMISS: resolve the conflict with a note.",
)


@strawberry.input
class ConflictResolveInput:
    id: strawberry.ID
    action: ConflictAction
    note: str | None = strawberry.field(default=None, description="Required for DISMISS.")
    event: PosEventInput | None = strawberry.field(
        default=None, description="APPLY: the event as it should have been sent. Default: as it was sent."
    )


@strawberry.type
class ConflictPayload:
    conflict: Conflict | None = None
    errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class PosMutations:
    @mutation(
        TERMINAL,
        "Send events of a till, in any order and any number of times. Each is applied once.",
        checks_text=False,
    )
    async def pos_sync(self, info: Info, input: PosSyncInput) -> PosSyncPayload:
        context = info.context
        async with context.transaction() as session:
            synced = await sync.sync(
                session,
                actor=context.actor,
                settings=context.hub.settings,
                sent_at=input.sent_at,
                epoch=input.epoch,
                facts=[event.to_fact() for event in input.events],
            )
        return PosSyncPayload(
            results=[result_of(verdict) for verdict in synced.verdicts],
            acknowledged=synced.acknowledged,
            missing=[SequenceRange(from_=low, to=high) for low, high in synced.missing],
            shortages=synced.shortages,
        )

    @mutation(
        INVENTORY_SCOPE,
        "Resolve a conflict: apply a parked event, repaired or as it was sent, or dismiss the conflict.",
    )
    async def conflict_resolve(self, info: Info, input: ConflictResolveInput) -> ConflictPayload:
        context = info.context
        async with context.transaction() as session:
            row = await parked_facts.resolve(
                session,
                conflict_id=ids.number(input.id, "Conflict"),
                action=input.action,
                actor=context.actor,
                settings=context.hub.settings,
                note=input.note,
                repaired=input.event.to_fact() if input.event else None,
            )
        return ConflictPayload(conflict=conflict_of(row))
