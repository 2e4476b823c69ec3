"""Facts from tills, and what staff do about those that were put aside."""

from __future__ import annotations

from enum import StrEnum

import strawberry

from uriba.core import ids
from uriba.core.errors import NotFound
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


@strawberry.enum(description="APPLY: apply the fact now, with its own time. DISMISS: close the case; a note says why.")
class ConflictAction(StrEnum):
    APPLY = "APPLY"
    DISMISS = "DISMISS"


@strawberry.input
class ConflictResolveInput:
    id: strawberry.ID
    action: ConflictAction
    note: str | None = strawberry.field(default=None, description="Needed to dismiss.")
    event: PosEventInput | None = strawberry.field(
        default=None, description="APPLY: the fact as it should have been; where it is not given, as it was sent."
    )


@strawberry.type
class ConflictPayload:
    conflict: Conflict | None = None
    errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class PosMutations:
    @mutation(
        TERMINAL,
        "Facts from a till, in any order, any number of times: each is applied once, whatever the batch.",
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
                told=[event.told() for event in input.events],
            )
        return PosSyncPayload(
            results=[result_of(verdict) for verdict in synced.verdicts],
            acknowledged=synced.acknowledged,
            missing=[SequenceRange(from_=low, to=high) for low, high in synced.missing],
            shortages=synced.shortages,
        )

    @mutation(
        INVENTORY_SCOPE, "Settle a conflict: apply a fact that was put aside, repaired or as it is, or close the case."
    )
    async def conflict_resolve(self, info: Info, input: ConflictResolveInput) -> ConflictPayload:
        key = ids.number(input.id, "Conflict")
        if key is None:
            raise NotFound("There is no such conflict.", "id")
        context = info.context
        async with context.transaction() as session:
            if input.action is ConflictAction.DISMISS:
                row = await parked_facts.dismiss(session, conflict_id=key, actor=context.actor, note=input.note)
            else:
                row = await parked_facts.apply(
                    session,
                    conflict_id=key,
                    actor=context.actor,
                    settings=context.hub.settings,
                    note=input.note,
                    repaired=input.event.told() if input.event else None,
                )
        return ConflictPayload(conflict=conflict_of(row))
