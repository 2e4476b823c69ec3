"""Sync: facts from a till, in any order, any number of times. Nothing is lost, nothing doubled, nothing refused.

One transaction for a batch. A fact that the hub has is a duplicate; one that it cannot apply is put aside whole, for
people to repair; all others are applied together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from uriba.config import Settings
from uriba.conflicts import cases as conflict_cases
from uriba.conflicts.cases import Case
from uriba.conflicts.models import ConflictKind, ConflictStatus
from uriba.core.actor import Actor
from uriba.core.errors import Code, Invalid, Problem
from uriba.core.quantities import check_rows
from uriba.db import Session
from uriba.db.session import Insert
from uriba.fulfillment.allocation import backorders
from uriba.inventory import ledger
from uriba.inventory.ledger import Fact
from uriba.inventory.models import StockReason, StockState
from uriba.outbox import emit, event
from uriba.pos import facts as telling
from uriba.pos import sales, terminals
from uriba.pos.events import TerminalSynced, terminal_subject
from uriba.pos.facts import PRICED, Told
from uriba.pos.models import PosEventStatus, PosEventType
from uriba.pos.reference_data import Knowledge, gather
from uriba.pos.sales import Books
from uriba.pos.terminals import Meeting

EVENTS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one fact; `problems`: why it was put aside; `warnings`: what is worth saying of an applied one."""

    event_id: str
    status: PosEventStatus
    problems: Sequence[Problem] = ()
    warnings: Sequence[Problem] = ()


@dataclass(frozen=True, slots=True)
class Synced:
    """The answer to a batch: verdicts in the order sent, and what the hub has of the epoch."""

    verdicts: Sequence[Verdict]
    acknowledged: int
    missing: Sequence[tuple[int, int]]
    shortages: int


@dataclass(slots=True)
class Effects:
    """What the facts of one batch do, gathered and then written at once."""

    books: Books = field(default_factory=Books)
    facts: list[Fact] = field(default_factory=list)
    events: list[tuple[object, ...]] = field(default_factory=list)
    unstocked: set[int] = field(default_factory=set)


async def sync(
    session: Session, *, actor: Actor, settings: Settings, sent_at: datetime, epoch: int, told: Sequence[Told]
) -> Synced:
    """Take a batch of facts from a till.

    Errors, and then nothing is kept: `LimitExceeded` above 1,000 facts, `Invalid` for an epoch below 1.
    """
    check_rows(len(told), "events", rows_max=EVENTS_MAX)
    if epoch < 1:
        raise Invalid("An epoch begins with 1.", "epoch")
    meeting = await terminals.meet(
        session, actor=actor, sent_at=sent_at, epoch=epoch, sequences=[t.sequence for t in told if t.sequence >= 1]
    )
    verdicts, new, again = await _sort(session, meeting, told)
    known = await gather(session, meeting, [told[n] for n in new], check_prices=settings.price_variance)
    effects = Effects()
    for n in new:
        verdicts[n] = _take(told[n], known, meeting, effects)
    for n, first in again.items():
        applied = verdicts[first].status is PosEventStatus.APPLIED
        verdicts[n] = Verdict(told[n].event_id, PosEventStatus.DUPLICATE) if applied else verdicts[first]
    shortages = await write(session, meeting, effects, actor=actor)
    _tell(session, meeting, [verdicts[n] for n in new])
    made = [verdicts[n] for n in range(len(told))]
    return Synced(made, meeting.acknowledged, meeting.missing, shortages)


async def _sort(
    session: Session, meeting: Meeting, told: Sequence[Told]
) -> tuple[dict[int, Verdict], list[int], dict[int, int]]:
    """Verdicts on what the hub has, the places of what is new, and of what stands in this batch again."""
    rows = await session.fetch(_KNOWN, meeting.id, meeting.epoch, [t.sequence for t in told], _ids(told))
    by_sequence = {row["sequence"]: row for row in rows if row["epoch"] == meeting.epoch}
    by_id = {row["event_id"]: row for row in rows}
    new: list[int] = []
    again: dict[int, int] = {}
    aside: dict[int, str] = {}
    verdicts: dict[int, Verdict] = {}
    for n, fact in enumerate(told):
        row = {"epoch": meeting.epoch, "sequence": fact.sequence, "event_id": fact.event_id, "digest": fact.digest}
        if not fact.named:
            aside[n] = _key(meeting, fact)
        elif (seen := by_sequence.get(fact.sequence) or by_id.get(fact.event_id)) is None:
            new.append(n)
            by_sequence[fact.sequence] = by_id[fact.event_id] = {**row, "status": None, "place": n}
        elif any(seen[name] != value for name, value in row.items()):
            aside[n] = _key(meeting, fact)
        elif seen["status"] is None:
            again[n] = seen["place"]
        elif seen["status"] == PosEventStatus.APPLIED:
            verdicts[n] = Verdict(fact.event_id, PosEventStatus.DUPLICATE)
        else:
            aside[n] = _key(meeting, fact)
    if aside:
        verdicts |= await _aside(session, meeting, told, aside)
    return verdicts, new, again


_KNOWN = """
    SELECT epoch, sequence, event_id, digest, status FROM pos_event
    WHERE terminal_id = $1 AND epoch = $2 AND sequence = ANY($3)
    UNION
    SELECT epoch, sequence, event_id, digest, status FROM pos_event WHERE terminal_id = $1 AND event_id = ANY($4)
"""


def _ids(told: Sequence[Told]) -> list[str]:
    return [fact.event_id for fact in told if fact.named]


def _key(meeting: Meeting, fact: Told) -> str:
    return f"{meeting.key_id}:{meeting.epoch}:{fact.digest.hex()}"


async def _aside(
    session: Session, meeting: Meeting, told: Sequence[Told], aside: Mapping[int, str]
) -> dict[int, Verdict]:
    """Verdicts on what was put aside before, or is now: it has another's identity, or none."""
    found = await conflict_cases.by_key(session, list(set(aside.values())))
    verdicts = {}
    cases: dict[str, Case] = {}
    for n, key in aside.items():
        fact, row = told[n], found.get(key)
        if row is not None and row["status"] == ConflictStatus.RESOLVED:
            verdicts[n] = Verdict(fact.event_id, PosEventStatus.DUPLICATE)
            continue
        if row is not None:
            problems = [Problem(Code(p["code"]), p["message"], tuple(p["path"])) for p in row["problems"]]
        else:
            problems = telling.problems(fact) if not fact.named else [_TAMPERED]
            kind = ConflictKind.TAMPERED if fact.named else ConflictKind.PARKED
            cases[key] = _case(kind, meeting, fact, problems)
        verdicts[n] = Verdict(fact.event_id, PosEventStatus.PARKED, problems)
    conflict_cases.open_cases(session, list(cases.values()))
    return verdicts


_TAMPERED = Problem(
    Code.IDEMPOTENCY_KEY_REUSED, "Another fact of this terminal has this sequence or event id.", ("eventId",)
)


def _case(kind: ConflictKind, meeting: Meeting, fact: Told, problems: Sequence[Problem]) -> Case:
    return Case(
        kind=kind,
        key=_key(meeting, fact),
        message=problems[0].message,
        location_id=meeting.location_id,
        terminal=meeting.key_id,
        problems=tuple(problems),
        event={
            "sent": fact,
            "epoch": meeting.epoch,
            "skewMs": _ms(meeting.skew),
            "receivedAt": meeting.received_at,
        },
    )


def _ms(span: timedelta) -> int:
    return round(span.total_seconds() * 1000)


def _take(fact: Told, known: Knowledge, meeting: Meeting, effects: Effects) -> Verdict:
    """Apply a new fact, or put it aside."""
    occurred_at = meeting.corrected(fact.occurred_at)
    cases = len(effects.books.cases)
    problems = enter(
        effects, fact, known=known, meeting=meeting, occurred_at=occurred_at, reference=meeting.reference(fact.sequence)
    )
    status = PosEventStatus.PARKED if problems else PosEventStatus.APPLIED
    lines = 0 if problems else len(fact.lines)
    effects.events.append(
        (
            meeting.id,
            meeting.epoch,
            fact.sequence,
            fact.event_id,
            fact.digest,
            fact.type,
            status,
            lines,
            occurred_at,
            _ms(meeting.skew),
        )
    )
    if problems:
        effects.books.cases.append(_case(ConflictKind.PARKED, meeting, fact, problems))
        return Verdict(fact.event_id, status, problems)
    warnings = _warnings(fact, meeting)
    warnings += [Problem(Code.PRICE_CHANGED, case.message, ("lines",)) for case in effects.books.cases[cases:]]
    return Verdict(fact.event_id, status, warnings=warnings)


def enter(
    effects: Effects, fact: Told, *, known: Knowledge, meeting: Meeting, occurred_at: datetime, reference: str
) -> list[Problem]:
    """What a fact does, added to what others do; or why it cannot be applied, and then it does nothing."""
    if problems := telling.problems(fact):
        return problems
    unknown = [n for n, line in enumerate(fact.lines) if line.sku not in known.goods]
    if unknown:
        return [Problem(Code.NOT_FOUND, "There is no such SKU or barcode.", ("lines", str(n), "sku")) for n in unknown]
    goods = [known.goods[line.sku] for line in fact.lines]
    if fact.type is PosEventType.COUNT and len({good["id"] for good in goods}) < len(goods):
        return [Problem(Code.INVALID, "A count names each variant once.", ("lines",))]
    if fact.type in PRICED:
        problems = sales.enter(
            effects.books, fact, known=known, meeting=meeting, occurred_at=occurred_at, reference=reference
        )
        if problems:
            return problems
    effects.unstocked.update(good["id"] for good in goods if not good["stocked"])
    sign, unavailable, state = _EFFECTS[fact.type]
    counts = fact.type is PosEventType.COUNT
    for line, good in zip(fact.lines, goods, strict=True):
        effects.facts.append(
            Fact(
                variant_id=good["id"],
                location_id=meeting.location_id,
                reason=StockReason(fact.type),
                quantity=line.quantity,
                occurred_at=occurred_at,
                reference=reference,
                on_hand=sign * line.quantity,
                unavailable=unavailable * line.quantity,
                counted=line.quantity if counts else None,
                state=state,
            )
        )
    return []


_EFFECTS: dict[PosEventType, tuple[int, int, StockState | None]] = {
    PosEventType.SALE: (-1, 0, None),
    PosEventType.RETURN: (1, 0, None),
    PosEventType.RECEIPT: (1, 0, None),
    PosEventType.ADJUSTMENT: (1, 0, None),
    PosEventType.COUNT: (0, 0, None),
    PosEventType.DAMAGE: (0, 1, StockState.DAMAGED),
}
"""What one unit adds to on hand and to unavailable, and the state that it is in then."""


def _warnings(fact: Told, meeting: Meeting) -> list[Problem]:
    found = []
    if meeting.skew:
        minutes = meeting.skew.total_seconds() / 60
        said = f"The terminal's clock is {abs(minutes):,.0f} minutes {'ahead' if minutes > 0 else 'behind'}."
        found.append(Problem(Code.INVALID, f"{said} The time was corrected.", ("occurredAt",)))
    if meeting.is_ahead(fact.occurred_at):
        found.append(Problem(Code.INVALID, "This time is in the future: it was taken as now.", ("occurredAt",)))
    return found


async def write(session: Session, meeting: Meeting, effects: Effects, *, actor: Actor) -> int:
    """Write all effects; the promised units that they made impossible to keep."""
    await session.insert(_EVENTS, effects.events)
    await sales.write(session, effects.books, meeting=meeting, actor=actor.label)
    conflict_cases.open_cases(session, effects.books.cases)
    await event.write_in_bulk(session)
    if not effects.facts:
        return 0
    if effects.unstocked:
        await ledger.open_levels(session, [(variant_id, meeting.location_id) for variant_id in effects.unstocked])
    rows = await ledger.post_facts(session, effects.facts, actor=actor.label)
    if any(fact.on_hand > 0 or fact.counted is not None for fact in effects.facts):
        await backorders.fill(session, rows, actor=actor.label)
    return sum(row["broken"] for row in rows)


_EVENTS = Insert(
    "pos_event",
    (
        ("terminal_id", "bigint"),
        ("epoch", "bigint"),
        ("sequence", "bigint"),
        ("event_id", "text"),
        ("digest", "bytea"),
        ("type", "text"),
        ("status", "text"),
        ("movements", "bigint"),
        ("occurred_at", "timestamptz"),
        ("skew_ms", "bigint"),
    ),
)


def _tell(session: Session, meeting: Meeting, new: Sequence[Verdict]) -> None:
    if not new:
        return
    parked = sum(verdict.status is PosEventStatus.PARKED for verdict in new)
    data = {
        "epoch": meeting.epoch,
        "acknowledged": meeting.acknowledged,
        "applied": len(new) - parked,
        "parked": parked,
    }
    session.defer("UPDATE pos_terminal SET version = version + 1 WHERE id = $1", meeting.id)
    emit(session, TerminalSynced(terminal_subject(meeting.key_id), meeting.version + 1, data))
