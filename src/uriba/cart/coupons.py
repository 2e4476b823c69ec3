"""Coupons of a cart: given by whoever holds the cart, judged whenever it is priced."""

from __future__ import annotations

from uuid import UUID

from uriba.cart import carts, queries
from uriba.cart.carts import Earlier
from uriba.cart.errors import CartNotFound
from uriba.cart.models import CartStatus
from uriba.cart.view import CartView
from uriba.core.actor import Actor
from uriba.core.errors import LimitExceeded, NotFound
from uriba.db import Session, idempotency
from uriba.db.idempotency import Claim
from uriba.outbox import emit
from uriba.pricing import coupons

COUPONS_MAX = 20
"""Coupons of one cart."""


async def add(session: Session, *, actor: Actor, claim: Claim, cart_id: UUID, code: str) -> CartView:
    """Give a cart a coupon, which it keeps whether it takes anything off yet or not. Adding it twice is adding it once.

    Errors: `CartNotFound`, `CartNotActive`, `LimitExceeded` above 20; `CouponInvalid`, before anything is changed.
    """
    if await idempotency.earlier(session, claim) is not None:
        return await carts.shown(session, cart_id, actor=actor)
    before = await queries.one(session, cart_id, actor=actor)
    if before is None:
        raise CartNotFound
    coupon_id = await _coupon(session, before, code)
    cart = await carts.take_once(
        session, claim=claim, answer=str(cart_id), cart_id=cart_id, actor=actor, status=CartStatus.ACTIVE
    )
    if not isinstance(cart, Earlier):
        await session.run(_ADD, cart_id, coupon_id)
        emit(session, carts.updated(cart))
    found = await carts.shown(session, cart_id, actor=actor)
    if len(found.coupons) > COUPONS_MAX:
        raise LimitExceeded(f"A cart has at most {COUPONS_MAX} coupons.", "code")
    return found


_ADD = "INSERT INTO cart_coupon (cart_id, coupon_id) VALUES ($1, $2) ON CONFLICT DO NOTHING"


async def _coupon(session: Session, cart: CartView, code: str) -> int:
    """A coupon that the cart has stays its own, whatever became of it since."""
    held = cart.coupon(code)
    return held.id if held else await coupons.usable(session, code, customer_id=cart.customer_id)


async def remove(session: Session, *, actor: Actor, cart_id: UUID, code: str) -> CartView:
    """Take a coupon out of a cart.

    Errors: `CartNotFound`, `CartNotActive`, `NotFound` for a coupon that the cart does not have.
    """
    before = await queries.one(session, cart_id, actor=actor)
    held = before.coupon(code) if before else None
    cart = await carts.take(session, cart_id=cart_id, actor=actor)
    if held is None:
        raise NotFound("This cart has no such coupon.", "code")
    await session.run("DELETE FROM cart_coupon WHERE (cart_id, coupon_id) = ($1, $2)", cart_id, held.id)
    emit(session, carts.updated(cart))
    return await carts.shown(session, cart_id, actor=actor)


async def bring(session: Session, *, from_cart_id: UUID, into_cart_id: UUID) -> None:
    """One cart's coupons come into another with its lines, as many as it may have."""
    await session.run(_BRING, from_cart_id, into_cart_id, COUPONS_MAX)


_BRING = """
    INSERT INTO cart_coupon (cart_id, coupon_id)
    SELECT $2, coupon_id FROM cart_coupon WHERE cart_id = $1 ORDER BY added_at, coupon_id
    LIMIT greatest(0, $3 - (SELECT count(*) FROM cart_coupon WHERE cart_id = $2))
    ON CONFLICT DO NOTHING
"""
