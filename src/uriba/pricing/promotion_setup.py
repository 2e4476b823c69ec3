"""Creating, changing and reading promotions, for staff."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from uriba.catalog import channels, queries
from uriba.core import text
from uriba.core.errors import Code, DomainError, Invalid, LimitExceeded, Refusals
from uriba.core.quantities import check_rows
from uriba.db import Row, Session
from uriba.db.statements import fragment, statement
from uriba.pricing import promotion_input
from uriba.pricing.promotion_candidates import AUTOMATIC_MAX
from uriba.pricing.promotion_input import PromotionInput

SKUS_OF_CALL_MAX = 50_000
"""SKUs that the promotions of one call may list in total."""


async def upsert(session: Session, rows: Sequence[PromotionInput]) -> int:
    """Create or change promotions by code, all or none.

    Errors: those of `promotion_input.to_columns`, `NotFound` for channels and SKUs, CURRENCY_MISMATCH for a channel of
    another currency, `LimitExceeded` above 1,000 rows, 50,000 SKUs, or 200 promotions of a channel without coupon.
    """
    check_rows(len(rows), "promotions")
    listed = sum(len(row.items.skus) + len(row.rewards.skus) for row in rows)
    check_rows(listed, "promotions", rows_max=SKUS_OF_CALL_MAX)
    refusals = Refusals()
    seen: set[str] = set()
    parsed = [_parse(row, index, seen, refusals) for index, row in enumerate(rows)]
    await _set_channels(session, rows, parsed, refusals)
    variants = await _variants(session, rows, refusals)
    refusals.raise_any()
    # Serialized, so that the variants of a promotion are those of one call.
    await session.run(_LOCK)
    written = await session.fetch(_UPSERT, promotions=msgspec.json.encode(parsed).decode())
    await _list_variants(session, rows, {row["code"]: row["id"] for row in written}, variants)
    if any(not row.needs_coupon for row in rows):
        await _refuse_too_many(session)
    return len(rows)


_LOCK = statement("SELECT pg_advisory_xact_lock(hashtext('uriba.promotions'))")


def _parse(row: PromotionInput, index: int, seen: set[str], refusals: Refusals) -> dict[str, object]:
    at = ("promotions", index)
    try:
        columns = promotion_input.to_columns(row, *at)
        if str(columns["code"]) in seen:
            raise Invalid("This promotion appears twice in one call.", *at, "code")
        seen.add(str(columns["code"]))
        return columns
    except DomainError as error:
        refusals.caught(error)
        return {}


async def _set_channels(
    session: Session, rows: Sequence[PromotionInput], parsed: Sequence[dict[str, object]], refusals: Refusals
) -> None:
    """Set the ids of each promotion's channels, which must have its currency."""
    codes = {code for row in rows for code in row.channels or () if not text.has_control(code)}
    known = await channels.by_code(session, list(codes))
    for index, (row, columns) in enumerate(zip(rows, parsed, strict=True)):
        for n, code in enumerate(row.channels or ()):
            at = ("promotions", index, "channels", n)
            if code not in known:
                refusals.add(Code.NOT_FOUND, "There is no such channel.", *at)
            elif columns.get("currency") not in (None, known[code]["currency"]):
                refusals.add(Code.CURRENCY_MISMATCH, "The channel sells in another currency.", *at)
        ids = None if row.channels is None else [known[code]["id"] for code in row.channels if code in known]
        columns["channel_ids"] = ids


async def _variants(session: Session, rows: Sequence[PromotionInput], refusals: Refusals) -> dict[str, int]:
    """Return the variants of all listed SKUs."""
    places = [
        (sku, ("promotions", index, field, "skus", n))
        for index, row in enumerate(rows)
        for field, goods in (("items", row.items), ("rewards", row.rewards))
        for n, sku in enumerate(goods.skus)
    ]
    variant_ids = await queries.ids_by_sku(session, list({sku for sku, _ in places if not text.has_control(sku)}))
    for sku, at in places:
        if sku not in variant_ids:
            refusals.add(Code.NOT_FOUND, "There is no such SKU.", *at)
    return variant_ids


async def _list_variants(
    session: Session, rows: Sequence[PromotionInput], ids: Mapping[str, int], variants: Mapping[str, int]
) -> None:
    """Write the variants of each promotion; unchanged rows are not touched."""
    items = sorted(
        {
            (variants[sku], ids[row.code.strip()], reward)
            for row in rows
            for reward, goods in ((False, row.items), (True, row.rewards))
            for sku in goods.skus
        }
    )
    variant_ids, promotion_ids, rewards = [list(column) for column in zip(*items, strict=True)] or [[], [], []]
    await session.run(
        _DELETE_ITEMS,
        changed_ids=list(ids.values()),
        variant_ids=variant_ids,
        promotion_ids=promotion_ids,
        rewards=rewards,
    )
    await session.run(_INSERT_ITEMS, variant_ids=variant_ids, promotion_ids=promotion_ids, rewards=rewards)


async def _refuse_too_many(session: Session) -> None:
    channel = await session.fetchval(_CHANNEL_ABOVE_LIMIT, promotions_max=AUTOMATIC_MAX)
    if channel is not None:
        sentence = f"{channel} would have more than {AUTOMATIC_MAX} current promotions without a coupon."
        raise LimitExceeded(sentence, "promotions")


_COLUMNS = """code, name, effect, percent, amount_minor, currency, buy_units, get_units, categories, brands,
    names_variants, reward_categories, reward_brands, reward_names_variants, min_minor, min_units, max_minor, max_units,
    channel_ids, valid_from, valid_to, priority, stacking, stacking_group, needs_coupon, active"""

_SET = ", ".join(f"{name.strip()} = excluded.{name.strip()}" for name in _COLUMNS.split(",")[1:])

_UPSERT = statement(f"""
    INSERT INTO promotion ({_COLUMNS})
    SELECT {_COLUMNS} FROM json_to_recordset(:promotions::json) AS r(code text, name text, effect text, percent bigint,
        amount_minor bigint, currency text, buy_units bigint, get_units bigint, categories text[], brands text[],
        names_variants boolean, reward_categories text[], reward_brands text[], reward_names_variants boolean,
        min_minor bigint, min_units bigint, max_minor bigint, max_units bigint, channel_ids bigint[],
        valid_from timestamptz, valid_to timestamptz, priority bigint, stacking text, stacking_group text,
        needs_coupon boolean, active boolean)
    ON CONFLICT (code) DO UPDATE SET {_SET} RETURNING id, code
""")

_DELETE_ITEMS = statement("""
    DELETE FROM promotion_item i WHERE i.promotion_id = ANY(:changed_ids) AND NOT EXISTS (
        SELECT FROM unnest(:variant_ids::bigint[], :promotion_ids::bigint[], :rewards::boolean[])
            AS n(variant_id, promotion_id, reward)
        WHERE (n.variant_id, n.promotion_id, n.reward) = (i.variant_id, i.promotion_id, i.reward))
""")

_INSERT_ITEMS = statement("""
    INSERT INTO promotion_item (variant_id, promotion_id, reward)
    SELECT * FROM unnest(:variant_ids::bigint[], :promotion_ids::bigint[], :rewards::boolean[]) ON CONFLICT DO NOTHING
""")

_CHANNEL_ABOVE_LIMIT = statement("""
    SELECT c.name FROM channel c JOIN promotion m ON (m.channel_ids IS NULL OR c.id = ANY(m.channel_ids))
        AND (m.currency IS NULL OR m.currency = c.currency)
    WHERE m.active AND NOT m.needs_coupon AND (m.valid_to IS NULL OR m.valid_to > now())
    GROUP BY c.id, c.name HAVING count(*) > :promotions_max LIMIT 1
""")

_PROMOTION = fragment(f"""
    SELECT m.id, {", ".join(f"m.{name.strip()}" for name in _COLUMNS.split(","))}, (
        SELECT array_agg(c.code ORDER BY c.code) FROM channel c WHERE c.id = ANY(m.channel_ids)
    ) AS channels, (
        SELECT count(*) FROM promotion_item i WHERE i.promotion_id = m.id AND NOT i.reward
    ) AS skus_named, (
        SELECT count(*) FROM promotion_item i WHERE i.promotion_id = m.id AND i.reward
    ) AS rewards_named
    FROM promotion m
""")


async def page(session: Session, *, first: int, after: int | None) -> list[Row]:
    """Return promotions by age, at most one more than `first`."""
    return await session.fetch(_PAGE, after=after or 0, limit=first + 1)


_PAGE = statement(f"{_PROMOTION} WHERE m.id > :after ORDER BY m.id LIMIT :limit")


async def by_code(session: Session, code: str) -> Row | None:
    """Return a promotion by its code."""
    return await session.fetchrow(_BY_CODE, code=code.strip())


_BY_CODE = statement(f"{_PROMOTION} WHERE m.code = :code")


async def variants_of(session: Session, promotion_id: int, *, reward: bool, first: int, after: int | None) -> list[Row]:
    """Return the variants that a promotion lists, at most one more than `first`."""
    return await session.fetch(_VARIANTS, promotion_id=promotion_id, reward=reward, after=after or 0, limit=first + 1)


_VARIANTS = statement(f"""
    SELECT {queries.VARIANT} FROM promotion_item i JOIN variant v ON v.id = i.variant_id
    WHERE i.promotion_id = :promotion_id AND i.reward = :reward AND i.variant_id > :after
    ORDER BY i.variant_id LIMIT :limit
""")
