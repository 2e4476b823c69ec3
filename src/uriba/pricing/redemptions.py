"""Redemptions: a coupon is used with the order that is agreed, never more often than it may be."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from uriba.db import Session
from uriba.pricing.coupons import CouponUsedUp


async def take(session: Session, *, order_id: UUID, customer_id: UUID | None, coupons: Sequence[int]) -> None:
    """Use coupons for an order that is being agreed, all or none. Whoever wants the same coupon waits for the commit.

    Errors: `CouponUsedUp`; the caller's transaction has to end then.
    """
    wanted = sorted(set(coupons))
    if not wanted:
        return
    # Each condition has its own statement: the second sees what those who held the lock before have written.
    taken = await session.fetch(_TAKE, wanted)
    kept = await session.fetch(_KEEP, [row["id"] for row in taken], order_id, customer_id)
    if len(kept) < len(wanted):
        left = set(wanted) - {row["coupon_id"] for row in kept}
        codes = await session.fetchval("SELECT string_agg(code, ', ' ORDER BY id) FROM coupon WHERE id = ANY($1)", left)
        raise CouponUsedUp(f"The coupon {codes} is used up: take it out of the cart to go on.", "cartId")


_TAKE = """
    UPDATE coupon u SET used = u.used + 1 FROM (
        SELECT id FROM coupon WHERE id = ANY($1) AND active AND (usage_limit IS NULL OR used < usage_limit)
        ORDER BY id FOR NO KEY UPDATE
    ) mine WHERE u.id = mine.id RETURNING u.id
"""

_KEEP = """
    INSERT INTO coupon_redemption (coupon_id, order_id, customer_id)
    SELECT u.id, $2, $3 FROM coupon u WHERE u.id = ANY($1)
        AND (u.per_customer_limit IS NULL OR $3::uuid IS NOT NULL AND u.per_customer_limit > (
            SELECT count(*) FROM coupon_redemption r WHERE (r.coupon_id, r.customer_id) = (u.id, $3)
                AND r.reversed_at IS NULL))
    RETURNING coupon_id
"""


async def give_back(session: Session, *, order_id: UUID) -> None:
    """The order came to nothing: its coupons can be used again. Harmless to say twice."""
    await session.run(_GIVE_BACK, order_id)


_GIVE_BACK = """
    WITH reversed AS (
        UPDATE coupon_redemption SET reversed_at = now() WHERE order_id = $1 AND reversed_at IS NULL
        RETURNING coupon_id
    ), mine AS (
        SELECT id FROM coupon WHERE id IN (SELECT coupon_id FROM reversed) ORDER BY id FOR NO KEY UPDATE
    )
    UPDATE coupon u SET used = u.used - 1 FROM mine WHERE u.id = mine.id
"""
