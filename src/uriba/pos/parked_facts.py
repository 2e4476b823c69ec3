"""Repair: staff settle conflicts; a fact that was put aside is applied after all, with its original time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from uriba.catalog import channels
from uriba.config import Settings
from uriba.conflicts import cases
from uriba.conflicts.models import ConflictKind
from uriba.core import text
from uriba.core.actor import Actor
from uriba.core.errors import DomainError, Invalid, InvalidState
from uriba.db import Row, Session
from uriba.pos import sync
from uriba.pos.facts import Told
from uriba.pos.reference_data import gather
from uriba.pos.sync import Effects
from uriba.pos.terminals import Meeting

PUT_ASIDE = frozenset({ConflictKind.PARKED, ConflictKind.TAMPERED})


async def dismiss(session: Session, *, conflict_id: int, actor: Actor, note: str | None) -> Row:
    """Close a case.

    Errors: `Invalid` without a note, `NotFound`, `InvalidState`.
    """
    said = text.text(note or "", "note", size_max=text.LONG_TEXT_SIZE_MAX)
    await cases.take(session, conflict_id)
    return await cases.resolve(session, conflict_id=conflict_id, actor=actor.label, note=said)


async def apply(
    session: Session, *, conflict_id: int, actor: Actor, settings: Settings, note: str | None, repaired: Told | None
) -> Row:
    """Apply a fact that was put aside: as it should have been, or as it was sent, where that is possible by now.

    Errors: what is still wrong with it, `NotFound`, `InvalidState`.
    """
    row = await cases.take(session, conflict_id)
    if row["kind"] not in PUT_ASIDE:
        raise InvalidState("Only facts that were put aside can be applied; dismiss this one with a note.", "action")
    sent = msgspec.convert(row["event"]["sent"], Told)
    fact = repaired or sent
    if fact.type is not sent.type:
        raise Invalid("A repaired fact is of the same type.", "event", "type")
    till = await _meeting(session, row)
    reference = till.reference(max(sent.sequence, 0))
    if row["kind"] == ConflictKind.TAMPERED or not sent.named:
        reference = f"{reference}:{conflict_id:010}"
        fact = msgspec.structs.replace(fact, event_id=f"conflict-{conflict_id}", sequence=max(sent.sequence, 1))
    else:
        fact = msgspec.structs.replace(fact, event_id=sent.event_id, sequence=sent.sequence)
    known = await gather(session, till, [fact], check_prices=settings.price_variance)
    effects = Effects()
    problems = sync.enter(
        effects,
        fact,
        known=known,
        meeting=till,
        occurred_at=till.corrected(fact.occurred_at),
        reference=reference,
    )
    if problems:
        raise DomainError.of(problems)
    if row["kind"] == ConflictKind.PARKED and sent.named:
        session.defer(
            "UPDATE pos_event SET status = 'APPLIED', movements = $4 "
            "WHERE (terminal_id, epoch, sequence) = ($1, $2, $3) AND status = 'PARKED'",
            till.id,
            till.epoch,
            sent.sequence,
            len(fact.lines),
        )
    await sync.write(session, till, effects, actor=actor)
    return await cases.resolve(session, conflict_id=conflict_id, actor=actor.label, note=note)


async def _meeting(session: Session, row: Mapping[str, Any]) -> Meeting:
    """The till as it was when it sent the fact, with the time of receipt: a time to come was taken as that."""
    epoch = row["event"]["epoch"]
    skew = timedelta(milliseconds=row["event"]["skewMs"])
    till = await session.fetchrow(
        "SELECT id, location_id, version FROM pos_terminal WHERE key_id = $1",
        row["terminal"],
    )
    assert till is not None
    channel_id = await channels.store_channel_of(session, till["location_id"])
    return Meeting(
        id=till["id"],
        key_id=row["terminal"],
        location_id=till["location_id"],
        channel_id=channel_id,
        epoch=epoch,
        received_at=datetime.fromisoformat(row["event"]["receivedAt"]),
        skew=skew,
        version=till["version"],
        acknowledged=0,
        missing=(),
    )
