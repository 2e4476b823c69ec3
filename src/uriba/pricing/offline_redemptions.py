"""Coupons that tills took: it has happened, so the sale stands, whatever the limits say. They are kept within them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from uriba.db import Session
from uriba.pricing.coupons import canonical


class Use(NamedTuple):
    """A code that was taken for an order, as the till says it."""

    code: str
    order_id: UUID
    customer_id: UUID | None
    at: datetime


async def keep(session: Session, uses: Sequence[Use]) -> list[Use]:
    """Keep redemptions, in this order, as far as their coupons' limits allow; those that are not kept.

    Whoever uses the same coupons waits for the commit; they are locked in one order.
    """
    if not uses:
        return []
    kept = await session.fetch(
        _KEEP,
        [canonical(use.code) for use in uses],
        [use.order_id for use in uses],
        [use.customer_id for use in uses],
        [use.at for use in uses],
    )
    counted = {row["n"] for row in kept}
    return [use for n, use in enumerate(uses, 1) if n not in counted]


_KEEP = """
    WITH told AS (
        SELECT DISTINCT ON (code, order_id) * FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::timestamptz[])
            WITH ORDINALITY AS u(code, order_id, customer_id, at, n) ORDER BY code, order_id, n
    ), mine AS MATERIALIZED (
        SELECT id, code, usage_limit, used FROM coupon WHERE code = ANY($1) ORDER BY id FOR NO KEY UPDATE
    ), counted AS (
        SELECT t.*, m.id, m.usage_limit, m.used, row_number() OVER (PARTITION BY m.id ORDER BY t.n) AS turn
        FROM told t JOIN mine m USING (code)
    ), within AS MATERIALIZED (
        SELECT * FROM counted WHERE usage_limit IS NULL OR used + turn <= usage_limit
    ), written AS (
        INSERT INTO coupon_redemption (coupon_id, order_id, customer_id, at)
        SELECT id, order_id, customer_id, at FROM within ORDER BY n
    ), used AS (
        UPDATE coupon c SET used = c.used + w.times FROM (SELECT id, count(*) AS times FROM within GROUP BY id) w
        WHERE c.id = w.id
    )
    SELECT n FROM within
"""
