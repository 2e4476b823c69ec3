"""Identity of events: which events of a batch are new, which the hub has, and which have another event's identity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from uriba.conflicts import conflicts, queries
from uriba.conflicts.conflicts import NewConflict
from uriba.conflicts.enums import ConflictKind, ConflictStatus
from uriba.core import digests
from uriba.core.errors import Code, Problem
from uriba.db import Session
from uriba.db.statements import statement
from uriba.pos.enums import PosEventStatus
from uriba.pos.facts import TillFact, find_problems
from uriba.pos.terminals import SyncContext


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on one event. problems: why it is parked. warnings: notes for staff about an applied one."""

    event_id: str
    status: PosEventStatus
    problems: Sequence[Problem] = ()
    warnings: Sequence[Problem] = ()


class _Earlier(NamedTuple):
    """An event that the hub has, or that is earlier in the same batch: there `status` is None."""

    epoch: int
    sequence: int
    event_id: str
    digest: bytes
    status: str | None
    batch_index: int = -1


@dataclass(slots=True)
class Batch:
    """A batch's events by index: their digests, verdicts on those that are not new, and repeats of a new one."""

    digests: Sequence[bytes]
    verdicts: dict[int, Verdict] = field(default_factory=dict)
    new: list[int] = field(default_factory=list)
    repeats: dict[int, int] = field(default_factory=dict)


async def classify(session: Session, context: SyncContext, facts: Sequence[TillFact]) -> Batch:
    """Separate new events from those that the hub has, or that it can only park because of their identity."""
    batch = Batch([fact.digest for fact in facts])
    parked: dict[int, list[str]] = {}
    by_sequence, by_id = await _earlier_events(session, context, facts)
    for n, (fact, digest) in enumerate(zip(facts, batch.digests, strict=True)):
        if not fact.has_identity:
            parked[n] = _conflict_keys(context, fact)
        elif (earlier := by_sequence.get(fact.sequence) or by_id.get(fact.event_id)) is None:
            batch.new.append(n)
            by_sequence[fact.sequence] = by_id[fact.event_id] = _Earlier(
                context.epoch, fact.sequence, fact.event_id, digest, None, n
            )
        elif not _is_same(earlier, context, fact, digest):
            parked[n] = _conflict_keys(context, fact)
        elif earlier.status is None:
            batch.repeats[n] = earlier.batch_index
        elif earlier.status == PosEventStatus.APPLIED:
            batch.verdicts[n] = Verdict(fact.event_id, PosEventStatus.DUPLICATE)
        else:
            parked[n] = [conflict_key(context, earlier.digest)]
    if parked:
        batch.verdicts |= await _parked_verdicts(session, context, facts, parked)
    return batch


def _is_same(earlier: _Earlier, context: SyncContext, fact: TillFact, digest: bytes) -> bool:
    """Tell whether an event is an earlier one, sent again. `digest`: its digest in the newest version."""
    if (earlier.epoch, earlier.sequence, earlier.event_id) != (context.epoch, fact.sequence, fact.event_id):
        return False
    return earlier.digest == digest or digests.matches(earlier.digest, fact)


async def _earlier_events(
    session: Session, context: SyncContext, facts: Sequence[TillFact]
) -> tuple[dict[int, _Earlier], dict[str, _Earlier]]:
    """Return what the hub has of these identities: by sequence in this epoch, and by event id in all epochs."""
    rows = await session.fetch(
        _EARLIER_EVENTS,
        terminal_id=context.id,
        epoch=context.epoch,
        sequences=[fact.sequence for fact in facts],
        event_ids=[fact.event_id for fact in facts if fact.has_identity],
    )
    found = [_Earlier(*row.values()) for row in rows]
    by_sequence = {event.sequence: event for event in found if event.epoch == context.epoch}
    return by_sequence, {event.event_id: event for event in found}


_EARLIER_EVENTS = statement("""
    SELECT epoch, sequence, event_id, digest, status FROM pos_event
    WHERE terminal_id = :terminal_id AND epoch = :epoch AND sequence = ANY(:sequences)
    UNION
    SELECT epoch, sequence, event_id, digest, status FROM pos_event
    WHERE terminal_id = :terminal_id AND event_id = ANY(:event_ids)
""")


def conflict_key(context: SyncContext, digest: bytes) -> str:
    return f"{context.key_id}:{context.epoch}:{digest.hex()}"


def _conflict_keys(context: SyncContext, fact: TillFact) -> list[str]:
    """Return the keys under which the fact can have been parked: by the newest version of its digest, then by older."""
    return [conflict_key(context, digest) for digest in digests.every_version(fact)]


async def _parked_verdicts(
    session: Session, context: SyncContext, facts: Sequence[TillFact], parked: Mapping[int, Sequence[str]]
) -> dict[int, Verdict]:
    """Return verdicts on facts that are parked: earlier, or now because they have no identity or another's.

    `parked`: by index, the keys of the conflict, the one to open first.
    """
    rows = await queries.parked_by_key(session, list({key for keys in parked.values() for key in keys}))
    verdicts = {}
    opened: dict[str, NewConflict] = {}
    for n, keys in parked.items():
        fact, row = facts[n], next((rows[key] for key in keys if key in rows), None)
        if row is not None and row["status"] == ConflictStatus.RESOLVED:
            verdicts[n] = Verdict(fact.event_id, PosEventStatus.DUPLICATE)
            continue
        if row is not None:
            problems = queries.problems_of(row)
        elif fact.has_identity:
            problems = [_TAMPERED]
            opened[keys[0]] = parked_conflict(ConflictKind.TAMPERED, keys[0], context, fact, problems)
        else:
            problems = find_problems(fact)
            opened[keys[0]] = parked_conflict(ConflictKind.PARKED, keys[0], context, fact, problems)
        verdicts[n] = Verdict(fact.event_id, PosEventStatus.PARKED, problems)
    conflicts.open_conflicts(session, list(opened.values()))
    return verdicts


_TAMPERED = Problem(
    Code.IDEMPOTENCY_KEY_REUSED,
    "This terminal has sent another event with this sequence or event id. Number each event once.",
    ("eventId",),
)


def parked_conflict(
    kind: ConflictKind, key: str, context: SyncContext, fact: TillFact, problems: Sequence[Problem]
) -> NewConflict:
    return NewConflict(
        kind=kind,
        key=key,
        message=problems[0].message,
        location_id=context.location_id,
        terminal=context.key_id,
        problems=tuple(problems),
        event={
            "sent": fact,
            "epoch": context.epoch,
            "skewMs": context.skew_ms,
            "receivedAt": context.received_at,
        },
    )


def mark_applied(session: Session, context: SyncContext, fact: TillFact) -> None:
    """Set the status of a parked event, whose fact staff have applied."""
    session.defer(
        _MARK_APPLIED,
        terminal_id=context.id,
        epoch=context.epoch,
        sequence=fact.sequence,
        movements=len(fact.lines),
    )


_MARK_APPLIED = statement("""
    UPDATE pos_event SET status = 'APPLIED', movements = :movements
    WHERE (terminal_id, epoch, sequence) = (:terminal_id, :epoch, :sequence) AND status = 'PARKED'
""")
