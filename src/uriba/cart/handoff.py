"""Handoff: short one-use codes that give a cart to another device or a till."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from secrets import choice
from uuid import UUID

from uriba.cart import carts, merge, queries
from uriba.cart.enums import CartStatus, FulfillmentMethod
from uriba.cart.errors import CartNotFound, CodeExpired, CodeUnknown
from uriba.cart.events import CartHandedOff, cart_subject
from uriba.cart.view import CartView, LineView
from uriba.catalog import channels
from uriba.core.actor import Actor, Role
from uriba.core.errors import CurrencyMismatch, InvalidState
from uriba.db import Session
from uriba.db.statements import statement
from uriba.inventory.queries import available_at_till_by_variant
from uriba.outbox import emit

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Letters and digits without those that look alike: 0, 1, I and O."""

CODE_SIZE = 8
"""40 random bits; guesses are limited per caller."""

QR_PREFIX = "URIBA:CART:"
"""Upper-case letters and colons, which fit the compact alphanumeric mode of QR codes."""


@dataclass(frozen=True, slots=True)
class IssuedCode:
    """A code, the content of its QR code, and when it expires."""

    code: str
    qr: str
    expires_at: datetime


async def issue(session: Session, *, actor: Actor, cart_id: UUID, term_s: int) -> IssuedCode:
    """Issue a code for an active cart. The cart is not changed.

    Errors: `CartNotFound`, `CartNotActive`.
    """
    cart = await queries.one(session, cart_id, actor=actor)
    if cart is None:
        raise CartNotFound
    if cart.status is not CartStatus.ACTIVE:
        raise await carts.not_lockable(session, cart_id=cart_id, actor=actor)
    code = "".join(choice(ALPHABET) for _ in range(CODE_SIZE))
    expires_at = await session.fetchval(_ISSUE, digest=_digest(code), cart_id=cart_id, term_s=term_s)
    return IssuedCode(code, QR_PREFIX + code, expires_at)


_ISSUE = statement("""
    INSERT INTO handoff (digest, cart_id, expires_at)
    VALUES (:digest, :cart_id, now() + make_interval(secs => :term_s)) RETURNING expires_at
""")


def _digest(code: str) -> bytes:
    """Return the digest of a code as typed or scanned; case, blanks, hyphens and the QR prefix are ignored."""
    plain = "".join(code.upper().split()).removeprefix(QR_PREFIX).replace("-", "")
    return sha256(plain.encode("utf-8", "replace")).digest()


async def claim(session: Session, *, actor: Actor, code: str) -> CartView:
    """Take over the cart of a code.

    A terminal claims it for its location: lines that the location can serve are carried out, the others are shipped,
    and prices are those of the terminal's channel. A customer's device makes a guest's cart the customer's own.

    Errors: `CodeUnknown`, `CodeExpired`, `CartNotActive`, `CurrencyMismatch`.
    """
    cart_id = await _use(session, actor, code)
    if actor.role is Role.CUSTOMER:
        cart = await queries.one(session, cart_id, actor=actor)
        if cart is not None and cart.customer_id is None:
            cart_id = await merge.adopt(session, actor=actor, from_cart_id=cart_id, path="code")
    cart = await carts.lock(session, cart_id=cart_id, actor=actor, path="code")
    if actor.role is Role.TERMINAL:
        await _claim_for_terminal(session, actor, cart)
    emit(
        session,
        CartHandedOff(cart_subject(cart.id), cart.events, {"status": cart.status, "version": cart.version}),
    )
    return await carts.current(session, cart_id, actor=actor)


async def _use(session: Session, actor: Actor, code: str) -> UUID:
    """Mark a code as used and return its cart. Codes of another customer's cart are unknown."""
    cart_id: UUID | None = await session.fetchval(
        _USE,
        digest=_digest(code),
        used_by=actor.caller,
        actor_customer_id=actor.customer_id,
        actor_works_here=actor.works_here,
    )
    if cart_id is not None:
        return cart_id
    if await session.fetchval(_IS_EXPIRED, digest=_digest(code)):
        raise CodeExpired("This code has been used or has expired. Ask for a new one.", "code")
    raise CodeUnknown("There is no such code.", "code")


_USE = statement(f"""
    UPDATE handoff h SET used_at = now(), used_by = :used_by FROM cart c
    WHERE h.digest = :digest AND h.used_at IS NULL AND h.expires_at > now() AND c.id = h.cart_id
        AND {queries.VISIBLE}
    RETURNING h.cart_id
""")

_IS_EXPIRED = statement("""
    SELECT true FROM handoff WHERE digest = :digest AND (used_at IS NOT NULL OR expires_at <= now())
""")


async def _claim_for_terminal(session: Session, actor: Actor, cart: CartView) -> None:
    if actor.channel_id is None or actor.location_id is None:
        raise InvalidState("No STORE channel lists this terminal's location.")
    channel = (await channels.by_id(session, [actor.channel_id]))[actor.channel_id]
    if channel["currency"] != cart.terms.currency:
        raise CurrencyMismatch(
            f"This till sells in {channel['currency']}, the cart is in {cart.terms.currency}.", "code"
        )
    units = await available_at_till_by_variant(
        session, [line.variant_id for line in cart.lines], location_id=actor.location_id
    )
    await carts.replace_lines(session, cart, lines_at_terminal(cart.lines, units, actor.location_id))
    await session.run(_MOVE_TO_TERMINAL, cart_id=cart.id, channel_id=actor.channel_id, location_id=actor.location_id)


_MOVE_TO_TERMINAL = statement("""
    UPDATE cart SET priced_in_id = :channel_id, location_id = :location_id WHERE id = :cart_id
""")


def lines_at_terminal(lines: Sequence[LineView], units: Mapping[int, int], location_id: int) -> list[LineView]:
    """Carry out the lines of variants that the location can serve whole; ship the others.

    `units`: what the location has, by variant.
    """
    wanted: dict[int, int] = {}
    for line in lines:
        wanted[line.variant_id] = wanted.get(line.variant_id, 0) + line.quantity
    return [
        _line_at_terminal(line, units.get(line.variant_id, 0) >= wanted[line.variant_id], location_id) for line in lines
    ]


def _line_at_terminal(line: LineView, in_stock: bool, location_id: int) -> LineView:
    if in_stock:
        # The customer did not choose this: if the cart is paid on the phone after all, these lines are shipped.
        return replace(line, method=FulfillmentMethod.CARRY_OUT, chosen=False, location_id=location_id)
    if line.method is FulfillmentMethod.PICKUP:
        return line
    return replace(line, method=FulfillmentMethod.SHIP, chosen=True, location_id=None)
