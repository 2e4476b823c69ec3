"""Changes that people make: adjustments by a difference, and counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from uriba.catalog import locations, queries
from uriba.core import quantities, text
from uriba.core.actor import Actor, Role
from uriba.core.errors import Code, Denied, DomainError, Invalid, InvalidQuantity, Refusals
from uriba.db import Row, Session
from uriba.inventory import ledger
from uriba.inventory.errors import LedgerRefused
from uriba.inventory.ledger import Movement
from uriba.inventory.models import StockReason

BY_HAND = frozenset(
    {
        StockReason.SALE,
        StockReason.RETURN,
        StockReason.RECEIPT,
        StockReason.ADJUSTMENT,
        StockReason.DAMAGE,
        StockReason.IMPORT,
    }
)
"""Reasons that a person may give; the others belong to counts, promises and transfers."""


@dataclass(frozen=True, slots=True)
class Adjustment:
    """So many units more (or fewer) of a SKU at a location."""

    sku: str
    location: str
    delta: int


@dataclass(frozen=True, slots=True)
class Count:
    """A SKU's on hand at a location as of now; `expected_on_hand` makes it a compare and set."""

    sku: str
    location: str
    on_hand: int
    expected_on_hand: int | None = None
    safety_stock: int | None = None


async def adjust(
    session: Session, *, actor: Actor, changes: Sequence[Adjustment], reason: StockReason, reference: str
) -> list[Row]:
    """Add differences to levels, all or none; rows of one level are summed.

    Errors: `NotFound` SKU or location, `InvalidQuantity` (0, above 100,000, or on hand below zero), `Invalid` reason.
    """
    quantities.check_rows(len(changes), "changes")
    if reason not in BY_HAND:
        raise Invalid(f"{reason} is not a reason for an adjustment.", "reason")
    refusals = Refusals()
    for index, change in enumerate(changes):
        if not 1 <= abs(change.delta) <= quantities.QUANTITY_MAX:
            refusals.add(
                Code.INVALID_QUANTITY,
                f"delta is from 1 to {quantities.QUANTITY_MAX:,} or below zero.",
                "changes",
                index,
                "delta",
            )
    levels = await _levels(session, actor, changes, refusals)
    movements = [
        Movement(
            variant_id=variant_id,
            location_id=location_id,
            reason=reason,
            quantity=c.delta,
            on_hand=c.delta,
            floor=True,
        )
        for c, (variant_id, location_id) in zip(changes, levels, strict=True)
    ]
    return await _post(session, movements, levels, actor=actor, reference=reference)


async def count(session: Session, *, actor: Actor, changes: Sequence[Count], reference: str) -> list[Row]:
    """Set what is on hand, all or none: a count as of now.

    Errors: `NotFound`, `InvalidQuantity`, `VersionConflict`-coded problems where on hand is not as expected,
    `Invalid` for a level that stands twice.
    """
    quantities.check_rows(len(changes), "changes")
    refusals = Refusals()
    seen: set[tuple[str, str]] = set()
    for index, change in enumerate(changes):
        _check_count(change, index, refusals)
        if (change.sku, change.location) in seen:
            refusals.add(Code.INVALID, "This level stands twice in one call.", "changes", index)
        seen.add((change.sku, change.location))
    levels = await _levels(session, actor, changes, refusals)
    movements = [
        Movement(
            variant_id=variant_id,
            location_id=location_id,
            reason=StockReason.COUNT,
            quantity=c.on_hand,
            counted=c.on_hand,
            expected=c.expected_on_hand,
            safety_stock=c.safety_stock,
        )
        for c, (variant_id, location_id) in zip(changes, levels, strict=True)
    ]
    return await _post(session, movements, levels, actor=actor, reference=reference)


def _check_count(change: Count, index: int, refusals: Refusals) -> None:
    try:
        quantities.quantity(change.on_hand, "changes", index, "onHand", least=0)
        if change.safety_stock is not None:
            quantities.quantity(change.safety_stock, "changes", index, "safetyStock", least=0)
    except InvalidQuantity as error:
        refusals.caught(error)


class _Named(Protocol):
    @property
    def sku(self) -> str: ...
    @property
    def location(self) -> str: ...


async def _levels(
    session: Session, actor: Actor, changes: Sequence[_Named], refusals: Refusals
) -> list[tuple[int, int]]:
    """The (variant, location) of each row, with a level opened for it; refuses what is unknown."""
    skus = {c.sku for c in changes if not text.has_control(c.sku)}
    codes = {c.location for c in changes if not text.has_control(c.location)}
    variants = await queries.ids_by_sku(session, list(skus))
    places = await locations.by_code(session, list(codes))
    for index, change in enumerate(changes):
        if change.sku not in variants:
            refusals.add(Code.NOT_FOUND, "There is no such SKU.", "changes", index, "sku")
        if change.location not in places:
            refusals.add(Code.NOT_FOUND, "There is no such location.", "changes", index, "location")
        elif actor.role is Role.TERMINAL and places[change.location]["id"] != actor.location_id:
            raise Denied("A terminal writes its own location's stock only.")
    refusals.raise_any()
    pairs = [(variants[c.sku], int(places[c.location]["id"])) for c in changes]
    await ledger.open_levels(session, pairs)
    return pairs


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
                sentence = f"On hand is {refusal.available}, not what you expected."
                problems.add(Code.VERSION_CONFLICT, sentence, "changes", index, "expectedOnHand")
            else:
                sentence = f"Only {refusal.available} are on hand: it cannot fall below zero."
                problems.add(Code.INVALID_QUANTITY, sentence, "changes", index, "delta")
        raise DomainError.of(problems.problems) from refused
