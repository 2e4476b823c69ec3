"""Redemptions that tills report. The sale stands in any case; the redemption is recorded within the coupon's limit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from uriba.db import Session
from uriba.db.statements import statement
from uriba.pricing.coupons import canonical


class OfflineRedemption(NamedTuple):
    """A coupon code that a till has accepted for an order."""

    code: str
    order_id: UUID
    customer_id: UUID | None
    at: datetime


async def record(session: Session, uses: Sequence[OfflineRedemption]) -> list[OfflineRedemption]:
    """Record redemptions, in this order, as far as the limits of their coupons allow; return the others.

    The coupons are locked in one order; other calls with the same coupons wait for the commit.
    """
    if not uses:
        return []
    rows = await session.fetch(
        _RECORD,
        codes=[canonical(use.code) for use in uses],
        order_ids=[use.order_id for use in uses],
        customer_ids=[use.customer_id for use in uses],
        times=[use.at for use in uses],
    )
    recorded = {row["n"] for row in rows}
    return [use for n, use in enumerate(uses, 1) if n not in recorded]


_RECORD = statement("""
    WITH reported AS (
        SELECT DISTINCT ON (code, order_id) *
        FROM unnest(:codes::text[], :order_ids::uuid[], :customer_ids::uuid[], :times::timestamptz[])
            WITH ORDINALITY AS u(code, order_id, customer_id, at, n) ORDER BY code, order_id, n
    ), known AS MATERIALIZED (
        SELECT id, code, usage_limit, used FROM coupon WHERE code = ANY(:codes) ORDER BY id FOR NO KEY UPDATE
    ), counted AS (
        SELECT r.*, k.id, k.usage_limit, k.used, row_number() OVER (PARTITION BY k.id ORDER BY r.n) AS turn
        FROM reported r JOIN known k USING (code)
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
""")
