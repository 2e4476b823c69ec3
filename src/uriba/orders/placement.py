"""Placement: writes a draft as an order, with its payments and its timeline, in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from uriba.core.ids import new_id
from uriba.db import Session
from uriba.db.rows import typed_row
from uriba.db.statements import statement
from uriba.orders.enums import OrderStatus, PaymentStatus
from uriba.orders.events import OrderCompleted, OrderPlaced, PaymentUpdated, order_subject
from uriba.orders.queries import ORDER_COLUMNS
from uriba.orders.rows import OrderRow
from uriba.outbox import Event, emit


class OrderDraftLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of an order draft. Amounts in minor units."""

    id: UUID
    variant_id: int
    sku: str
    name: str
    quantity: int
    unit_minor: int
    discount_minor: int
    total_minor: int
    tax_class: str
    tax_rate: str


class OrderDraftTax(msgspec.Struct, frozen=True, kw_only=True):
    """Net and tax of one rate, in minor units."""

    rate: str
    taxable_minor: int
    tax_minor: int


class Tender(msgspec.Struct, frozen=True, kw_only=True):
    """A tender that was captured, or only authorized. Amounts in minor units.

    `reference`: the provider's or the till's. `key`: the hub's key of the provider's charge. `capture_once`: the
    provider captures a charge only once. `tendered_minor`: the cash that was handed over, change included.
    """

    id: UUID
    method: str
    amount_minor: int
    reference: str | None = None
    key: str | None = None
    captured_minor: int
    capture_once: bool = False
    tendered_minor: int | None = None

    @property
    def status(self) -> PaymentStatus:
        return PaymentStatus.PAID if self.captured_minor == self.amount_minor else PaymentStatus.AUTHORIZED


class OrderDraftPromotion(msgspec.Struct, frozen=True, kw_only=True):
    """The discount of a promotion, and the coupon that asked for it."""

    promotion: str
    name: str
    amount_minor: int
    coupon: str | None = None
    coupon_id: int | None = None


class OrderDraft(msgspec.Struct, frozen=True, kw_only=True):
    """An order before its money is captured. Amounts in minor units. `rewards`: it earns points."""

    id: UUID
    cart_id: UUID | None
    channel_id: int
    cart_channel_id: int
    location_id: int | None
    customer_id: UUID | None
    currency: str
    prices_include_tax: bool
    subtotal_minor: int
    discount_minor: int
    shipping_minor: int
    tax_minor: int
    total_minor: int
    email: str | None
    phone: str | None
    address: Any | None
    lines: tuple[OrderDraftLine, ...]
    tax_lines: tuple[OrderDraftTax, ...]
    promotions: tuple[OrderDraftPromotion, ...] = ()
    exchange_of: UUID | None = None
    rewards: bool = False


async def place(
    session: Session, draft: OrderDraft, *, tenders: Sequence[Tender], completed: bool, actor: str
) -> OrderRow:
    """Write a paid draft as an order and return the order.

    `completed`: no unit is left to be handed over. The caller takes the stock and locks the cart, before or after.
    """
    events = _events(draft, tenders, completed)
    placed = await session.fetchrow(
        _PLACE,
        draft=msgspec.json.encode(draft).decode(),
        status=OrderStatus.COMPLETED if completed else OrderStatus.OPEN,
        payment_status=payment_status(tenders),
        payments=msgspec.json.encode(list(tenders)).decode(),
        timeline=msgspec.json.encode([{"version": e.version, "type": e.type, "data": e.data} for e in events]).decode(),
        actor=actor,
    )
    assert placed is not None
    if draft.promotions:
        session.defer(_INSERT_PROMOTIONS, order_id=draft.id, promotions=msgspec.json.encode(draft.promotions).decode())
    emit(session, *events)
    return typed_row(OrderRow, placed)


_INSERT_PROMOTIONS = statement("""
    INSERT INTO order_promotion (order_id, position, promotion, name, coupon, amount_minor)
    SELECT :order_id, n, promotion, name, coupon, amount_minor
    FROM ROWS FROM (json_to_recordset(:promotions::json)
        AS (promotion text, name text, coupon text, amount_minor bigint))
        WITH ORDINALITY AS p(promotion, name, coupon, amount_minor, n)
""")


def _events(draft: OrderDraft, tenders: Sequence[Tender], completed: bool) -> list[Event]:
    subject, cart = order_subject(draft.id), str(draft.cart_id) if draft.cart_id else None
    status = OrderStatus.COMPLETED if completed else OrderStatus.OPEN
    total = {"amountMinor": draft.total_minor, "currency": draft.currency}
    events: list[Event] = [OrderPlaced(subject, 1, {"status": status, "cart": cart, "total": total})]
    for tender in tenders:
        data = {
            "payment": str(tender.id),
            "method": tender.method,
            "status": tender.status,
            "cart": cart,
            "amount": {"amountMinor": tender.amount_minor, "currency": draft.currency},
        }
        events.append(PaymentUpdated(subject, len(events) + 1, data))
    if completed:
        events.append(OrderCompleted(subject, len(events) + 1, {"status": status, "cart": cart}))
    return events


_PLACE = statement(f"""
    WITH placed AS (
        INSERT INTO orders (id, cart_id, channel_id, cart_channel_id, location_id, customer_id, status,
            payment_status, currency, prices_include_tax, subtotal_minor, discount_minor, shipping_minor, tax_minor,
            total_minor, email, phone, address, exchange_of, version)
        SELECT id, cart_id, channel_id, cart_channel_id, location_id, customer_id, :status, :payment_status, currency,
            prices_include_tax, subtotal_minor, discount_minor, shipping_minor, tax_minor, total_minor, email, phone,
            address, exchange_of, json_array_length(:timeline::json)
        FROM json_to_record(:draft::json) AS d(id uuid, cart_id uuid, channel_id bigint, cart_channel_id bigint,
            location_id bigint, customer_id uuid, currency text, prices_include_tax boolean, subtotal_minor bigint,
            discount_minor bigint, shipping_minor bigint, tax_minor bigint, total_minor bigint, email text,
            phone text, address jsonb, exchange_of uuid)
        RETURNING *
    ), new AS (
        SELECT id, channel_id FROM placed
    ), lines AS (
        INSERT INTO order_line (id, order_id, position, variant_id, sku, name, quantity, unit_minor, discount_minor,
            total_minor, tax_class, tax_rate)
        SELECT l.id, p.id, l.n, variant_id, sku, name, quantity, unit_minor, discount_minor, total_minor, tax_class,
            tax_rate
        FROM new p, ROWS FROM (json_to_recordset(:draft::json->'lines') AS (id uuid, variant_id bigint, sku text,
            name text, quantity bigint, unit_minor bigint, discount_minor bigint, total_minor bigint, tax_class text,
            tax_rate numeric)) WITH ORDINALITY AS l(id, variant_id, sku, name, quantity, unit_minor, discount_minor,
            total_minor, tax_class, tax_rate, n)
    ), taxes AS (
        INSERT INTO order_tax_line (order_id, rate, taxable_minor, tax_minor)
        SELECT p.id, rate, taxable_minor, tax_minor FROM new p, json_to_recordset(:draft::json->'tax_lines')
            AS t(rate numeric, taxable_minor bigint, tax_minor bigint)
    ), payments AS (
        INSERT INTO payment (id, order_id, method, status, amount_minor, captured_minor, tendered_minor, reference, key,
            capture_once)
        SELECT t.id, p.id, method, CASE WHEN captured_minor = amount_minor THEN 'PAID' ELSE 'AUTHORIZED' END,
            amount_minor, captured_minor, tendered_minor, reference, key, capture_once
        FROM new p, json_to_recordset(:payments::json) AS t(id uuid, method text, amount_minor bigint,
            captured_minor bigint, tendered_minor bigint, reference text, key text, capture_once boolean)
    ), timeline AS (
        INSERT INTO order_event (order_id, version, type, channel_id, actor, data)
        SELECT p.id, e.version, e.type, p.channel_id, :actor, e.data
        FROM new p, json_to_recordset(:timeline::json) AS e(version bigint, type text, data jsonb)
    )
    SELECT {ORDER_COLUMNS} FROM placed o
""")


def new_tender(
    method: str,
    amount_minor: int,
    reference: str | None = None,
    *,
    key: str | None = None,
    captured: bool = True,
    capture_once: bool = False,
    tendered_minor: int | None = None,
) -> Tender:
    """Return a tender with a new id."""
    return Tender(
        id=new_id(),
        method=method,
        amount_minor=amount_minor,
        reference=reference,
        key=key,
        captured_minor=amount_minor if captured else 0,
        capture_once=capture_once,
        tendered_minor=tendered_minor,
    )


def payment_status(tenders: Sequence[Tender]) -> PaymentStatus:
    """Return PAID where nothing is left to be captured, else AUTHORIZED."""
    paid = all(new_tender.status is PaymentStatus.PAID for new_tender in tenders)
    return PaymentStatus.PAID if paid else PaymentStatus.AUTHORIZED
