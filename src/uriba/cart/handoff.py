"""Handoff: a short code, used once, that carries a cart to another device or a till."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from secrets import choice
from uuid import UUID

from uriba.cart import carts, merge, queries
from uriba.cart.errors import CartNotFound, CodeExpired, CodeUnknown
from uriba.cart.events import CartHandedOff, cart_subject
from uriba.cart.models import CartStatus, FulfillmentMethod
from uriba.cart.view import CartView, LineView
from uriba.catalog import channels
from uriba.core.actor import Actor, Role
from uriba.core.errors import CurrencyMismatch, InvalidState
from uriba.db import Session
from uriba.inventory.queries import shelf_by_variant
from uriba.outbox import emit

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""No 0, 1, I and O: a code can be read aloud."""

CODE_SIZE = 8
"""40 random bits; guesses are limited per caller."""

QR_PREFIX = "URIBA:CART:"
"""Capitals and colons only: a QR code holds them in its compact alphanumeric mode."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A code to show, the same as the content of a QR code, and when it ends."""

    code: str
    qr: str
    expires_at: datetime


async def issue(session: Session, *, actor: Actor, cart_id: UUID, term_s: int) -> Issued:
    """A new code for an active cart; it changes nothing about the cart.

    Errors: `CartNotFound`, `CartNotActive`.
    """
    cart = await queries.one(session, cart_id, actor=actor)
    if cart is None:
        raise CartNotFound
    if cart.status is not CartStatus.ACTIVE:
        raise await carts.why_not(session, cart_id=cart_id, actor=actor)
    code = "".join(choice(ALPHABET) for _ in range(CODE_SIZE))
    expires_at = await session.fetchval(
        "INSERT INTO handoff (digest, cart_id, expires_at) VALUES ($1, $2, now() + make_interval(secs => $3)) "
        "RETURNING expires_at",
        _digest(code),
        cart_id,
        term_s,
    )
    return Issued(code, QR_PREFIX + code, expires_at)


def _digest(code: str) -> bytes:
    """Of the code as typed or scanned: case, blanks, hyphens and the QR prefix do not matter."""
    plain = "".join(code.upper().split()).removeprefix(QR_PREFIX).replace("-", "")
    return sha256(plain.encode("utf-8", "replace")).digest()


async def claim(session: Session, *, actor: Actor, code: str) -> CartView:
    """Take the cart that a code stands for.

    A terminal claims it for its location: lines that its shelf can serve are carried out there, the others are
    shipped, and all of it is priced in the terminal's channel. A customer's device makes a guest's cart the
    customer's own.

    Errors: `CodeUnknown`, `CodeExpired`, `CartNotActive`, `CurrencyMismatch`.
    """
    cart_id = await _use(session, actor, code)
    if actor.role is Role.CUSTOMER:
        cart = await queries.one(session, cart_id, actor=actor)
        if cart is not None and cart.customer_id is None:
            cart_id = await merge.adopt(session, actor=actor, from_cart_id=cart_id, path="code")
    cart = await carts.take(session, cart_id=cart_id, actor=actor, path="code")
    if actor.role is Role.TERMINAL:
        await _claim_for_terminal(session, actor, cart)
    emit(
        session,
        CartHandedOff(cart_subject(cart.id), cart.events, {"status": cart.status, "version": cart.version}),
    )
    return await carts.shown(session, cart_id, actor=actor)


async def _use(session: Session, actor: Actor, code: str) -> UUID:
    """Use the code up. A customer's cart is for that customer and the retailer; to others the code is unknown."""
    cart_id: UUID | None = await session.fetchval(
        "UPDATE handoff h SET used_at = now(), used_by = $2 FROM cart c "
        f"WHERE h.digest = $1 AND h.used_at IS NULL AND h.expires_at > now() AND c.id = h.cart_id "
        f"AND {queries.MINE.format(customer='$3', trusted='$4')} RETURNING h.cart_id",
        _digest(code),
        actor.caller,
        actor.customer_id,
        actor.works_here,
    )
    if cart_id is not None:
        return cart_id
    ended = await session.fetchval(
        "SELECT true FROM handoff WHERE digest = $1 AND (used_at IS NOT NULL OR expires_at <= now())",
        _digest(code),
    )
    if ended:
        raise CodeExpired("This code was used, or its time is over. Ask for a new one.", "code")
    raise CodeUnknown("There is no such code.", "code")


async def _claim_for_terminal(session: Session, actor: Actor, cart: CartView) -> None:
    if actor.channel_id is None or actor.location_id is None:
        raise InvalidState("No STORE channel lists this terminal's location.")
    channel = (await channels.by_id(session, [actor.channel_id]))[actor.channel_id]
    if channel["currency"] != cart.terms.currency:
        raise CurrencyMismatch(
            f"This till sells in {channel['currency']}, the cart is in {cart.terms.currency}.", "code"
        )
    shelf = await shelf_by_variant(session, [line.variant_id for line in cart.lines], location_id=actor.location_id)
    await carts.rewrite(session, cart, at_the_till(cart.lines, shelf, actor.location_id))
    await session.run(
        "UPDATE cart SET priced_in_id = $2, location_id = $3 WHERE id = $1",
        cart.id,
        actor.channel_id,
        actor.location_id,
    )


def at_the_till(lines: Sequence[LineView], shelf: Mapping[int, int], location_id: int) -> list[LineView]:
    """Lines of a variant that the shelf can serve whole are carried out; the others are shipped. Pure."""
    wanted: dict[int, int] = {}
    for line in lines:
        wanted[line.variant_id] = wanted.get(line.variant_id, 0) + line.quantity
    return [_at_the_till(line, shelf.get(line.variant_id, 0) >= wanted[line.variant_id], location_id) for line in lines]


def _at_the_till(line: LineView, on_shelf: bool, location_id: int) -> LineView:
    if on_shelf:
        # Nobody chose this: if the customer pays on the phone after all, these lines are shipped.
        return replace(line, method=FulfillmentMethod.CARRY_OUT, chosen=False, location_id=location_id)
    if line.method is FulfillmentMethod.PICKUP:
        return line
    return replace(line, method=FulfillmentMethod.SHIP, chosen=True, location_id=None)
