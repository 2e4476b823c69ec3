"""Redemptions: the use of coupons by orders, within the coupons' limits."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from uriba.db import Session
from uriba.db.statements import statement
from uriba.pricing.coupons import CouponUsedUp


async def redeem(session: Session, *, order_id: UUID, customer_id: UUID | None, coupons: Sequence[int]) -> None:
    """Redeem coupons for an order, all or none. Other orders with the same coupon wait for the commit.

    Errors: `CouponUsedUp`, after which the transaction has to be rolled back.
    """
    wanted = sorted(set(coupons))
    if not wanted:
        return
    # Two statements, so that the second one sees the redemptions of those who held the locks before.
    counted = await session.fetch(_COUNT_USE, coupon_ids=wanted)
    recorded = await session.fetch(
        _RECORD, coupon_ids=[row["id"] for row in counted], order_id=order_id, customer_id=customer_id
    )
    if len(recorded) < len(wanted):
        refused = set(wanted) - {row["coupon_id"] for row in recorded}
        codes = await session.fetchval(_CODES, coupon_ids=refused)
        raise CouponUsedUp(f"The coupon {codes} has been used up. Remove it from the cart to go on.", "cartId")


_COUNT_USE = statement("""
    UPDATE coupon u SET used = u.used + 1 FROM (
        SELECT id FROM coupon WHERE id = ANY(:coupon_ids) AND active AND (usage_limit IS NULL OR used < usage_limit)
        ORDER BY id FOR NO KEY UPDATE
    ) available WHERE u.id = available.id RETURNING u.id
""")

_RECORD = statement("""
    INSERT INTO coupon_redemption (coupon_id, order_id, customer_id)
    SELECT u.id, :order_id, :customer_id FROM coupon u WHERE u.id = ANY(:coupon_ids)
        AND (u.per_customer_limit IS NULL OR :customer_id::uuid IS NOT NULL AND u.per_customer_limit > (
            SELECT count(*) FROM coupon_redemption r WHERE (r.coupon_id, r.customer_id) = (u.id, :customer_id)
                AND r.reversed_at IS NULL))
    RETURNING coupon_id
""")

_CODES = statement("SELECT string_agg(code, ', ' ORDER BY id) FROM coupon WHERE id = ANY(:coupon_ids)")


async def reverse(session: Session, *, order_id: UUID) -> None:
    """Reverse the redemptions of an order that was not placed or was cancelled. Doing so again changes nothing."""
    await session.run(_REVERSE, order_id=order_id)


_REVERSE = statement("""
    WITH reversed AS (
        UPDATE coupon_redemption SET reversed_at = now() WHERE order_id = :order_id AND reversed_at IS NULL
        RETURNING coupon_id
    ), locked AS (
        SELECT id FROM coupon WHERE id IN (SELECT coupon_id FROM reversed) ORDER BY id FOR NO KEY UPDATE
    )
    UPDATE coupon u SET used = u.used - 1 FROM locked WHERE u.id = locked.id
""")
