"""Merging carts, such as a guest's cart with the customer's own at sign-in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from uuid import UUID

from uriba.cart import carts, coupons, queries
from uriba.cart.enums import CartStatus
from uriba.cart.errors import CartNotFound
from uriba.cart.events import CartMerged, CartUpdated, cart_subject
from uriba.cart.view import CartView, LineView
from uriba.core.actor import Actor
from uriba.core.errors import CurrencyMismatch, Invalid, InvalidQuantity
from uriba.core.quantities import QUANTITY_MAX
from uriba.db import Session
from uriba.db.statements import statement
from uriba.outbox import emit


class CartMergePolicy(StrEnum):
    """Which quantities the merged cart has: the sums, the larger ones, those of the source, or those of the target."""

    SUM = "SUM"
    MAX = "MAX"
    KEEP_FROM = "KEEP_FROM"
    KEEP_INTO = "KEEP_INTO"


async def merge(
    session: Session, *, actor: Actor, from_cart_id: UUID, into_cart_id: UUID | None, policy: CartMergePolicy
) -> CartView:
    """Merge one cart into another; the first becomes MERGED. Without `into_cart_id`: into the customer's active cart,
    and where there is none, the guest's cart becomes the customer's own.

    Errors: `CartNotFound`, `CartNotActive`, `Invalid`, `CurrencyMismatch`, `InvalidQuantity`.
    """
    if into_cart_id is None:
        into_cart_id = await adopt(session, actor=actor, from_cart_id=from_cart_id, policy=policy)
    else:
        await _merge(session, actor=actor, from_cart_id=from_cart_id, into_cart_id=into_cart_id, policy=policy)
    return await carts.current(session, into_cart_id, actor=actor)


async def adopt(
    session: Session,
    *,
    actor: Actor,
    from_cart_id: UUID,
    policy: CartMergePolicy = CartMergePolicy.SUM,
    path: str = "fromCartId",
) -> UUID:
    """Make a guest's cart the calling customer's, or merge it into the active one; return the remaining cart's id."""
    if actor.customer_id is None:
        raise Invalid("Only a customer has an active cart. Give intoCartId.", "intoCartId")
    await carts.lock_customer(session, customer_id=actor.customer_id)
    existing = await queries.active_of_customer(session, actor.customer_id)
    if existing is not None and existing != from_cart_id:
        await _merge(session, actor=actor, from_cart_id=from_cart_id, into_cart_id=existing, policy=policy, path=path)
        return existing
    cart = await carts.lock(session, cart_id=from_cart_id, actor=actor, path=path)
    if cart.customer_id is None:
        await session.run(_ADOPT, cart_id=cart.id, customer_id=actor.customer_id)
    emit(session, carts.updated_event(cart))
    return cart.id


_ADOPT = statement("UPDATE cart SET customer_id = :customer_id WHERE id = :cart_id")


async def _merge(
    session: Session,
    *,
    actor: Actor,
    from_cart_id: UUID,
    into_cart_id: UUID,
    policy: CartMergePolicy,
    path: str = "fromCartId",
) -> None:
    if from_cart_id == into_cart_id:
        raise Invalid("A cart cannot be merged into itself.", "intoCartId")
    source, target = await _lock_both(session, actor, (from_cart_id, path), (into_cart_id, "intoCartId"))
    if source.customer_id is not None and source.customer_id != target.customer_id:
        raise CartNotFound(path)
    if source.terms.currency != target.terms.currency:
        raise CurrencyMismatch("The carts are in two currencies.", path)
    # The source's lines are deleted first, so that the target's lines can have their ids.
    await carts.replace_lines(session, source, [])
    lines = combine(source.lines, target.lines, policy)
    if any(line.quantity > QUANTITY_MAX for line in lines):
        raise InvalidQuantity(f"A line has at most {QUANTITY_MAX:,} units.", path)
    await carts.replace_lines(session, target, lines)
    await coupons.copy(session, from_cart_id=source.id, into_cart_id=target.id)
    await session.run(_MARK_MERGED, cart_id=source.id, into_cart_id=target.id)
    emit(
        session,
        CartUpdated(cart_subject(source.id), source.events, {"status": CartStatus.MERGED, "version": source.version}),
        CartMerged(cart_subject(target.id), target.events, {"status": target.status, "version": target.version}),
    )


_MARK_MERGED = statement("UPDATE cart SET status = 'MERGED', merged_into_id = :into_cart_id WHERE id = :cart_id")


async def _lock_both(
    session: Session, actor: Actor, source: tuple[UUID, str], target: tuple[UUID, str]
) -> tuple[CartView, CartView]:
    """Lock both carts, in the order of their ids."""
    taken = {
        cart_id: await carts.lock(session, cart_id=cart_id, actor=actor, path=path)
        for cart_id, path in sorted((source, target))
    }
    return taken[source[0]], taken[target[0]]


def combine(source: Sequence[LineView], target: Sequence[LineView], policy: CartMergePolicy) -> list[LineView]:
    """Return the lines of the merged cart."""
    match policy:
        case CartMergePolicy.KEEP_FROM:
            return list(source)
        case CartMergePolicy.KEEP_INTO:
            return list(target)
        case CartMergePolicy.SUM:
            return carts.merge_same_lines([*target, *source])
        case CartMergePolicy.MAX:
            return _larger([*target, *source])


def _larger(lines: Sequence[LineView]) -> list[LineView]:
    merged: dict[tuple[object, ...], LineView] = {}
    for line in lines:
        first = merged.setdefault(line.key, line)
        merged[line.key] = replace(first, quantity=max(first.quantity, line.quantity))
    return list(merged.values())
