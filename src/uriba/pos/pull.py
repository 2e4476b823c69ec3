"""Pull: what a till keeps on its disk, as one stream of states. Whoever applies all of it, in order, has the same.

Without a cursor it begins with every variant, its prices and the store's stock of it; then it follows the feed and
gives the present state of whatever changed. Small sets (taxes, carts, revocations) come whole, whenever they differ
from what the cursor has. A till that was away for very long begins anew: that is shorter than all the changes.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Any

import msgspec

from uriba.catalog import queries
from uriba.core.actor import Actor
from uriba.core.errors import Invalid
from uriba.db import Row, Session
from uriba.inventory.queries import levels_by_key, split_level_key
from uriba.outbox import feed, relay
from uriba.pos.reference_data import terms_of_channel, with_tax
from uriba.pricing import prices
from uriba.pricing.quote import PricingTerms

PAGE_MAX = 1_000
SCANNED_MAX = 5_000
"""Events that one page looks at."""

BEHIND_MAX = 100_000
"""A till that is further behind begins anew."""


class EntryKind(StrEnum):
    """What an entry is about."""

    VARIANT = "VARIANT"
    STOCK = "STOCK"
    TAXES = "TAXES"
    CARTS = "CARTS"
    REVOCATIONS = "REVOCATIONS"


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """How far a till has come: the feed's position, the last variant while it reads all, digests of its sets, and of
    how its channel counts: prices are printed by that."""

    position: int
    variant_id: int | None
    sets: tuple[str, ...] = ("", "", "")
    terms: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """The present state of one thing; it replaces what the till has under this kind and key."""

    kind: EntryKind
    key: str
    row: Row | None = None
    prices: Sequence[Row] = ()
    rows: Sequence[Any] = ()


@dataclass(slots=True)
class Page:
    """Entries in order, where the next page begins, and whether there is more now."""

    entries: list[Entry] = field(default_factory=list)
    cursor: str = ""
    more: bool = False


async def pull(session: Session, *, actor: Actor, cursor: str | None, first: int) -> Page:
    """The next entries for a terminal.

    Errors: `Invalid` for a cursor that is none of ours, or a page outside of 1 to 1,000.
    """
    if not 1 <= first <= PAGE_MAX:
        raise Invalid(f"first is from 1 to {PAGE_MAX:,}.", "first")
    kept = await feed.kept_range(session)
    end = kept.position
    terms = await _terms(session, actor)
    at = _read(cursor) if cursor is not None else Cursor(end, 0, terms=terms)
    if at.position > end:
        raise Invalid("This cursor is ahead of the hub, which was restored: begin anew, without a cursor.", "cursor")
    behind = at.variant_id is None and end - at.position > BEHIND_MAX
    if at.terms != terms or behind or at.position < kept.forgotten:
        at = Cursor(end, 0, at.sets, terms)
    if at.variant_id is not None:
        entries, reached = await _all(session, actor, at.variant_id, max(1, first // 2))
        return Page(entries, _written(Cursor(at.position, reached, at.sets, terms)), more=True)
    entries, position = await _changed(session, actor, at.position, first)
    sets, whole = at.sets, position >= end
    if whole:
        changed, sets, whole = await _sets(session, actor, at.sets, first - len(entries))
        entries += changed
    return Page(entries, _written(Cursor(position, None, sets, terms)), more=not whole)


async def _terms(session: Session, actor: Actor) -> str:
    """A digest of what printed prices depend on besides the price list: which channel it is, and how that counts."""
    if actor.channel_id is None:
        return ""
    terms = await terms_of_channel(session, actor.channel_id)
    rates = {} if terms.prices_include_tax else {name: str(rate) for name, rate in sorted(terms.rates.items())}
    return _digest((actor.channel_id, terms.currency, terms.prices_include_tax, terms.rounding, rates))


def _digest(value: object) -> str:
    return sha256(msgspec.json.encode(value)).hexdigest()[:16]


def _read(cursor: str) -> Cursor:
    try:
        found = msgspec.json.decode(urlsafe_b64decode(cursor.encode("ascii")), type=Cursor)
    except (ValueError, msgspec.MsgspecError):
        raise Invalid("This is not a cursor of this list.", "cursor") from None
    if found.position < 0 or not 0 <= (found.variant_id or 0) < 2**63 or len(found.sets) != len(_SETS):
        raise Invalid("This is not a cursor of this list.", "cursor")
    return found


def _written(cursor: Cursor) -> str:
    return urlsafe_b64encode(msgspec.json.encode(cursor)).decode()


async def _all(session: Session, actor: Actor, after: int, limit: int) -> tuple[list[Entry], int | None]:
    """Variants with their stock, by id; where to go on, None at the end."""
    rows = await session.fetch(
        f"SELECT {queries.VARIANT} FROM variant v WHERE v.id > $1 ORDER BY v.id LIMIT $2", after, limit
    )
    ids = [row["id"] for row in rows]
    entries = await _variants(session, actor, ids) + await _stock(session, actor, ids)
    return entries, ids[-1] if len(rows) == limit else None


async def _changed(session: Session, actor: Actor, after: int, limit: int) -> tuple[list[Entry], int]:
    """What changed after a position, each thing once, as it is now; how far that goes."""
    variants: dict[int, None] = {}
    stocked: dict[int, None] = {}
    position = after
    for event in await relay.subjects(session, after=after, limit=SCANNED_MAX):
        kind, _, key = event["subject"].partition(":")
        if kind == "Variant":
            variants[int(key)] = None
        elif kind == "StockLevel":
            variant_id, location_id = split_level_key(key)
            if location_id == actor.location_id:
                stocked[variant_id] = None
        position = event["position"]
        if len(variants) + len(stocked) >= limit:
            break
    entries = await _variants(session, actor, list(variants)) + await _stock(session, actor, list(stocked))
    return entries, position


async def _variants(session: Session, actor: Actor, ids: Sequence[int]) -> list[Entry]:
    if not ids:
        return []
    rows = await queries.variants_by_id(session, ids)
    if actor.channel_id is None or actor.location_id is None:
        return [Entry(EntryKind.VARIANT, rows[i]["sku"], rows[i]) for i in ids if i in rows]
    terms = await terms_of_channel(session, actor.channel_id)
    listed = await prices.listed_by_variant(
        session,
        ids,
        channel_id=actor.channel_id,
        currency=terms.currency,
        location_id=actor.location_id,
        ended=False,
    )
    return [
        Entry(EntryKind.VARIANT, rows[i]["sku"], rows[i], [_printed(p, rows[i], terms) for p in listed[i]])
        for i in ids
        if i in rows
    ]


def _printed(listed: Row, variant: Row, terms: PricingTerms) -> Row:
    """A price as a till prints it: with its tax."""
    return {**listed, "amount_minor": with_tax(listed["amount_minor"], variant["tax_class"], terms)}


async def _stock(session: Session, actor: Actor, ids: Sequence[int]) -> list[Entry]:
    if not ids:
        return []
    assert actor.location_id is not None
    levels = await levels_by_key(session, [(variant_id, actor.location_id) for variant_id in ids])
    skus = await queries.variants_by_id(session, ids)
    return [Entry(EntryKind.STOCK, skus[v]["sku"], levels[v, at]) for v, at in sorted(levels) if v in skus]


async def _sets(
    session: Session, actor: Actor, known: Sequence[str], room: int
) -> tuple[list[Entry], tuple[str, ...], bool]:
    """The sets that are not as the till has them, as many as there is room for; the digests of what it has then, and
    whether those are all."""
    entries: list[Entry] = []
    digests, whole = [], True
    for (kind, sql), before in zip(_SETS.items(), known, strict=True):
        by_channel = kind is EntryKind.TAXES
        rows = await session.fetch(sql, actor.channel_id if by_channel else actor.location_id)
        values = [dict(row) for row in rows]
        digest = _digest(values)
        if digest != before and len(entries) == room:
            digest, whole = before, False
        elif digest != before:
            entries.append(Entry(kind, kind.lower(), rows=values))
        digests.append(digest)
    return entries, tuple(digests), whole


_SETS = {
    EntryKind.TAXES: "SELECT tax_class, trim_scale(rate)::text AS rate FROM tax_rate WHERE channel_id = $1 ORDER BY 1",
    EntryKind.CARTS: """
        SELECT c.id, c.version, (SELECT coalesce(sum(quantity), 0)::bigint FROM cart_line l WHERE l.cart_id = c.id)
            AS quantity FROM cart c WHERE c.location_id = $1 AND c.status = 'ACTIVE' ORDER BY c.id
    """,
    EntryKind.REVOCATIONS: """
        SELECT id FROM access_key WHERE location_id = $1 AND revoked_at IS NOT NULL ORDER BY id
    """,
}
"""The small sets, each whole. Their key is the kind itself: a till has one of each."""
