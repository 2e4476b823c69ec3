"""Changes by people and systems: adjustments by a difference, and levels that are set as of now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from uriba.core import quantities
from uriba.core.actor import Actor
from uriba.core.errors import Code, DomainError, Invalid, InvalidQuantity, Refusals
from uriba.db import Row, Session
from uriba.inventory import ledger, lookups
from uriba.inventory.enums import StockReason
from uriba.inventory.errors import LedgerRefused
from uriba.inventory.ledger import Movement

MANUAL_REASONS = frozenset(
    {
        StockReason.SALE,
        StockReason.RETURN,
        StockReason.RECEIPT,
        StockReason.ADJUSTMENT,
        StockReason.DAMAGE,
        StockReason.IMPORT,
    }
)
"""Reasons that callers may give; the others belong to counts, promises and transfers."""


@dataclass(frozen=True, slots=True)
class Adjustment:
    """A difference in units of a SKU at a location."""

    sku: str
    location: str
    delta: int


@dataclass(frozen=True, slots=True)
class LevelSetting:
    """A SKU's new on hand at a location, only where the present one is `expected_on_hand`, if that is given."""

    sku: str
    location: str
    on_hand: int
    expected_on_hand: int | None = None
    safety_stock: int | None = None


async def adjust(
    session: Session, *, actor: Actor, changes: Sequence[Adjustment], reason: StockReason, reference: str
) -> list[Row]:
    """Add differences to levels, all or none, and return the levels. Rows of one level are added up.

    Errors: `NotFound` SKU or location, `InvalidQuantity` (0, above 100,000, or on hand below zero), `Invalid` reason.
    """
    quantities.check_rows(len(changes), "changes")
    if reason not in MANUAL_REASONS:
        raise Invalid(f"{reason} is not a reason for an adjustment.", "reason")
    refusals = Refusals()
    for index, change in enumerate(changes):
        if not 1 <= abs(change.delta) <= quantities.QUANTITY_MAX:
            sentence = f"delta is from 1 to {quantities.QUANTITY_MAX:,}, or from -{quantities.QUANTITY_MAX:,} to -1."
            refusals.add(Code.INVALID_QUANTITY, sentence, "changes", index, "delta")
    names = [(change.sku, change.location) for change in changes]
    levels = await lookups.open_levels(session, actor, names, field="changes", refusals=refusals)
    movements = [
        Movement(
            variant_id=variant_id,
            location_id=location_id,
            reason=reason,
            quantity=change.delta,
            on_hand=change.delta,
            floor=True,
        )
        for change, (variant_id, location_id) in zip(changes, levels, strict=True)
    ]
    return await _post(session, movements, levels, actor=actor, reference=reference)


async def set_levels(session: Session, *, actor: Actor, changes: Sequence[LevelSetting], reference: str) -> list[Row]:
    """Set what is on hand, all or none, as a count as of now, and return the levels.

    Errors: `NotFound`, `InvalidQuantity`, `VersionConflict`-coded problems where on hand is not as expected,
    `Invalid` for a level that occurs twice.
    """
    quantities.check_rows(len(changes), "changes")
    refusals = Refusals()
    for index, change in enumerate(changes):
        _check_setting(change, index, refusals)
    names = [(change.sku, change.location) for change in changes]
    lookups.refuse_duplicates(names, field="changes", refusals=refusals)
    levels = await lookups.open_levels(session, actor, names, field="changes", refusals=refusals)
    movements = [
        Movement(
            variant_id=variant_id,
            location_id=location_id,
            reason=StockReason.COUNT,
            quantity=change.on_hand,
            counted=change.on_hand,
            expected=change.expected_on_hand,
            safety_stock=change.safety_stock,
        )
        for change, (variant_id, location_id) in zip(changes, levels, strict=True)
    ]
    return await _post(session, movements, levels, actor=actor, reference=reference)


def _check_setting(change: LevelSetting, index: int, refusals: Refusals) -> None:
    try:
        quantities.quantity(change.on_hand, "changes", index, "onHand", least=0)
        if change.safety_stock is not None:
            quantities.quantity(change.safety_stock, "changes", index, "safetyStock", least=0)
    except InvalidQuantity as error:
        refusals.caught(error)


async def _post(
    session: Session,
    movements: Sequence[Movement],
    levels: Sequence[tuple[int, int]],
    *,
    actor: Actor,
    reference: str,
) -> list[Row]:
    try:
        return await ledger.post(session, movements, reference=reference, actor=actor.label)
    except LedgerRefused as refused:
        problems = Refusals()
        for refusal in refused.refusals:
            index = levels.index((refusal.variant_id, refusal.location_id))
            if refusal.why == "EXPECTED":
                sentence = f"On hand is {refusal.available}, not the expected number."
                problems.add(Code.VERSION_CONFLICT, sentence, "changes", index, "expectedOnHand")
            else:
                sentence = f"Only {refusal.available} are on hand. On hand cannot fall below zero."
                problems.add(Code.INVALID_QUANTITY, sentence, "changes", index, "delta")
        raise DomainError.of(problems.problems) from refused
