"""Lines of a cart: quantities added by any device, or set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import msgspec

from uriba.cart import carts
from uriba.cart.enums import FulfillmentMethod
from uriba.cart.events import CartUpdated, cart_subject
from uriba.cart.queries import CART_COLUMNS, LOCKED_CART_LINE_COLUMNS, VISIBLE
from uriba.cart.view import CartView, build
from uriba.core import quantities, text
from uriba.core.actor import Actor
from uriba.core.errors import Code, DomainError, Invalid, LimitExceeded, Refusals, VersionConflict
from uriba.db import Row, Session
from uriba.db.statements import statement
from uriba.outbox import emit
from uriba.pricing.prices import PRICE_NOW
from uriba.pricing.promotion_candidates import CART_WINDOW


@dataclass(frozen=True, slots=True)
class NewLine:
    """Units to add, of a SKU or a variant. `variant_id` 0: a variant that does not exist."""

    sku: str | None
    variant_id: int | None
    quantity: int


@dataclass(frozen=True, slots=True)
class LineQuantity:
    """A line's new quantity; 0 removes the line. `line_id` 0: a line that does not exist."""

    line_id: int
    quantity: int


def check(lines: Sequence[NewLine]) -> None:
    """Check lines before any of them is looked up.

    Errors: `Invalid` unless each line has exactly one of sku and variantId, `InvalidQuantity`, `LimitExceeded`.
    """
    quantities.check_rows(len(lines), "lines", rows_max=carts.LINES_MAX)
    refusals = Refusals()
    for index, line in enumerate(lines):
        if (line.sku is None) == (line.variant_id is None):
            refusals.add(Code.INVALID, "Give exactly one of sku and variantId.", "lines", index)
        if line.sku is not None and text.has_control(line.sku):
            refusals.add(Code.INVALID, "This contains a control character.", "lines", index, "sku")
        try:
            quantities.quantity(line.quantity, "lines", index, "quantity")
        except DomainError as error:
            refusals.caught(error)
    refusals.raise_any()


async def add(session: Session, *, actor: Actor, cart_id: UUID, lines: Sequence[NewLine]) -> CartView:
    """Add quantities to a cart, all lines or none. Two round trips.

    Errors: those of `check`, `CartNotFound`, `CartNotActive`, and per line `NotFound`, DISCONTINUED, `InvalidQuantity`.
    """
    check(lines)
    if not lines:
        raise Invalid("Give at least one line.", "lines")
    requested = [
        {"n": n, "sku": line.sku, "variant_id": line.variant_id, "quantity": line.quantity}
        for n, line in enumerate(lines)
    ]
    line_rows = await session.fetch(
        _LOCK_AND_FIND_VARIANTS,
        lines=msgspec.json.encode(requested).decode(),
        **carts.lock_parameters(cart_id, actor=actor),
    )
    if not line_rows:
        raise await carts.not_lockable(session, cart_id=cart_id, actor=actor)
    _refuse_unsellable(line_rows, lines)
    return await _add_to_locked(session, line_rows)


# Locks the cart and looks up the variants: one row for each line, none where the cart could not be locked.
_LOCK_AND_FIND_VARIANTS = statement(f"""
    WITH locked AS ({carts.LOCK_CART.format(visible=VISIBLE)}), requested AS MATERIALIZED (
        SELECT r.n, r.quantity, v.id AS variant_id, v.discontinued, v.tax_class
        FROM json_to_recordset(:lines::json) AS r(n bigint, sku text, variant_id bigint, quantity bigint)
        LEFT JOIN LATERAL (
            SELECT id, discontinued, tax_class FROM variant WHERE sku = r.sku
            UNION ALL SELECT id, discontinued, tax_class FROM variant WHERE id = r.variant_id AND r.sku IS NULL
        ) v ON true
    )
    SELECT {CART_COLUMNS}, r.n, r.quantity, r.variant_id, r.discontinued, r.tax_class,
        ({PRICE_NOW.format(variant="r.variant_id", currency="p.currency", channel="p.id", location="c.location_id")})
            AS price_minor
    FROM locked c JOIN channel p ON p.id = c.priced_in_id CROSS JOIN requested r
    ORDER BY r.n
""")


def _refuse_unsellable(line_rows: Sequence[Row], lines: Sequence[NewLine]) -> None:
    refusals = Refusals()
    classes = {tax_class for tax_class, _ in line_rows[0]["rates"] or ()}
    for row, line in zip(line_rows, lines, strict=True):
        at = ("lines", row["n"], "sku" if line.sku is not None else "variantId")
        if row["variant_id"] is None:
            refusals.add(Code.NOT_FOUND, "There is no such variant.", *at)
        elif row["discontinued"]:
            refusals.add(Code.DISCONTINUED, "This item is no longer sold.", *at)
        elif row["price_minor"] is None:
            refusals.add(Code.NOT_FOUND, "This item is not sold in this channel.", *at)
        elif classes and row["tax_class"] not in classes:
            refusals.add(Code.INVALID, f"The channel has no tax rate for class {row['tax_class']}.", *at)
    refusals.raise_any()


async def _add_to_locked(session: Session, line_rows: Sequence[Row]) -> CartView:
    cart = line_rows[0]
    totals: dict[int, dict[str, int]] = {}
    for row in line_rows:
        new = {"variant_id": row["variant_id"], "quantity": 0, "price_minor": row["price_minor"]}
        totals.setdefault(row["variant_id"], new)["quantity"] += row["quantity"]
    emit(
        session,
        CartUpdated(cart_subject(cart["id"]), cart["events"], {"status": cart["status"], "version": cart["version"]}),
    )
    rows = await session.flush_and_fetch(
        _ADD_LINES,
        lines=msgspec.json.encode(list(totals.values())).decode(),
        method=FulfillmentMethod.SHIP if cart["location_id"] is None else FulfillmentMethod.CARRY_OUT,
        **carts.line_parameters(cart),
    )
    _refuse_too_many(line_rows, rows)
    return build(cart, rows)


# Adds the quantities and reads the whole cart. The cart is locked since the statement before, so this one's snapshot
# has every line that others have added.
_ADD_LINES = statement(f"""
    WITH added AS (
        INSERT INTO cart_line AS l (cart_id, variant_id, quantity, method, location_id, added_minor)
        SELECT :cart_id, r.variant_id, r.quantity, :method, :location_id, r.price_minor
        FROM json_to_recordset(:lines::json) AS r(variant_id bigint, quantity bigint, price_minor bigint)
        ON CONFLICT ON CONSTRAINT uq_cart_line_key DO UPDATE
            SET quantity = l.quantity + excluded.quantity, added_minor = excluded.added_minor
        RETURNING l.*
    ), line AS (
        SELECT * FROM added
        UNION ALL SELECT o.* FROM cart_line o WHERE o.cart_id = :cart_id AND o.id NOT IN (SELECT id FROM added)
    )
    SELECT {LOCKED_CART_LINE_COLUMNS}
    FROM line l JOIN variant v ON v.id = l.variant_id
    WINDOW {CART_WINDOW.format(rows="ORDER BY l.id")} ORDER BY l.id
""")


def _refuse_too_many(line_rows: Sequence[Row], rows: Sequence[Row]) -> None:
    """Check the quantities that lines have grown to, which are known only now; the refusal rolls them back."""
    refusals = Refusals()
    too_many = {row["variant_id"] for row in rows if row["quantity"] > quantities.QUANTITY_MAX}
    for row in line_rows:
        if row["variant_id"] in too_many:
            message = f"A line has at most {quantities.QUANTITY_MAX:,} units."
            refusals.add(Code.INVALID_QUANTITY, message, "lines", row["n"], "quantity")
    refusals.raise_any()
    if len(rows) > carts.LINES_MAX:
        raise LimitExceeded(f"A cart has at most {carts.LINES_MAX} lines.", "lines")


async def update(
    session: Session,
    *,
    actor: Actor,
    cart_id: UUID,
    lines: Sequence[LineQuantity],
    expected_version: int | None,
) -> CartView:
    """Set quantities, all or none. Setting a quantity accepts the present price.

    Errors: `CartNotFound`, `CartNotActive`, `VersionConflict`, and per line `NotFound` and `InvalidQuantity`.
    """
    quantities.check_rows(len(lines), "lines", rows_max=carts.LINES_MAX)
    cart = await carts.lock(session, cart_id=cart_id, actor=actor)
    if expected_version is not None and cart.version - 1 != expected_version:
        raise VersionConflict(f"The cart is at version {cart.version - 1}.", "expectedVersion")
    refusals = Refusals()
    known = {line.id for line in cart.lines}
    for index, line in enumerate(lines):
        if line.line_id not in known:
            refusals.add(Code.NOT_FOUND, "There is no such line.", "lines", index, "lineId")
        try:
            quantities.quantity(line.quantity, "lines", index, "quantity", least=0)
        except DomainError as error:
            refusals.caught(error)
    refusals.raise_any()
    new = {line.line_id: line.quantity for line in lines}
    kept = [
        replace(line, quantity=new[line.id], added_minor=line.unit_minor) if line.id in new else line
        for line in cart.lines
        if new.get(line.id) != 0
    ]
    return await carts.replace_lines(session, cart, kept, carts.updated_event(cart))
