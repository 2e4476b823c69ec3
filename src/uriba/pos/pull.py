"""Pull: the goods, prices and stock that a till stores, as one stream of entries to apply in order.

Without a cursor the stream starts with every variant, its prices and the store's stock of it. Then it follows the feed
and returns the present state of everything that has changed. Small sets (taxes, carts, revocations) are returned whole
whenever they differ from those of the cursor. A till that is very far behind starts again, which is less to read.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Any

import msgspec

from uriba.access import keys
from uriba.cart import queries as carts
from uriba.catalog import channels, queries
from uriba.core.actor import Actor
from uriba.core.errors import Invalid
from uriba.db import Row, Session
from uriba.inventory.queries import level_of_subject, levels_by_key
from uriba.outbox import feed, relay
from uriba.pos.reference_data import terms_of_channel, with_tax
from uriba.pricing import prices
from uriba.pricing.quote import PricingTerms

PAGE_MAX = 1_000
SCANNED_MAX = 5_000
"""Events of the feed that are read for one page."""

BEHIND_MAX = 100_000
"""A till that is more events behind starts again."""


class PullEntryKind(StrEnum):
    """The kinds of entries."""

    VARIANT = "VARIANT"
    STOCK = "STOCK"
    TAXES = "TAXES"
    CARTS = "CARTS"
    REVOCATIONS = "REVOCATIONS"


class PullCursor(msgspec.Struct, frozen=True, array_like=True):
    """A till's position in the stream.

    position: in the feed. variant_id: the last variant read so far, None after the initial reading. sets: digests of
    the small sets. terms: a digest of the channel's terms, which printed prices depend on.
    """

    position: int
    variant_id: int | None
    sets: tuple[str, ...] = ("", "", "")
    terms: str = ""


@dataclass(frozen=True, slots=True)
class PullEntry:
    """The present state of one thing, which replaces the till's entry of this kind and key.

    row, prices: of a variant or a level. rows: of a set.
    """

    kind: PullEntryKind
    key: str
    row: Row | None = None
    prices: Sequence[Row] = ()
    rows: Sequence[Any] = ()


@dataclass(slots=True)
class PullPage:
    """Entries in order, the cursor of the next page, and whether there is more now."""

    entries: list[PullEntry] = field(default_factory=list)
    cursor: str = ""
    more: bool = False


async def pull(session: Session, *, actor: Actor, cursor: str | None, first: int) -> PullPage:
    """Return the next entries for a terminal.

    Errors: `Invalid` for a cursor that is not of this hub, or a page size outside 1 to 1,000.
    """
    if not 1 <= first <= PAGE_MAX:
        raise Invalid(f"first is from 1 to {PAGE_MAX:,}.", "first")
    kept = await feed.kept_range(session)
    end = kept.position
    terms = await _terms_digest(session, actor)
    at = _decode(cursor) if cursor is not None else PullCursor(end, 0, terms=terms)
    if at.position > end:
        raise Invalid("This cursor is ahead of the hub, which was restored. Pull again without a cursor.", "cursor")
    behind = at.variant_id is None and end - at.position > BEHIND_MAX
    if at.terms != terms or behind or at.position < kept.forgotten:
        at = PullCursor(end, 0, at.sets, terms)
    if at.variant_id is not None:
        entries, reached = await _initial_entries(session, actor, at.variant_id, max(1, first // 2))
        return PullPage(entries, _encode(PullCursor(at.position, reached, at.sets, terms)), more=True)
    entries, position = await _changed_entries(session, actor, at.position, first)
    sets, complete = at.sets, position >= end
    if complete:
        changed, sets, complete = await _changed_sets(session, actor, at.sets, first - len(entries))
        entries += changed
    return PullPage(entries, _encode(PullCursor(position, None, sets, terms)), more=not complete)


async def _terms_digest(session: Session, actor: Actor) -> str:
    """Return a digest of what printed prices depend on besides the price list: the channel and its tax rules."""
    if actor.channel_id is None:
        return ""
    terms = await terms_of_channel(session, actor.channel_id)
    rates = {} if terms.prices_include_tax else {name: str(rate) for name, rate in sorted(terms.rates.items())}
    return _digest((actor.channel_id, terms.currency, terms.prices_include_tax, terms.rounding, rates))


def _digest(value: object) -> str:
    return sha256(msgspec.json.encode(value)).hexdigest()[:16]


def _decode(cursor: str) -> PullCursor:
    try:
        found = msgspec.json.decode(urlsafe_b64decode(cursor.encode("ascii")), type=PullCursor)
    except (ValueError, msgspec.MsgspecError):
        raise Invalid("This is not a cursor of this list. Pull again without a cursor.", "cursor") from None
    if found.position < 0 or not 0 <= (found.variant_id or 0) < 2**63 or len(found.sets) != len(_SETS):
        raise Invalid("This is not a cursor of this list. Pull again without a cursor.", "cursor")
    return found


def _encode(cursor: PullCursor) -> str:
    return urlsafe_b64encode(msgspec.json.encode(cursor)).decode()


async def _initial_entries(
    session: Session, actor: Actor, after: int, limit: int
) -> tuple[list[PullEntry], int | None]:
    """Return variants by id with their stock, and the id to continue after, None at the end."""
    ids = await queries.variant_ids_after(session, after, limit=limit)
    entries = await _variants(session, actor, ids) + await _stock(session, actor, ids)
    return entries, ids[-1] if len(ids) == limit else None


async def _changed_entries(session: Session, actor: Actor, after: int, limit: int) -> tuple[list[PullEntry], int]:
    """Return the present state of what has changed since a position, each thing once, and the position reached."""
    variants: dict[int, None] = {}
    stocked: dict[int, None] = {}
    position = after
    for event in await relay.subjects(session, after=after, limit=SCANNED_MAX):
        kind, _, key = event["subject"].partition(":")
        if kind == "Variant":
            variants[int(key)] = None
        elif (level := level_of_subject(event["subject"])) is not None and level[1] == actor.location_id:
            stocked[level[0]] = None
        position = event["position"]
        if len(variants) + len(stocked) >= limit:
            break
    entries = await _variants(session, actor, list(variants)) + await _stock(session, actor, list(stocked))
    return entries, position


async def _variants(session: Session, actor: Actor, ids: Sequence[int]) -> list[PullEntry]:
    if not ids:
        return []
    rows = await queries.variants_by_id(session, ids)
    if actor.channel_id is None or actor.location_id is None:
        return [PullEntry(PullEntryKind.VARIANT, rows[i]["sku"], rows[i]) for i in ids if i in rows]
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
        PullEntry(
            PullEntryKind.VARIANT, rows[i]["sku"], rows[i], [_printed_price(p, rows[i], terms) for p in listed[i]]
        )
        for i in ids
        if i in rows
    ]


def _printed_price(listed: Row, variant: Row, terms: PricingTerms) -> Row:
    """Return a listed price with tax included, as a till prints it."""
    return {**listed, "amount_minor": with_tax(listed["amount_minor"], variant["tax_class"], terms)}


async def _stock(session: Session, actor: Actor, ids: Sequence[int]) -> list[PullEntry]:
    if not ids:
        return []
    assert actor.location_id is not None
    levels = await levels_by_key(session, [(variant_id, actor.location_id) for variant_id in ids])
    skus = await queries.variants_by_id(session, ids)
    return [PullEntry(PullEntryKind.STOCK, skus[v]["sku"], levels[v, at]) for v, at in sorted(levels) if v in skus]


async def _changed_sets(
    session: Session, actor: Actor, known: Sequence[str], room: int
) -> tuple[list[PullEntry], tuple[str, ...], bool]:
    """Return the sets that differ from the till's, as many as there is room for.

    Also the digests of the sets that the till has then, and whether that is all of them.
    """
    entries: list[PullEntry] = []
    digests, complete = [], True
    for (kind, read), before in zip(_SETS.items(), known, strict=True):
        values = [dict(row) for row in await read(session, actor)]
        digest = _digest(values)
        if digest != before and len(entries) == room:
            digest, complete = before, False
        elif digest != before:
            entries.append(PullEntry(kind, kind.lower(), rows=values))
        digests.append(digest)
    return entries, tuple(digests), complete


async def _taxes(session: Session, actor: Actor) -> Sequence[Row]:
    return [] if actor.channel_id is None else await channels.tax_rates(session, actor.channel_id)


async def _carts(session: Session, actor: Actor) -> Sequence[Row]:
    return [] if actor.location_id is None else await carts.active_at_location(session, actor.location_id)


async def _revocations(session: Session, actor: Actor) -> Sequence[Row]:
    return [] if actor.location_id is None else await keys.revoked_at_location(session, actor.location_id)


_SETS: dict[PullEntryKind, Callable[[Session, Actor], Awaitable[Sequence[Row]]]] = {
    PullEntryKind.TAXES: _taxes,
    PullEntryKind.CARTS: _carts,
    PullEntryKind.REVOCATIONS: _revocations,
}
"""The small sets, each returned whole. The key of their entry is the kind: a till has one of each."""
