"""Resolving conflicts: staff apply a parked fact with its original time, or dismiss a conflict with a note."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from uriba.catalog import channels
from uriba.config import Settings
from uriba.conflicts import conflicts
from uriba.conflicts.enums import ConflictKind
from uriba.core import text
from uriba.core.actor import Actor
from uriba.core.errors import DomainError, Invalid, InvalidState
from uriba.db import Row, Session
from uriba.pos import identity, reference_data, sync, terminals
from uriba.pos.facts import TillFact
from uriba.pos.sync import BatchEffects
from uriba.pos.terminals import SyncContext

FACT_KINDS = frozenset({ConflictKind.PARKED, ConflictKind.TAMPERED})
"""Conflicts that hold a fact, which can be applied."""


class ConflictAction(StrEnum):
    """The ways to resolve a conflict."""

    APPLY = "APPLY"
    DISMISS = "DISMISS"


async def resolve(
    session: Session,
    *,
    conflict_id: int | None,
    action: ConflictAction,
    actor: Actor,
    settings: Settings,
    note: str | None,
    repaired: TillFact | None,
) -> Row:
    """Resolve a conflict and return it. `repaired`: for APPLY, the fact as it should have been sent.

    Errors: those of `apply` and `dismiss`.
    """
    if action is ConflictAction.DISMISS:
        return await dismiss(session, conflict_id=conflict_id, actor=actor, note=note)
    return await apply(session, conflict_id=conflict_id, actor=actor, settings=settings, note=note, repaired=repaired)


async def dismiss(session: Session, *, conflict_id: int | None, actor: Actor, note: str | None) -> Row:
    """Resolve a conflict without applying anything.

    Errors: `Invalid` without a note, `NotFound`, `InvalidState`.
    """
    reason = text.text(note or "", "note", size_max=text.LONG_TEXT_SIZE_MAX)
    row = await conflicts.lock_open(session, conflict_id)
    return await conflicts.resolve(session, conflict_id=row["id"], actor=actor.label, note=reason)


async def apply(
    session: Session,
    *,
    conflict_id: int | None,
    actor: Actor,
    settings: Settings,
    note: str | None,
    repaired: TillFact | None,
) -> Row:
    """Apply a parked fact, repaired or as it was sent, and resolve its conflict.

    Errors: the problems that the fact still has, `NotFound`, `InvalidState`.
    """
    row = await conflicts.lock_open(session, conflict_id)
    if row["kind"] not in FACT_KINDS:
        raise InvalidState("This conflict holds no parked event. Dismiss it with a note.", "action")
    sent = msgspec.convert(row["event"]["sent"], TillFact)
    if repaired is not None and repaired.type is not sent.type:
        raise Invalid("A repaired event has the type of the one that was sent.", "event", "type")
    context = await _original_context(session, row)
    own_identity = row["kind"] == ConflictKind.PARKED and sent.has_identity
    fact, reference = _identified(repaired or sent, sent, context, None if own_identity else row["id"])
    effects = BatchEffects()
    problems = sync.add_fact(
        effects,
        fact,
        data=await reference_data.load(session, context, [fact], check_prices=settings.price_variance),
        context=context,
        occurred_at=context.correct(fact.occurred_at),
        reference=reference,
    )
    if problems:
        raise DomainError.of(problems)
    if own_identity:
        identity.mark_applied(session, context, fact)
    await sync.write_effects(session, context, effects, actor=actor)
    return await conflicts.resolve(session, conflict_id=row["id"], actor=actor.label, note=note)


def _identified(fact: TillFact, sent: TillFact, context: SyncContext, conflict_id: int | None) -> tuple[TillFact, str]:
    """Return the fact with its identity, and the reference of its movements.

    The identity is that of the event as it was sent. An event that has none, or another event's, gets the conflict's.
    """
    if conflict_id is None:
        fact = msgspec.structs.replace(fact, event_id=sent.event_id, sequence=sent.sequence)
        return fact, context.movement_reference(sent.sequence)
    fact = msgspec.structs.replace(fact, event_id=f"conflict-{conflict_id}", sequence=max(sent.sequence, 1))
    return fact, f"{context.movement_reference(max(sent.sequence, 0))}:{conflict_id:010}"


async def _original_context(session: Session, row: Mapping[str, Any]) -> SyncContext:
    """Return the context in which the fact was received: its clock skew, and the time of receipt as the present."""
    received = row["event"]
    terminal = await terminals.by_key_id(session, row["terminal"])
    return SyncContext(
        id=terminal["id"],
        key_id=row["terminal"],
        location_id=terminal["location_id"],
        channel_id=await channels.store_channel_of(session, terminal["location_id"]),
        epoch=received["epoch"],
        received_at=datetime.fromisoformat(received["receivedAt"]),
        skew=timedelta(milliseconds=received["skewMs"]),
        version=terminal["version"],
        acknowledged=0,
        missing=(),
    )
