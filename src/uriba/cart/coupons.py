"""Coupons of a cart: added by its customer, evaluated whenever the cart is priced."""

from __future__ import annotations

from uuid import UUID

from uriba.cart import carts, queries
from uriba.cart.errors import CartNotFound
from uriba.cart.view import CartView
from uriba.core.actor import Actor
from uriba.core.errors import LimitExceeded, NotFound
from uriba.db import Session
from uriba.db.statements import statement
from uriba.outbox import emit
from uriba.pricing import coupons

COUPONS_MAX = 20
"""Coupons of one cart."""


async def add(session: Session, *, actor: Actor, cart_id: UUID, code: str) -> CartView:
    """Add a coupon to a cart, whether or not it discounts anything yet. Adding it again changes nothing.

    Errors: `CartNotFound`, `CartNotActive`, `LimitExceeded` above 20; `CouponInvalid`, before anything is changed.
    """
    before = await queries.one(session, cart_id, actor=actor)
    if before is None:
        raise CartNotFound
    coupon_id = await _coupon(session, before, code)
    cart = await carts.lock(session, cart_id=cart_id, actor=actor)
    await session.run(_ADD, cart_id=cart_id, coupon_id=coupon_id)
    emit(session, carts.updated_event(cart))
    updated = await carts.current(session, cart_id, actor=actor)
    if len(updated.coupons) > COUPONS_MAX:
        raise LimitExceeded(f"A cart has at most {COUPONS_MAX} coupons.", "code")
    return updated


_ADD = statement("INSERT INTO cart_coupon (cart_id, coupon_id) VALUES (:cart_id, :coupon_id) ON CONFLICT DO NOTHING")


async def _coupon(session: Session, cart: CartView, code: str) -> int:
    """Return the id of a coupon that the cart has already, or that may be used now."""
    held = cart.coupon(code)
    return held.id if held else await coupons.find_usable(session, code, customer_id=cart.customer_id)


async def remove(session: Session, *, actor: Actor, cart_id: UUID, code: str) -> CartView:
    """Remove a coupon from a cart.

    Errors: `CartNotFound`, `CartNotActive`, `NotFound` for a coupon that the cart does not have.
    """
    before = await queries.one(session, cart_id, actor=actor)
    held = before.coupon(code) if before else None
    cart = await carts.lock(session, cart_id=cart_id, actor=actor)
    if held is None:
        raise NotFound("This cart has no such coupon.", "code")
    await session.run(_REMOVE, cart_id=cart_id, coupon_id=held.id)
    emit(session, carts.updated_event(cart))
    return await carts.current(session, cart_id, actor=actor)


_REMOVE = statement("DELETE FROM cart_coupon WHERE (cart_id, coupon_id) = (:cart_id, :coupon_id)")


async def copy(session: Session, *, from_cart_id: UUID, into_cart_id: UUID) -> None:
    """Add one cart's coupons to another, up to the limit of a cart."""
    await session.run(_COPY, from_cart_id=from_cart_id, into_cart_id=into_cart_id, coupons_max=COUPONS_MAX)


_COPY = statement("""
    INSERT INTO cart_coupon (cart_id, coupon_id)
    SELECT :into_cart_id, coupon_id FROM cart_coupon WHERE cart_id = :from_cart_id ORDER BY added_at, coupon_id
    LIMIT greatest(0, :coupons_max - (SELECT count(*) FROM cart_coupon WHERE cart_id = :into_cart_id))
    ON CONFLICT DO NOTHING
""")
