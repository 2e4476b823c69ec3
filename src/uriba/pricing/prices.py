"""Price lists. Of the prices that are valid now, the one with the narrowest scope applies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import msgspec

from uriba.catalog import channels, locations, queries
from uriba.catalog.events import variant_subject
from uriba.core import money, text
from uriba.core.errors import Code, DomainError, Invalid, NotFound, Refusals
from uriba.core.quantities import check_rows
from uriba.db import Row, Session
from uriba.db.statements import fragment, statement
from uriba.outbox import emit
from uriba.pricing.events import PriceChanged


@dataclass(frozen=True, slots=True)
class PriceRow:
    """A price to create or change. `amount` is in major units; the key is SKU, channel, location and valid_from.

    Moments without a zone are UTC.
    """

    sku: str
    amount: str
    currency: str
    channel: str | None = None
    location: str | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None


async def upsert(session: Session, rows: Sequence[PriceRow]) -> int:
    """Create or change prices, all or none. Unchanged prices emit no event.

    Errors: `NotFound` for SKU, channel or location, `CurrencyMismatch`-coded problems for a currency that is not the
    channel's, `Invalid`, `LimitExceeded` above 1,000 rows.
    """
    check_rows(len(rows), "prices")
    rows = [replace(row, valid_from=_aware(row.valid_from), valid_to=_aware(row.valid_to)) for row in rows]
    known = await _read_references(session, rows)
    refusals = Refusals()
    seen: set[tuple[object, ...]] = set()
    parsed = [_parse(row, index, known, seen, refusals) for index, row in enumerate(rows)]
    refusals.raise_any()
    changed = await session.fetch(_UPSERT, prices=msgspec.json.encode(parsed).decode())
    emit(session, *(PriceChanged(variant_subject(r["id"]), r["events"], {"sku": r["sku"]}) for r in changed))
    return len(rows)


def _aware(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


@dataclass(frozen=True, slots=True)
class _References:
    variants: dict[str, int]
    channels: dict[str, Row]
    locations: dict[str, Row]


async def _read_references(session: Session, rows: Sequence[PriceRow]) -> _References:
    def clean(values: Sequence[str | None]) -> list[str]:
        return list({value for value in values if value and not text.has_control(value)})

    return _References(
        variants=await queries.ids_by_sku(session, clean([row.sku for row in rows])),
        channels=await channels.by_code(session, clean([row.channel for row in rows])),
        locations=await locations.by_code(session, clean([row.location for row in rows])),
    )


def _parse(
    row: PriceRow, index: int, known: _References, seen: set[tuple[object, ...]], refusals: Refusals
) -> dict[str, object]:
    at = ("prices", index)
    key = (row.sku, row.channel, row.location, row.valid_from)
    try:
        if key in seen:
            raise Invalid("This price appears twice in one call.", *at)
        seen.add(key)
        return _to_columns(row, at, known, refusals)
    except DomainError as error:
        refusals.caught(error)
        return {}


def _to_columns(row: PriceRow, at: tuple[str, int], known: _References, refusals: Refusals) -> dict[str, object]:
    if row.sku not in known.variants:
        raise NotFound("There is no such SKU.", *at, "sku")
    if row.channel is not None and row.channel not in known.channels:
        raise NotFound("There is no such channel.", *at, "channel")
    if row.location is not None and row.location not in known.locations:
        raise NotFound("There is no such location.", *at, "location")
    currency = money.check_currency(row.currency, *at, "amount", "currency")
    if row.channel is not None and known.channels[row.channel]["currency"] != currency:
        refusals.add(Code.CURRENCY_MISMATCH, "The channel sells in another currency.", *at, "amount", "currency")
    amount = money.to_minor(row.amount, currency, *at, "amount", "amount")
    if amount < 0:
        raise Invalid("A price must not be negative.", *at, "amount", "amount")
    if row.valid_from and row.valid_to and row.valid_to <= row.valid_from:
        raise Invalid("validTo must be later than validFrom.", *at, "validTo")
    return {
        "variant_id": known.variants[row.sku],
        "channel_id": known.channels[row.channel]["id"] if row.channel is not None else None,
        "location_id": known.locations[row.location]["id"] if row.location is not None else None,
        "amount_minor": amount,
        "currency": currency,
        "valid_from": row.valid_from.isoformat() if row.valid_from else "-infinity",
        "valid_to": row.valid_to.isoformat() if row.valid_to else None,
    }


_UPSERT = statement(f"""
    WITH changed AS (
        INSERT INTO price AS p (variant_id, channel_id, location_id, amount_minor, currency, valid_from, valid_to)
        SELECT variant_id, channel_id, location_id, amount_minor, currency, valid_from, valid_to
        FROM json_to_recordset(:prices::json) AS r(variant_id bigint, channel_id bigint, location_id bigint,
            amount_minor bigint, currency text, valid_from timestamptz, valid_to timestamptz)
        ORDER BY variant_id, channel_id, location_id, valid_from
        ON CONFLICT ON CONSTRAINT uq_price_key DO UPDATE SET amount_minor = excluded.amount_minor,
            currency = excluded.currency, valid_to = excluded.valid_to
        WHERE (p.amount_minor, p.currency, p.valid_to)
            IS DISTINCT FROM (excluded.amount_minor, excluded.currency, excluded.valid_to)
        RETURNING variant_id
    ), {queries.COUNT_VARIANT_EVENTS.format(ids="SELECT variant_id FROM changed")}
    SELECT id, sku, events FROM counted
""")

PRICE_NOW = fragment("""
    SELECT listed.amount_minor FROM price listed
    WHERE listed.variant_id = {variant} AND listed.currency = {currency}
        AND (listed.channel_id = {channel} OR listed.channel_id IS NULL)
        AND (listed.location_id = {location} OR listed.location_id IS NULL)
        AND listed.valid_from <= now() AND (listed.valid_to IS NULL OR listed.valid_to > now())
    ORDER BY listed.location_id NULLS LAST, listed.channel_id NULLS LAST, listed.valid_from DESC LIMIT 1
""")
"""The price that applies now, as a scalar subquery.

A price of channel and location precedes one of the location, then of the channel, then of everywhere. Of two
overlapping spans the one that began later applies. `location`: a terminal's, else null; store prices are for its tills.
"""


async def listed_by_variant(
    session: Session,
    variant_ids: Sequence[int],
    *,
    channel_id: int,
    currency: str,
    location_id: int,
    ended: bool = True,
) -> dict[int, list[Row]]:
    """Return all prices that a store's tills may need, future ones included, by variant, the preferred ones first.

    `ended`: include prices whose time is over.
    """
    by_variant: dict[int, list[Row]] = {variant_id: [] for variant_id in variant_ids}
    rows = await session.fetch(
        _LISTED,
        variant_ids=variant_ids,
        channel_id=channel_id,
        currency=currency,
        location_id=location_id,
        ended=ended,
    )
    for row in rows:
        by_variant[row["variant_id"]].append(row)
    return by_variant


# Times beyond Python's calendar are treated as open ends.
_LISTED = statement("""
    SELECT p.variant_id, p.amount_minor, p.currency, p.channel_id, p.location_id,
        CASE WHEN p.valid_from < '0001-01-02' THEN NULL
            WHEN p.valid_from > '9999-12-30' THEN '9999-12-30'::timestamptz ELSE p.valid_from END AS valid_from,
        CASE WHEN p.valid_to <= '9999-12-30' THEN p.valid_to END AS valid_to, c.code AS channel, s.code AS location
    FROM price p LEFT JOIN channel c ON c.id = p.channel_id LEFT JOIN location s ON s.id = p.location_id
    WHERE p.variant_id = ANY(:variant_ids) AND p.currency = :currency
        AND (:ended OR p.valid_to IS NULL OR p.valid_to > now())
        AND (p.channel_id = :channel_id OR p.channel_id IS NULL)
        AND (p.location_id = :location_id OR p.location_id IS NULL)
    ORDER BY p.variant_id, p.location_id NULLS LAST, p.channel_id NULLS LAST, p.valid_from DESC
""")


def at(listed: Sequence[Row], moment: datetime) -> int | None:
    """Return the price in minor units that was valid at a time, of a variant's prices from `listed_by_variant`."""
    for row in listed:
        begun = row["valid_from"] is None or row["valid_from"] <= moment
        if begun and (row["valid_to"] is None or row["valid_to"] > moment):
            return int(row["amount_minor"])
    return None


async def variants_repriced_since(session: Session, since: datetime | None) -> list[int]:
    """Return the variants with a price whose time began or ended since a moment; none for None."""
    return [row["variant_id"] for row in await session.fetch(_REPRICED_SINCE, since=since)]


_REPRICED_SINCE = statement("""
    SELECT DISTINCT variant_id FROM price
    WHERE valid_from > :since AND valid_from <= now() OR valid_to > :since AND valid_to <= now()
""")


async def now_by_variant(
    session: Session, variant_ids: Sequence[int], *, channel_id: int, currency: str, location_id: int | None
) -> dict[int, int]:
    """Return the present prices in minor units. Variants that the channel does not sell are left out."""
    rows = await session.fetch(
        _NOW, variant_ids=variant_ids, channel_id=channel_id, currency=currency, location_id=location_id
    )
    return {row["variant_id"]: row["amount_minor"] for row in rows}


_NOW = statement("""
    SELECT DISTINCT ON (p.variant_id) p.variant_id, p.amount_minor FROM price p
    WHERE p.variant_id = ANY(:variant_ids) AND p.currency = :currency
        AND (p.channel_id = :channel_id OR p.channel_id IS NULL)
        AND (p.location_id = :location_id OR p.location_id IS NULL)
        AND p.valid_from <= now() AND (p.valid_to IS NULL OR p.valid_to > now())
    ORDER BY p.variant_id, p.location_id NULLS LAST, p.channel_id NULLS LAST, p.valid_from DESC
""")
