"""Lookups for callers that name variants by SKU and locations by code, and checks of what they give."""

from __future__ import annotations

from collections.abc import Sequence

from uriba.catalog import locations, queries
from uriba.core import text
from uriba.core.actor import Actor, Role
from uriba.core.errors import Code, Denied, Invalid, NotFound, Refusals
from uriba.core.quantities import check_rows
from uriba.db import Session
from uriba.inventory import ledger

SUBSCRIBED_SKUS_MAX = 100


async def variant_ids(
    session: Session, skus: Sequence[str], *path: str, field: str, refusals: Refusals
) -> dict[str, int]:
    """Return variants by SKU, and refuse unknown ones.

    `field`: the input field of the rows, `path`: the field of a row that has the SKU, both for the paths of errors.
    """
    found = await queries.ids_by_sku(session, [sku for sku in set(skus) if not text.has_control(sku)])
    for index, sku in enumerate(skus):
        if sku not in found:
            refusals.add(Code.NOT_FOUND, "There is no such SKU.", field, index, *path)
    return found


async def location_ids(session: Session, codes: Sequence[str]) -> dict[str, int]:
    """Return locations by code; unknown ones are left out."""
    found = await locations.by_code(session, [code for code in set(codes) if not text.has_control(code)])
    return {code: int(row["id"]) for code, row in found.items()}


async def location_id(session: Session, code: str, *path: str, refusals: Refusals) -> int | None:
    """Return one location by code, or refuse it."""
    found = (await location_ids(session, [code])).get(code)
    if found is None:
        refusals.add(Code.NOT_FOUND, "There is no such location.", *path)
    return found


async def open_levels(
    session: Session, actor: Actor, names: Sequence[tuple[str, str]], *, field: str, refusals: Refusals
) -> list[tuple[int, int]]:
    """Return the (variant, location) of each (SKU, location code), and create missing levels.

    Errors: what was refused before, `NotFound`, `Denied` for a terminal of another location.
    """
    variants = await variant_ids(session, [sku for sku, _ in names], "sku", field=field, refusals=refusals)
    places = await location_ids(session, [code for _, code in names])
    for index, (_, code) in enumerate(names):
        if code not in places:
            refusals.add(Code.NOT_FOUND, "There is no such location.", field, index, "location")
        else:
            check_terminal_location(actor, places[code])
    refusals.raise_any()
    levels = [(variants[sku], places[code]) for sku, code in names]
    await ledger.open_levels(session, levels)
    return levels


async def filter_keys(
    session: Session, *, location: str | None, skus: Sequence[str] | None
) -> tuple[list[int] | None, int | None]:
    """Return the variants and the location of a filter, None for what it leaves open. Unknown SKUs match nothing.

    Errors: `NotFound` for the location, `LimitExceeded` above 1,000 SKUs.
    """
    check_rows(len(skus or ()), "skus")
    variants = list((await queries.ids_by_sku(session, skus)).values()) if skus is not None else None
    if location is None:
        return variants, None
    found = (await location_ids(session, [location])).get(location)
    if found is None:
        raise NotFound("There is no such location.", "location")
    return variants, found


async def subscribed_variant_ids(session: Session, skus: Sequence[str]) -> list[int]:
    """Return the variants that a subscription names.

    Errors: `Invalid` unless there are 1 to 100 SKUs, `NotFound` for each unknown one, which would never have an event.
    """
    if not 1 <= len(skus) <= SUBSCRIBED_SKUS_MAX:
        raise Invalid(f"Give 1 to {SUBSCRIBED_SKUS_MAX} SKUs.", "skus")
    refusals = Refusals()
    found = await variant_ids(session, skus, field="skus", refusals=refusals)
    refusals.raise_any()
    return list(found.values())


def check_terminal_location(actor: Actor, *allowed: int | None) -> None:
    """Check that a terminal belongs to one of these locations. Errors: `Denied`."""
    if actor.role is Role.TERMINAL and actor.location_id not in allowed:
        raise Denied("A terminal can change the stock of its own location only.")


def refuse_duplicates(rows: Sequence[object], *path: str, field: str, refusals: Refusals) -> None:
    """Refuse rows that occur before. `rows`: what distinguishes them; `path`: the input fields of a row that do."""
    seen: set[object] = set()
    for index, row in enumerate(rows):
        if row in seen:
            refusals.add(Code.INVALID, "This occurs twice in one call.", field, index, *path)
        seen.add(row)
