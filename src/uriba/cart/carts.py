"""Carts: begun once, found from every device, changed by one caller at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import msgspec

from uriba.cart import queries
from uriba.cart.errors import CartNotActive, CartNotFound
from uriba.cart.events import CartCreated, CartUpdated, cart_subject
from uriba.cart.models import CartStatus
from uriba.cart.queries import HEAD, LINE_PRICED_BY, MINE
from uriba.cart.view import CartView, LineView, build
from uriba.core.actor import Actor
from uriba.core.errors import LimitExceeded
from uriba.core.ids import new_secret_id
from uriba.db import Session
from uriba.outbox import emit

LINES_MAX = 500
"""Lines of one cart."""


async def begin(session: Session, *, actor: Actor, channel_id: int, cart_id: UUID | None = None) -> UUID:
    """Begin an empty cart, or give a customer's active one back; its id.

    A terminal's cart is claimed from the start: priced in its channel, at its location.
    """
    cart_id = cart_id or new_secret_id()
    if actor.customer_id is not None:
        await take_turns(session, customer_id=actor.customer_id)
    made = await session.fetchval(
        "INSERT INTO cart (id, channel_id, priced_in_id, location_id, customer_id, last_changed_by_id) "
        "VALUES ($1, $2, $2, $3, $4, $2) "
        "ON CONFLICT (customer_id) WHERE status = 'ACTIVE' DO NOTHING RETURNING true",
        cart_id,
        channel_id,
        actor.location_id,
        actor.customer_id,
    )
    if made:
        emit(session, CartCreated(cart_subject(cart_id), 1, {"status": CartStatus.ACTIVE, "version": 1}))
        return cart_id
    assert actor.customer_id is not None
    existing = await queries.active_of_customer(session, actor.customer_id)
    # It can only be gone if it was ordered this very moment; then this caller comes again.
    return existing or await begin(session, actor=actor, channel_id=channel_id, cart_id=cart_id)


async def take_turns(session: Session, *, customer_id: UUID) -> None:
    """Have a customer's devices wait for each other, before any cart is locked: one may begin a cart, one adopt one,
    and there is one active cart at most."""
    await session.run("SELECT pg_advisory_xact_lock(hashtextextended('uriba.cart:' || $1, 0))", str(customer_id))


_TAKE = f"""
    WITH taken AS (
        UPDATE cart c SET version = c.version + 1, events = c.events + 1, updated_at = now(), status = $5,
            last_changed_by_id = coalesce($4, c.channel_id)
        WHERE c.id = $1 AND c.status = 'ACTIVE' AND c.checkout_id IS NULL
            AND {MINE.format(customer="$2", trusted="$3")}
        RETURNING c.*
    )
    SELECT {HEAD} FROM taken c JOIN channel p ON p.id = c.priced_in_id
"""


async def take(
    session: Session, *, cart_id: UUID, actor: Actor, path: str = "cartId", status: CartStatus = CartStatus.ACTIVE
) -> CartView:
    """Lock an active cart for a change and count the change; the cart with its lines as they are now.

    `status`: what the change makes of it.

    Errors: `CartNotFound`, `CartNotActive`.
    """
    head = await session.fetchrow(_TAKE, cart_id, actor.customer_id, actor.works_here, actor.channel_id, status)
    if head is None:
        raise await why_not(session, cart_id=cart_id, actor=actor, path=path)
    return await with_lines(session, head)


async def with_lines(session: Session, head: Mapping[str, Any]) -> CartView:
    """The cart of a head row, with its lines."""
    lines = await session.fetch(
        f"SELECT {LINE_PRICED_BY} FROM cart_line l JOIN variant v ON v.id = l.variant_id "
        "WHERE l.cart_id = $1 ORDER BY l.id",
        head["id"],
        head["currency"],
        head["priced_in_id"],
        head["location_id"],
    )
    return build(head, lines)


async def why_not(
    session: Session, *, cart_id: UUID, actor: Actor, path: str = "cartId"
) -> CartNotFound | CartNotActive:
    """Why a cart cannot be changed."""
    cart = await queries.one(session, cart_id, actor=actor)
    if cart is None:
        return CartNotFound(path)
    if cart.checkout_id is not None and cart.status is CartStatus.ACTIVE:
        return CartNotActive("This cart is being paid; it opens again if the payment fails.", path)
    return CartNotActive(f"This cart is {cart.status.lower()}; it cannot change any more.", path)


async def rewrite(session: Session, cart: CartView, lines: Sequence[LineView]) -> None:
    """Put these lines in place of the cart's; lines with one key become one, with the first one's id.

    Errors: `LimitExceeded` above 500 lines.
    """
    merged = merge_lines(lines)
    if len(merged) > LINES_MAX:
        raise LimitExceeded(f"A cart has at most {LINES_MAX} lines.", "lines")
    rows = [
        {
            "id": line.id,
            "variant_id": line.variant_id,
            "quantity": line.quantity,
            "method": line.method,
            "chosen": line.chosen,
            "location_id": line.location_id,
            "added_minor": line.added_minor,
        }
        for line in merged
    ]
    await session.run("DELETE FROM cart_line WHERE cart_id = $1", cart.id)
    await session.run(
        "INSERT INTO cart_line (id, cart_id, variant_id, quantity, method, chosen, location_id, added_minor) "
        "SELECT r.id, $1, r.variant_id, r.quantity, r.method, r.chosen, r.location_id, r.added_minor "
        "FROM json_to_recordset($2::json) AS r(id bigint, variant_id bigint, quantity bigint, method text, "
        "chosen boolean, location_id bigint, added_minor bigint)",
        cart.id,
        msgspec.json.encode(rows).decode(),
    )


def merge_lines(lines: Sequence[LineView]) -> list[LineView]:
    """One line for each key, quantities added up, order kept. Pure."""
    merged: dict[tuple[object, ...], LineView] = {}
    for line in lines:
        first = merged.get(line.key)
        merged[line.key] = (
            line
            if first is None
            else replace(first, quantity=first.quantity + line.quantity, chosen=first.chosen or line.chosen)
        )
    return list(merged.values())


async def tell(session: Session, cart: CartView) -> None:
    """Tell of an update; `cart` as taken."""
    emit(
        session,
        CartUpdated(cart_subject(cart.id), cart.events, {"status": cart.status, "version": cart.version}),
    )


async def shown(session: Session, cart_id: UUID, *, actor: Actor) -> CartView:
    """The cart as it is now, within the transaction that changed it, or for a key that changed it before.

    Errors: `CartNotFound` where it became another customer's since then.
    """
    cart = await queries.one(session, cart_id, actor=actor)
    if cart is None:
        raise CartNotFound
    return cart


async def expire(session: Session, *, older_than_s: int, limit: int = 500) -> int:
    """End carts that nobody touched for a term."""
    rows = await session.fetch(
        "WITH stale AS (SELECT id FROM cart WHERE status = 'ACTIVE' AND checkout_id IS NULL "
        "AND updated_at < now() - make_interval(secs => $1) ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED) "
        "UPDATE cart c SET status = 'EXPIRED', version = c.version + 1, events = c.events + 1 FROM stale "
        "WHERE c.id = stale.id RETURNING c.id, c.version, c.events",
        older_than_s,
        limit,
    )
    emit(
        session,
        *(
            CartUpdated(cart_subject(r["id"]), r["events"], {"status": CartStatus.EXPIRED, "version": r["version"]})
            for r in rows
        ),
    )
    return len(rows)
