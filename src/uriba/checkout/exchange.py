"""Exchange: goods come back and others go out, in one document, and only the difference is paid, either way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from uuid import UUID

import msgspec

from uriba.cart import carts
from uriba.cart.events import CartOrdered, cart_subject
from uriba.cart.models import CartStatus
from uriba.cart.view import CartView
from uriba.checkout import order_draft, payment_attempts, request, stored_value_tenders
from uriba.checkout.errors import PaymentMismatch
from uriba.checkout.gateways import PaymentGateway
from uriba.checkout.order_draft import Plan
from uriba.checkout.request import CheckoutRequest, Contact, Tendered
from uriba.core import money as amounts
from uriba.core.actor import Actor
from uriba.core.errors import Invalid, InvalidState
from uriba.db import Session
from uriba.fulfillment import returns
from uriba.fulfillment.allocation import initial, level_locks
from uriba.fulfillment.returns import RecordedReturn, ReturnRequest
from uriba.inventory import ledger
from uriba.inventory.errors import LedgerRefused, OutOfStock
from uriba.orders import payments, placement
from uriba.orders.payments import PaymentReason
from uriba.outbox import emit

EXCHANGE = "EXCHANGE"
"""The tender of an order that what came back has paid for; its reference is the number of the order it came from."""


@dataclass(frozen=True, slots=True)
class Exchanged:
    """The ids of an exchange: its new order and its return."""

    order_id: UUID
    return_id: UUID


async def exchange(
    session: Session,
    *,
    ids: Exchanged,
    actor: Actor,
    back: ReturnRequest,
    out: CheckoutRequest,
    gateways: Mapping[str, PaymentGateway],
) -> None:
    """Take goods back and make the cart an order, at a till, in one transaction. What came back pays first.

    A difference to pay is paid in cash or from the customer's own balance; one to give back goes to where the first
    order's money came from.

    Errors: those of `returns.take` and of a checkout; `Invalid` for a payment provider, `PaymentMismatch`.
    """
    order_id, return_id = ids.order_id, ids.return_id
    cart = await carts.lock(session, cart_id=out.cart_id, actor=actor, status=CartStatus.ORDERED)
    tenders = _tenders(out, cart, actor, gateways)
    taken = await returns.record(session, back, return_id=return_id, actor=actor)
    if taken.snapshot.order["currency"] != cart.terms.currency:
        raise InvalidState("These goods were bought in another currency.", "orderId")
    contact = Contact(taken.snapshot.order["email"], taken.snapshot.order["phone"])
    made = await order_draft.make(session, order_id=order_id, cart=cart, actor=actor, contact=contact)
    made = replace(made, draft=msgspec.structs.replace(made.draft, exchange_of=taken.snapshot.order["id"]))
    covered = min(taken.credit_minor, made.draft.total_minor)
    _check(tenders, made.draft.total_minor - covered, cart.terms.currency)
    tenders = await stored_value_tenders.taken(session, made.draft, tenders, actor=actor.label)
    await payments.apply_to_exchange(session, taken.snapshot.order, covered, actor=actor.label, return_id=return_id)
    await payments.refund(
        session,
        taken.snapshot.order,
        taken.credit_minor - covered,
        reason=PaymentReason.RETURNED,
        actor=actor.label,
        at_till=True,
        return_id=return_id,
    )
    await _place(session, cart, made, taken, tenders, covered, actor)
    try:
        await _move_stock(session, made, taken, back, actor)
    except LedgerRefused as refused:
        raise OutOfStock("Not all of these items are in stock at this location.", "cartId") from refused


def _tenders(
    out: CheckoutRequest, cart: CartView, actor: Actor, gateways: Mapping[str, PaymentGateway]
) -> list[Tendered]:
    for index, payment in enumerate(out.payments):
        if payment.method in gateways:
            raise Invalid("The difference of an exchange is paid in cash.", "payments", index, "method")
    return request.tendered(out, currency=cart.terms.currency, actor=actor, gateways=gateways)


def _check(tenders: list[Tendered], due_minor: int, currency: str) -> None:
    if (paid := sum(tender.amount_minor for tender in tenders)) != due_minor:
        due, given = amounts.to_decimal(due_minor, currency), amounts.to_decimal(paid, currency)
        raise PaymentMismatch(f"The payments add up to {given}, the difference is {due} {currency}.", "payments")


async def _place(
    session: Session,
    cart: CartView,
    made: Plan,
    taken: RecordedReturn,
    tenders: list[Tendered],
    covered: int,
    actor: Actor,
) -> None:
    paid = [placement.new_tender(EXCHANGE, covered, taken.snapshot.order["number"])] if covered else []
    paid += [
        placement.new_tender(t.method, t.amount_minor, t.reference, tendered_minor=t.tendered_minor) for t in tenders
    ]
    data = {"status": cart.status, "version": cart.version, "order": str(made.draft.id)}
    emit(session, CartOrdered(cart_subject(cart.id), cart.events, data))
    await payment_attempts.place(session, made.draft, made.parcels, tenders=paid, actor=actor.label)
    await session.run("UPDATE order_return SET exchange_order_id = $2 WHERE id = $1", taken.id, made.draft.id)


async def _move_stock(session: Session, made: Plan, taken: RecordedReturn, back: ReturnRequest, actor: Actor) -> None:
    """Both movements, on levels that are locked together: in one order, whatever comes back and goes out."""
    out = initial.stock_movements(made.parcels)
    here = [(line.variant_id, taken.location_id) for line in taken.snapshot.lines]
    await ledger.open_levels(session, here)
    await level_locks.lock(session, {*here, *((m.variant_id, m.location_id) for m in out)})
    await returns.restock(session, taken, back.lines, actor=actor.label)
    await ledger.post(session, out, reference=f"order:{made.draft.id}", actor=actor.label)
