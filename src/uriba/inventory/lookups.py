"""Variants and locations as callers name them: by SKU and by code."""

from __future__ import annotations

from collections.abc import Sequence

from uriba.catalog import locations, queries
from uriba.core.actor import Actor, Role
from uriba.core.errors import Code, Denied, Refusals
from uriba.db import Session


async def variants(session: Session, skus: Sequence[str], *, field: str, refusals: Refusals) -> dict[str, int]:
    """The variants of rows, by SKU; `field` is the rows' in the input, for what is refused."""
    found = await queries.ids_by_sku(session, list(set(skus)))
    for index, sku in enumerate(skus):
        if sku not in found:
            refusals.add(Code.NOT_FOUND, "There is no such SKU.", field, index, "sku")
    return found


async def places(session: Session, codes: Sequence[str]) -> dict[str, int]:
    """Locations by code; unknown ones are left out."""
    found = await locations.by_code(session, list(set(codes)))
    return {code: int(row["id"]) for code, row in found.items()}


async def place(session: Session, code: str, *path: str, refusals: Refusals) -> int | None:
    """One location by code, or a refusal."""
    found = (await places(session, [code])).get(code)
    if found is None:
        refusals.add(Code.NOT_FOUND, "There is no such location.", *path)
    return found


def check_own(actor: Actor, *location_ids: int | None) -> None:
    """A terminal is at one of these locations. Errors: `Denied`."""
    if actor.role is Role.TERMINAL and actor.location_id not in location_ids:
        raise Denied("A terminal writes its own location's stock only.")


def refuse_repeats(rows: Sequence[object], *, field: str, key: str, refusals: Refusals) -> None:
    """Refuse rows that stand twice; `rows` are what tells them apart, `key` the input field that does."""
    seen: set[object] = set()
    for index, row in enumerate(rows):
        if row in seen:
            refusals.add(Code.INVALID, "This stands twice in one call.", field, index, key)
        seen.add(row)
