"""Stocktakes: what people counted, as of when they counted it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from uriba.core import quantities, text
from uriba.core.actor import Actor
from uriba.core.errors import Invalid, InvalidQuantity, Refusals
from uriba.db import Row, Session
from uriba.db.statements import statement
from uriba.inventory import ledger, lookups
from uriba.inventory.enums import StockReason
from uriba.inventory.ledger import StockFact


@dataclass(frozen=True, slots=True)
class CountedLine:
    """The units of a SKU that were there, damaged ones included."""

    sku: str
    counted: int


async def submit(
    session: Session,
    *,
    actor: Actor,
    location: str,
    counted_at: datetime | None,
    lines: Sequence[CountedLine],
    note: str | None,
    reference: str,
) -> list[Row]:
    """Post a stocktake, all lines or none, and return the levels.

    It is a barrier like a till's count: what happened before `counted_at` (default now, never later) does not change
    on hand any more; what happened after it is added. `note`: the caller's own reference, kept with the hub's.

    Errors: `NotFound` SKU or location, `Invalid` (no line, a SKU twice), `InvalidQuantity`, `LimitExceeded`.
    """
    quantities.check_rows(len(lines), "lines")
    if not lines:
        raise Invalid("Give at least one line.", "lines")
    own_reference = text.optional_text(note, "reference")
    occurred_at = await _occurred_at(session, counted_at)
    levels = await _levels(session, actor, location, lines)
    facts = [
        StockFact(
            variant_id=variant_id,
            location_id=location_id,
            reason=StockReason.COUNT,
            quantity=line.counted,
            counted=line.counted,
            occurred_at=occurred_at,
            reference=f"{reference}: {own_reference}" if own_reference else reference,
        )
        for line, (variant_id, location_id) in zip(lines, levels, strict=True)
    ]
    return await ledger.post_facts(session, facts, actor=actor.label)


async def _occurred_at(session: Session, counted_at: datetime | None) -> datetime:
    """Return the time of a count by PostgreSQL's clock, now at the latest."""
    try:
        given = counted_at.astimezone(UTC) if counted_at is not None else None
    except OverflowError:
        raise Invalid("This time is outside the calendar.", "countedAt") from None
    found: datetime = await session.fetchval(_AT_THE_LATEST_NOW, counted_at=given)
    return found


_AT_THE_LATEST_NOW = statement("SELECT least(:counted_at::timestamptz, clock_timestamp())")


async def _levels(session: Session, actor: Actor, location: str, lines: Sequence[CountedLine]) -> list[tuple[int, int]]:
    """Check the lines, create missing levels, and return the (variant, location) of each line."""
    refusals = Refusals()
    for index, line in enumerate(lines):
        try:
            quantities.quantity(line.counted, "lines", index, "counted", least=0)
        except InvalidQuantity as error:
            refusals.caught(error)
    skus = [line.sku for line in lines]
    lookups.refuse_duplicates(skus, "sku", field="lines", refusals=refusals)
    variants = await lookups.variant_ids(session, skus, "sku", field="lines", refusals=refusals)
    location_id = await lookups.location_id(session, location, "location", refusals=refusals)
    if location_id is not None:
        lookups.check_terminal_location(actor, location_id)
    refusals.raise_any()
    assert location_id is not None
    levels = [(variants[sku], location_id) for sku in skus]
    await ledger.open_levels(session, levels)
    return levels
