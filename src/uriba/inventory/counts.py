"""Stocktakes: what people counted, as of when they counted it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from uriba.core import quantities, text
from uriba.core.actor import Actor
from uriba.core.errors import Invalid, InvalidQuantity, Refusals
from uriba.db import Row, Session
from uriba.inventory import ledger, lookups
from uriba.inventory.ledger import Fact
from uriba.inventory.models import StockReason


@dataclass(frozen=True, slots=True)
class Counted:
    """What was there of a SKU: all units, damaged ones too."""

    sku: str
    counted: int


async def submit(
    session: Session,
    *,
    actor: Actor,
    location: str,
    counted_at: datetime | None,
    lines: Sequence[Counted],
    note: str | None,
    reference: str,
) -> list[Row]:
    """Post a stocktake, all lines or none; the levels as they are now.

    It is a barrier like a till's count: what happened before `counted_at` (default now, never later) moves nothing any
    more, what happened after it is added. `note` is the caller's own reference, kept with ours.

    Errors: `NotFound` SKU or location, `Invalid` (no line, a SKU twice), `InvalidQuantity`, `LimitExceeded`.
    """
    quantities.check_rows(len(lines), "lines")
    if not lines:
        raise Invalid("Give at least one line.", "lines")
    noted = text.optional_text(note, "reference")
    at = await _moment(session, counted_at)
    levels = await _levels(session, actor, location, lines)
    facts = [
        Fact(
            variant_id=variant_id,
            location_id=location_id,
            reason=StockReason.COUNT,
            quantity=line.counted,
            counted=line.counted,
            occurred_at=at,
            reference=f"{reference}: {noted}" if noted else reference,
        )
        for line, (variant_id, location_id) in zip(lines, levels, strict=True)
    ]
    return await ledger.post_facts(session, facts, actor=actor.label)


async def _moment(session: Session, counted_at: datetime | None) -> datetime:
    """When it was counted, by the clock that the ledger keeps; never later than now."""
    try:
        given = counted_at.astimezone(UTC) if counted_at is not None else None
    except OverflowError:
        raise Invalid("There is no such time.", "countedAt") from None
    found: datetime = await session.fetchval("SELECT least($1::timestamptz, clock_timestamp())", given)
    return found


async def _levels(session: Session, actor: Actor, location: str, lines: Sequence[Counted]) -> list[tuple[int, int]]:
    """The (variant, location) of each line, with a level opened for it; refuses what cannot be meant."""
    refusals = Refusals()
    for index, line in enumerate(lines):
        try:
            quantities.quantity(line.counted, "lines", index, "counted", least=0)
        except InvalidQuantity as error:
            refusals.caught(error)
    skus = [line.sku for line in lines]
    lookups.refuse_repeats(skus, field="lines", key="sku", refusals=refusals)
    variants = await lookups.variants(session, skus, field="lines", refusals=refusals)
    location_id = await lookups.place(session, location, "location", refusals=refusals)
    if location_id is not None:
        lookups.check_own(actor, location_id)
    refusals.raise_any()
    assert location_id is not None
    levels = [(variants[sku], location_id) for sku in skus]
    await ledger.open_levels(session, levels)
    return levels
