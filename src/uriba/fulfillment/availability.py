"""Why what is available is what it is: a level's terms, with the promises that are among them."""

from __future__ import annotations

from collections.abc import Sequence

from uriba.db import Session
from uriba.fulfillment import queries as fulfillments
from uriba.inventory import explain, queries
from uriba.inventory.explain import AvailabilityTerm
from uriba.inventory.queries import LevelKey


async def by_level(session: Session, keys: Sequence[LevelKey]) -> dict[LevelKey, list[AvailabilityTerm]]:
    """All in one snapshot, so that terms add up and rows add up to terms."""
    await session.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        levels = await queries.levels_by_key(session, keys)
        states = await explain.states_by_level(session, keys)
        counts = await explain.counts_by_level(session, keys)
        holds = await explain.holds_by_level(session, keys)
        promises = await fulfillments.promises_by_level(session, keys, rows_max=explain.ROWS_MAX)
    finally:
        await session.run("ROLLBACK")
    return {
        key: explain.availability_terms(
            level, states[key], count=counts.get(key), promises=promises[key], holds=holds[key]
        )
        for key, level in levels.items()
    }
