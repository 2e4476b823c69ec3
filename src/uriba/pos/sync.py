"""Sync: a till's events, in any order and any number of times. Each is applied once; none is lost or refused.

One transaction per batch. An event that the hub has already is a duplicate, one that it cannot apply is parked whole
for people to repair, and all others are applied together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from uriba.config import Settings
from uriba.conflicts import conflicts
from uriba.conflicts.enums import ConflictKind
from uriba.core.actor import Actor
from uriba.core.errors import Code, Invalid, Problem
from uriba.core.quantities import check_rows
from uriba.db import Session
from uriba.db.session import Insert
from uriba.fulfillment.allocation import backorders
from uriba.inventory import ledger
from uriba.inventory.enums import StockReason, StockState
from uriba.inventory.ledger import StockFact
from uriba.outbox import emit, event
from uriba.pos import facts as fact_checks
from uriba.pos import identity, order_records, reference_data, terminals
from uriba.pos.enums import PosEventStatus, PosEventType
from uriba.pos.events import TerminalSynced, terminal_subject
from uriba.pos.facts import PRICED_TYPES, TillFact
from uriba.pos.identity import Verdict, conflict_key, parked_conflict
from uriba.pos.order_records import OrderRecords
from uriba.pos.reference_data import ReferenceData
from uriba.pos.terminals import SyncContext

EVENTS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class SyncResult:
    """The answer to a batch: verdicts in the order sent, and what the hub has of the epoch."""

    verdicts: Sequence[Verdict]
    acknowledged: int
    missing: Sequence[tuple[int, int]]
    shortages: int


@dataclass(slots=True)
class BatchEffects:
    """The effects of one batch's facts, collected and then written together.

    unstocked: variants without a stock level at the store. events: rows of `pos_event`.
    """

    records: OrderRecords = field(default_factory=OrderRecords)
    facts: list[StockFact] = field(default_factory=list)
    events: list[tuple[object, ...]] = field(default_factory=list)
    unstocked: set[int] = field(default_factory=set)


async def sync(
    session: Session, *, actor: Actor, settings: Settings, sent_at: datetime, epoch: int, facts: Sequence[TillFact]
) -> SyncResult:
    """Process a batch of a till's events.

    Errors, after which nothing is kept: `LimitExceeded` above 1,000 events, `Invalid` for an epoch below 1.
    """
    check_rows(len(facts), "events", rows_max=EVENTS_MAX)
    if epoch < 1:
        raise Invalid("Epochs start at 1.", "epoch")
    sequences = [fact.sequence for fact in facts if fact.sequence >= 1]
    context = await terminals.open_sync(session, actor=actor, sent_at=sent_at, epoch=epoch, sequences=sequences)
    batch = await identity.classify(session, context, facts)
    new = [facts[n] for n in batch.new]
    data = await reference_data.load(session, context, new, check_prices=settings.price_variance)
    effects, verdicts = BatchEffects(), batch.verdicts
    for n in batch.new:
        verdicts[n] = _apply_or_park(facts[n], batch.digests[n], data, context, effects)
    for n, first in batch.repeats.items():
        applied = verdicts[first].status is PosEventStatus.APPLIED
        verdicts[n] = Verdict(facts[n].event_id, PosEventStatus.DUPLICATE) if applied else verdicts[first]
    shortages = await write_effects(session, context, effects, actor=actor)
    _emit_synced(session, context, [verdicts[n] for n in batch.new])
    return SyncResult([verdicts[n] for n in range(len(facts))], context.acknowledged, context.missing, shortages)


def _apply_or_park(
    fact: TillFact, digest: bytes, data: ReferenceData, context: SyncContext, effects: BatchEffects
) -> Verdict:
    """Add the effects of a new fact; where it cannot be applied, park it."""
    occurred_at = context.correct(fact.occurred_at)
    opened = len(effects.records.conflicts)
    reference = context.movement_reference(fact.sequence)
    problems = add_fact(effects, fact, data=data, context=context, occurred_at=occurred_at, reference=reference)
    status = PosEventStatus.PARKED if problems else PosEventStatus.APPLIED
    effects.events.append(
        (
            context.id,
            context.epoch,
            fact.sequence,
            fact.event_id,
            digest,
            fact.type,
            status,
            0 if problems else len(fact.lines),
            occurred_at,
            context.skew_ms,
        )
    )
    if problems:
        key = conflict_key(context, digest)
        effects.records.conflicts.append(parked_conflict(ConflictKind.PARKED, key, context, fact, problems))
        return Verdict(fact.event_id, status, problems)
    warnings = _clock_warnings(fact, context)
    warnings += [Problem(Code.PRICE_CHANGED, new.message, ("lines",)) for new in effects.records.conflicts[opened:]]
    return Verdict(fact.event_id, status, warnings=warnings)


def add_fact(
    effects: BatchEffects,
    fact: TillFact,
    *,
    data: ReferenceData,
    context: SyncContext,
    occurred_at: datetime,
    reference: str,
) -> list[Problem]:
    """Add the effects of a fact, or return why it cannot be applied; then nothing is added."""
    if problems := fact_checks.find_problems(fact):
        return problems
    unknown = [n for n, line in enumerate(fact.lines) if line.sku not in data.goods]
    if unknown:
        return [Problem(Code.NOT_FOUND, "There is no such SKU or barcode.", ("lines", str(n), "sku")) for n in unknown]
    goods = [data.goods[line.sku] for line in fact.lines]
    if fact.type is PosEventType.COUNT and len({good["id"] for good in goods}) < len(goods):
        return [Problem(Code.INVALID, "A count has each variant at most once.", ("lines",))]
    if fact.type in PRICED_TYPES:
        problems = order_records.add_fact(
            effects.records, fact, data=data, context=context, occurred_at=occurred_at, reference=reference
        )
        if problems:
            return problems
    effects.unstocked.update(good["id"] for good in goods if not good["stocked"])
    on_hand, unavailable, state = _UNIT_EFFECTS[fact.type]
    is_count = fact.type is PosEventType.COUNT
    for line, good in zip(fact.lines, goods, strict=True):
        effects.facts.append(
            StockFact(
                variant_id=good["id"],
                location_id=context.location_id,
                reason=StockReason(fact.type),
                quantity=line.quantity,
                occurred_at=occurred_at,
                reference=reference,
                on_hand=on_hand * line.quantity,
                unavailable=unavailable * line.quantity,
                counted=line.quantity if is_count else None,
                state=state,
            )
        )
    return []


_UNIT_EFFECTS: dict[PosEventType, tuple[int, int, StockState | None]] = {
    PosEventType.SALE: (-1, 0, None),
    PosEventType.RETURN: (1, 0, None),
    PosEventType.RECEIPT: (1, 0, None),
    PosEventType.ADJUSTMENT: (1, 0, None),
    PosEventType.COUNT: (0, 0, None),
    PosEventType.DAMAGE: (0, 1, StockState.DAMAGED),
}
"""The effect of one unit on on hand and on unavailable, and the state of the unit afterwards."""


def _clock_warnings(fact: TillFact, context: SyncContext) -> list[Problem]:
    found = []
    if context.skew:
        minutes = context.skew.total_seconds() / 60
        clock = f"The terminal's clock is {abs(minutes):,.0f} minutes {'ahead' if minutes > 0 else 'behind'}."
        found.append(Problem(Code.INVALID, f"{clock} The time of this event was corrected.", ("occurredAt",)))
    if context.is_in_future(fact.occurred_at):
        sentence = "This time is in the future. The present time was used instead."
        found.append(Problem(Code.INVALID, sentence, ("occurredAt",)))
    return found


async def write_effects(session: Session, context: SyncContext, effects: BatchEffects, *, actor: Actor) -> int:
    """Write all effects; return how many promised units are not there any more because of them."""
    await session.insert(_EVENTS, effects.events)
    await order_records.write_records(session, effects.records, context=context, actor=actor.label)
    conflicts.open_conflicts(session, effects.records.conflicts)
    await event.write_in_bulk(session)
    if not effects.facts:
        return 0
    if effects.unstocked:
        await ledger.open_levels(session, [(variant_id, context.location_id) for variant_id in effects.unstocked])
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


def _emit_synced(session: Session, context: SyncContext, new: Sequence[Verdict]) -> None:
    if not new:
        return
    parked = sum(verdict.status is PosEventStatus.PARKED for verdict in new)
    data = {
        "epoch": context.epoch,
        "acknowledged": context.acknowledged,
        "applied": len(new) - parked,
        "parked": parked,
    }
    terminals.count_event(session, context.id)
    emit(session, TerminalSynced(terminal_subject(context.key_id), context.version + 1, data))
