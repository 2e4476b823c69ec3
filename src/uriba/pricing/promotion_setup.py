"""Campaigns: promotions are made, changed and read by those who run them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from uriba.catalog import channels, queries
from uriba.core import text
from uriba.core.errors import Code, DomainError, Invalid, LimitExceeded, Refusals
from uriba.core.quantities import check_rows
from uriba.db import Row, Session
from uriba.pricing import promotion_input
from uriba.pricing.promotion_candidates import AUTOMATIC_MAX
from uriba.pricing.promotion_input import PromotionInput

SKUS_OF_CALL_MAX = 50_000
"""SKUs that all promotions of one call may name together."""


async def upsert(session: Session, rows: Sequence[PromotionInput]) -> int:
    """Make or change promotions by code, all or none.

    Errors: those of `terms.checked`, `NotFound` for channels and SKUs, `CurrencyMismatch`-coded problems for a channel
    of another currency, `LimitExceeded` above 1,000 rows, 50,000 SKUs, or 200 promotions of a channel without coupon.
    """
    check_rows(len(rows), "promotions")
    named = sum(len(row.items.skus) + len(row.rewards.skus) for row in rows)
    check_rows(named, "promotions", rows_max=SKUS_OF_CALL_MAX)
    refusals = Refusals()
    seen: set[str] = set()
    parsed = [_parse(row, index, seen, refusals) for index, row in enumerate(rows)]
    await _place(session, rows, parsed, refusals)
    variants = await _variants(session, rows, refusals)
    refusals.raise_any()
    # Two calls at once take turns: what a promotion names is one call's, whole.
    await session.run("SELECT pg_advisory_xact_lock(hashtext('uriba.promotions'))")
    written = await session.fetch(_UPSERT, msgspec.json.encode(parsed).decode())
    await _name(session, rows, {row["code"]: row["id"] for row in written}, variants)
    if any(not row.needs_coupon for row in rows):
        await _refuse_too_many(session)
    return len(rows)


def _parse(row: PromotionInput, index: int, seen: set[str], refusals: Refusals) -> dict[str, object]:
    at = ("promotions", index)
    try:
        found = promotion_input.checked(row, *at)
        if str(found["code"]) in seen:
            raise Invalid("This promotion stands twice in one call.", *at, "code")
        seen.add(str(found["code"]))
        return found
    except DomainError as error:
        refusals.caught(error)
        return {}


async def _place(
    session: Session, rows: Sequence[PromotionInput], parsed: Sequence[dict[str, object]], refusals: Refusals
) -> None:
    """Say in which channels each promotion is, which are all of its currency."""
    codes = {code for row in rows for code in row.channels or () if not text.has_control(code)}
    known = await channels.by_code(session, list(codes))
    for index, (row, found) in enumerate(zip(rows, parsed, strict=True)):
        for n, code in enumerate(row.channels or ()):
            at = ("promotions", index, "channels", n)
            if code not in known:
                refusals.add(Code.NOT_FOUND, "There is no such channel.", *at)
            elif found.get("currency") not in (None, known[code]["currency"]):
                refusals.add(Code.CURRENCY_MISMATCH, "The channel sells in another currency.", *at)
        ids = None if row.channels is None else [known[code]["id"] for code in row.channels if code in known]
        found["channel_ids"] = ids


async def _variants(session: Session, rows: Sequence[PromotionInput], refusals: Refusals) -> dict[str, int]:
    """The variants of all SKUs that are named."""
    places = [
        (sku, ("promotions", index, field, "skus", n))
        for index, row in enumerate(rows)
        for field, goods in (("items", row.items), ("rewards", row.rewards))
        for n, sku in enumerate(goods.skus)
    ]
    found = await queries.ids_by_sku(session, list({sku for sku, _ in places if not text.has_control(sku)}))
    for sku, at in places:
        if sku not in found:
            refusals.add(Code.NOT_FOUND, "There is no such SKU.", *at)
    return found


async def _name(
    session: Session, rows: Sequence[PromotionInput], ids: Mapping[str, int], variants: Mapping[str, int]
) -> None:
    """Write which variants each promotion names; what stays is left alone."""
    named = sorted(
        {
            (variants[sku], ids[row.code.strip()], reward)
            for row in rows
            for reward, goods in ((False, row.items), (True, row.rewards))
            for sku in goods.skus
        }
    )
    columns = [list(column) for column in zip(*named, strict=True)] or [[], [], []]
    await session.run(_FORGET, list(ids.values()), *columns)
    await session.run(_NAME, *columns)


async def _refuse_too_many(session: Session) -> None:
    crowded = await session.fetchval(_CROWDED, AUTOMATIC_MAX)
    if crowded is not None:
        sentence = f"{crowded} would have more than {AUTOMATIC_MAX} promotions without a coupon that are not over."
        raise LimitExceeded(sentence, "promotions")


_COLUMNS = """code, name, effect, percent, amount_minor, currency, buy_units, get_units, categories, brands,
    names_variants, reward_categories, reward_brands, reward_names_variants, min_minor, min_units, max_minor, max_units,
    channel_ids, valid_from, valid_to, priority, stacking, stacking_group, needs_coupon, active"""

_SET = ", ".join(f"{name.strip()} = excluded.{name.strip()}" for name in _COLUMNS.split(",")[1:])

_UPSERT = f"""
    INSERT INTO promotion ({_COLUMNS})
    SELECT {_COLUMNS} FROM json_to_recordset($1::json) AS r(code text, name text, effect text, percent bigint,
        amount_minor bigint, currency text, buy_units bigint, get_units bigint, categories text[], brands text[],
        names_variants boolean, reward_categories text[], reward_brands text[], reward_names_variants boolean,
        min_minor bigint, min_units bigint, max_minor bigint, max_units bigint, channel_ids bigint[],
        valid_from timestamptz, valid_to timestamptz, priority bigint, stacking text, stacking_group text,
        needs_coupon boolean, active boolean)
    ON CONFLICT (code) DO UPDATE SET {_SET} RETURNING id, code
"""

_FORGET = """
    DELETE FROM promotion_item i WHERE i.promotion_id = ANY($1) AND NOT EXISTS (
        SELECT FROM unnest($2::bigint[], $3::bigint[], $4::boolean[]) AS n(variant_id, promotion_id, reward)
        WHERE (n.variant_id, n.promotion_id, n.reward) = (i.variant_id, i.promotion_id, i.reward))
"""

_NAME = """
    INSERT INTO promotion_item (variant_id, promotion_id, reward)
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::boolean[]) ON CONFLICT DO NOTHING
"""

_CROWDED = """
    SELECT c.name FROM channel c JOIN promotion m ON (m.channel_ids IS NULL OR c.id = ANY(m.channel_ids))
        AND (m.currency IS NULL OR m.currency = c.currency)
    WHERE m.active AND NOT m.needs_coupon AND (m.valid_to IS NULL OR m.valid_to > now())
    GROUP BY c.id, c.name HAVING count(*) > $1 LIMIT 1
"""

_SHOWN = f"""
    SELECT m.id, {", ".join(f"m.{name.strip()}" for name in _COLUMNS.split(","))}, (
        SELECT array_agg(c.code ORDER BY c.code) FROM channel c WHERE c.id = ANY(m.channel_ids)
    ) AS channels, (
        SELECT count(*) FROM promotion_item i WHERE i.promotion_id = m.id AND NOT i.reward
    ) AS skus_named, (
        SELECT count(*) FROM promotion_item i WHERE i.promotion_id = m.id AND i.reward
    ) AS rewards_named
    FROM promotion m
"""


async def some(session: Session, *, first: int, after: int | None) -> list[Row]:
    """Promotions by age, one more than asked for."""
    return await session.fetch(f"{_SHOWN} WHERE m.id > $1 ORDER BY m.id LIMIT $2", after or 0, first + 1)


async def by_code(session: Session, code: str) -> Row | None:
    return await session.fetchrow(f"{_SHOWN} WHERE m.code = $1", code.strip())


async def named(session: Session, promotion_id: int, *, reward: bool, first: int, after: int | None) -> list[Row]:
    """Variants that a promotion names, one more than asked for."""
    return await session.fetch(
        f"SELECT {queries.VARIANT} FROM promotion_item i JOIN variant v ON v.id = i.variant_id "
        "WHERE i.promotion_id = $1 AND i.reward = $2 AND i.variant_id > $3 ORDER BY i.variant_id LIMIT $4",
        promotion_id,
        reward,
        after or 0,
        first + 1,
    )
