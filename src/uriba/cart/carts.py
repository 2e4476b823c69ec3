"""Carts: created once, locked for each change, closed when they are ordered, merged or expired."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

import msgspec

from uriba.cart import queries
from uriba.cart.enums import CartStatus
from uriba.cart.errors import CartNotActive, CartNotFound
from uriba.cart.events import CartCreated, CartOrdered, CartUpdated, cart_subject
from uriba.cart.queries import CART_COLUMNS, LOCKED_CART_LINE_COLUMNS, VISIBLE
from uriba.cart.view import CartView, LineView, build, price
from uriba.core.actor import Actor, Role
from uriba.core.errors import Invalid, InvalidState, LimitExceeded
from uriba.core.ids import new_secret_id
from uriba.db import Row, Session
from uriba.db.statements import fragment, statement
from uriba.outbox import Event, emit
from uriba.pricing.promotion_candidates import CART_WINDOW

LINES_MAX = 500
"""Lines of one cart."""


def check_has_channel(actor: Actor) -> None:
    """Check that the actor can sell. Errors: `InvalidState` for a terminal whose location is in no STORE channel."""
    if actor.role is Role.TERMINAL and actor.channel_id is None:
        raise InvalidState("No STORE channel lists this terminal's location.")


def check_sells_in(actor: Actor, channel_id: int) -> None:
    """Check that the actor may sell in a channel: terminals and apps only in their own. Errors: `Invalid`."""
    if actor.role in (Role.TERMINAL, Role.APP) and channel_id != actor.channel_id:
        raise Invalid("This key can sell only in its own channel.", "channel")


async def create(session: Session, *, actor: Actor, channel_id: int, cart_id: UUID | None = None) -> UUID:
    """Create an empty cart, or find the customer's active one; return its id.

    A terminal's cart is claimed from the start: priced in the terminal's channel, at its location.
    """
    cart_id = cart_id or new_secret_id()
    if actor.customer_id is not None:
        await lock_customer(session, customer_id=actor.customer_id)
    created = await session.fetchval(
        _CREATE,
        cart_id=cart_id,
        channel_id=channel_id,
        location_id=actor.location_id,
        customer_id=actor.customer_id,
    )
    if created:
        emit(session, CartCreated(cart_subject(cart_id), 1, {"status": CartStatus.ACTIVE, "version": 1}))
        return cart_id
    assert actor.customer_id is not None
    existing = await queries.active_of_customer(session, actor.customer_id)
    # The active cart is gone only if it was ordered in the meantime: try again.
    return existing or await create(session, actor=actor, channel_id=channel_id, cart_id=cart_id)


_CREATE = statement("""
    INSERT INTO cart (id, channel_id, priced_in_id, location_id, customer_id, last_changed_by_id)
    VALUES (:cart_id, :channel_id, :channel_id, :location_id, :customer_id, :channel_id)
    ON CONFLICT (customer_id) WHERE status = 'ACTIVE' DO NOTHING RETURNING true
""")


async def lock_customer(session: Session, *, customer_id: UUID) -> None:
    """Serialize calls that may create or adopt a customer's active cart. Taken before any cart is locked."""
    await session.run(_LOCK_CUSTOMER, customer_id=str(customer_id))


_LOCK_CUSTOMER = statement("SELECT pg_advisory_xact_lock(hashtextextended('uriba.cart:' || :customer_id, 0))")


LOCK_CART = fragment("""
    UPDATE cart c SET version = c.version + 1, events = c.events + 1, updated_at = now(), status = :status,
        last_changed_by_id = coalesce(:actor_channel_id, c.channel_id)
    WHERE c.id = :cart_id AND c.status = 'ACTIVE' AND c.checkout_id IS NULL AND {visible}
    RETURNING c.*
""")
"""Locks an active cart and counts a change. Its parameters are those of `lock_parameters`."""

_LOCK = statement(f"""
    WITH locked AS ({LOCK_CART.format(visible=VISIBLE)})
    SELECT {CART_COLUMNS} FROM locked c JOIN channel p ON p.id = c.priced_in_id
""")


def lock_parameters(cart_id: UUID, *, actor: Actor, status: CartStatus = CartStatus.ACTIVE) -> dict[str, object]:
    """Return the parameters of `LOCK_CART`. `status`: the cart's status after the change."""
    return {
        "cart_id": cart_id,
        "status": status,
        "actor_channel_id": actor.channel_id,
        "actor_customer_id": actor.customer_id,
        "actor_works_here": actor.works_here,
    }


async def lock(
    session: Session, *, cart_id: UUID, actor: Actor, path: str = "cartId", status: CartStatus = CartStatus.ACTIVE
) -> CartView:
    """Lock an active cart for a change and count the change; return the cart with its lines.

    `status`: the cart's status after the change. Errors: `CartNotFound`, `CartNotActive`.
    """
    cart = await session.fetchrow(_LOCK, **lock_parameters(cart_id, actor=actor, status=status))
    if cart is None:
        raise await not_lockable(session, cart_id=cart_id, actor=actor, path=path)
    return build(cart, await session.fetch(_LINES, **line_parameters(cart)))


_LINES = statement(f"""
    SELECT {LOCKED_CART_LINE_COLUMNS} FROM cart_line l JOIN variant v ON v.id = l.variant_id
    WHERE l.cart_id = :cart_id WINDOW {CART_WINDOW.format(rows="ORDER BY l.id")} ORDER BY l.id
""")


def line_parameters(cart: Row) -> dict[str, object]:
    """Return the parameters of `LOCKED_CART_LINE_COLUMNS` for a locked cart's row."""
    return {
        "cart_id": cart["id"],
        "currency": cart["currency"],
        "channel_id": cart["priced_in_id"],
        "location_id": cart["location_id"],
        "customer_id": cart["customer_id"],
    }


async def not_lockable(
    session: Session, *, cart_id: UUID, actor: Actor, path: str = "cartId"
) -> CartNotFound | CartNotActive:
    """Return the refusal for a cart that could not be locked."""
    cart = await queries.one(session, cart_id, actor=actor)
    if cart is None:
        return CartNotFound(path)
    if cart.checkout_id is not None and cart.status is CartStatus.ACTIVE:
        return CartNotActive("This cart is being paid; it opens again if the payment fails.", path)
    return CartNotActive(f"This cart is {cart.status.lower()}; it cannot change any more.", path)


async def replace_lines(session: Session, cart: CartView, lines: Sequence[LineView], *events: Event) -> CartView:
    """Replace the cart's lines, emit the events, and return the cart as it is now.

    Lines with the same key become one, with the id of the first. Errors: `LimitExceeded` above 500 lines.
    """
    merged = merge_same_lines(lines)
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
    emit(session, *events)
    await session.flush_and_fetch(_REPLACE_LINES, cart_id=cart.id, lines=msgspec.json.encode(rows).decode())
    priced, quote = price(sorted(merged, key=lambda line: line.id), cart.terms, cart.candidates)
    return replace(cart, lines=priced, quote=quote)


# The INSERT reads the number of deleted rows, so that all are deleted before any is inserted.
_REPLACE_LINES = statement("""
    WITH deleted AS (DELETE FROM cart_line WHERE cart_id = :cart_id RETURNING id)
    INSERT INTO cart_line (id, cart_id, variant_id, quantity, method, chosen, location_id, added_minor)
    SELECT r.id, :cart_id, r.variant_id, r.quantity, r.method, r.chosen, r.location_id, r.added_minor
    FROM json_to_recordset(:lines::json) AS r(id bigint, variant_id bigint, quantity bigint, method text,
        chosen boolean, location_id bigint, added_minor bigint)
    WHERE (SELECT count(*) FROM deleted) >= 0
""")


def merge_same_lines(lines: Sequence[LineView]) -> list[LineView]:
    """Return one line for each key, quantities added up, in the order of the first ones."""
    merged: dict[tuple[object, ...], LineView] = {}
    for line in lines:
        first = merged.get(line.key)
        merged[line.key] = (
            line
            if first is None
            else replace(first, quantity=first.quantity + line.quantity, chosen=first.chosen or line.chosen)
        )
    return list(merged.values())


def updated_event(cart: CartView) -> CartUpdated:
    """Return the event of an update of a locked cart."""
    return CartUpdated(cart_subject(cart.id), cart.events, {"status": cart.status, "version": cart.version})


async def current(session: Session, cart_id: UUID, *, actor: Actor) -> CartView:
    """Return the cart as it is now, after a change in this transaction or for a replayed call.

    Errors: `CartNotFound` where it belongs to another customer by now.
    """
    cart = await queries.one(session, cart_id, actor=actor)
    if cart is None:
        raise CartNotFound
    return cart


def close_for_payment(session: Session, *, cart_id: UUID, attempt_id: UUID) -> None:
    """Close a locked cart to changes while a payment attempt is pending, with the next flush."""
    session.defer(_CLOSE_FOR_PAYMENT, cart_id=cart_id, attempt_id=attempt_id)


_CLOSE_FOR_PAYMENT = statement("UPDATE cart SET checkout_id = :attempt_id WHERE id = :cart_id")

ORDER_PAID_CART = fragment("""
    UPDATE cart c SET status = 'ORDERED', checkout_id = NULL, version = version + 1, events = events + 1,
        updated_at = now()
    FROM {attempt} a WHERE c.id = a.cart_id RETURNING c.version, c.events
""")
"""Marks the cart of a paid attempt as ordered. `attempt`: a relation with its `cart_id`."""


async def reopen(session: Session, cart_id: UUID) -> None:
    """Open a cart to changes again, after its payment attempt has ended without an order."""
    row = await session.fetchrow(_REOPEN, cart_id=cart_id)
    assert row is not None
    state = {"status": row["status"], "version": row["version"]}
    emit(session, CartUpdated(cart_subject(cart_id), row["events"], state))


_REOPEN = statement("""
    UPDATE cart SET checkout_id = NULL, events = events + 1 WHERE id = :cart_id RETURNING version, events, status
""")


async def close_sold(session: Session, orders: Mapping[UUID, UUID], *, channel_id: int) -> dict[UUID, Row]:
    """Close carts that a till has sold; `orders`: the order of each cart. Return the carts that this closed.

    A cart that was ordered, is being paid or was merged is left as it is: it was sold twice, which people settle.
    """
    rows = await session.fetch(_CLOSE_SOLD, cart_ids=list(orders), channel_id=channel_id)
    for row in rows:
        data = {"status": CartStatus.ORDERED, "version": row["version"], "order": str(orders[row["id"]])}
        emit(session, CartOrdered(cart_subject(row["id"]), row["events"], data))
    return {row["id"]: row for row in rows}


_CLOSE_SOLD = statement("""
    UPDATE cart c SET status = 'ORDERED', version = c.version + 1, events = c.events + 1, updated_at = now(),
        last_changed_by_id = :channel_id
    FROM (
        SELECT id FROM cart WHERE id = ANY(:cart_ids) AND status IN ('ACTIVE', 'EXPIRED') AND checkout_id IS NULL
        ORDER BY id FOR UPDATE
    ) open WHERE c.id = open.id RETURNING c.id, c.version, c.events, c.channel_id, c.customer_id
""")


async def expire(session: Session, *, older_than_s: int, limit: int = 500) -> int:
    """Expire active carts that have not changed for a term; return how many."""
    rows = await session.fetch(_EXPIRE, older_than_s=older_than_s, limit=limit)
    emit(
        session,
        *(
            CartUpdated(cart_subject(r["id"]), r["events"], {"status": CartStatus.EXPIRED, "version": r["version"]})
            for r in rows
        ),
    )
    return len(rows)


_EXPIRE = statement("""
    WITH stale AS (
        SELECT id FROM cart
        WHERE status = 'ACTIVE' AND checkout_id IS NULL AND updated_at < now() - make_interval(secs => :older_than_s)
        ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    UPDATE cart c SET status = 'EXPIRED', version = c.version + 1, events = c.events + 1
    FROM stale WHERE c.id = stale.id RETURNING c.id, c.version, c.events
""")
