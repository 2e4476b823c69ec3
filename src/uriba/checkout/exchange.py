"""Exchanges: a return and a new order in one transaction, where only the difference is paid or refunded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from uuid import UUID

import msgspec

from uriba.cart import carts
from uriba.cart.enums import CartStatus
from uriba.cart.events import CartOrdered, cart_subject
from uriba.cart.view import CartView
from uriba.checkout import order_draft, payment_attempts, request, stored_value_tenders
from uriba.checkout.errors import PaymentMismatch
from uriba.checkout.gateways import PaymentGateway
from uriba.checkout.order_draft import OrderPlan
from uriba.checkout.request import CheckedTender, CheckoutRequest, Contact
from uriba.core import money as amounts
from uriba.core.actor import Actor
from uriba.core.errors import Invalid, InvalidState
from uriba.db import Session
from uriba.fulfillment import returns
from uriba.fulfillment.allocation import initial
from uriba.fulfillment.returns import RecordedReturn, ReturnRequest
from uriba.inventory import ledger
from uriba.inventory.errors import LedgerRefused, OutOfStock
from uriba.orders import payments, placement
from uriba.orders import returns as order_returns
from uriba.orders.payments import PaymentReason
from uriba.outbox import emit

EXCHANGE = "EXCHANGE"
"""The tender of an order that is paid with returned goods. Its reference is the number of their order."""


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
    """Record the return and turn the cart into an order, at a till. The credit of the return pays first.

    `back`: the goods that come back; `out`: the checkout of the new order. A difference to pay is paid in cash, by
    gift card or with points; a difference to refund goes to the tenders of the returned goods' order.

    Errors: those of `returns.take` and of a checkout; `Invalid` for a payment provider, `PaymentMismatch`.
    """
    order_id, return_id = ids.order_id, ids.return_id
    cart = await carts.lock(session, cart_id=out.cart_id, actor=actor, status=CartStatus.ORDERED)
    tenders = _tenders(out, cart, actor, gateways)
    returned = await returns.record(session, back, return_id=return_id, actor=actor)
    if returned.snapshot.order.currency != cart.terms.currency:
        raise InvalidState(
            "The returned goods were bought in another currency. Return them without an exchange.", "orderId"
        )
    contact = Contact(returned.snapshot.order.email, returned.snapshot.order.phone)
    plan = await order_draft.plan_order(session, order_id=order_id, cart=cart, actor=actor, contact=contact)
    plan = replace(plan, draft=msgspec.structs.replace(plan.draft, exchange_of=returned.snapshot.order.id))
    covered = min(returned.credit_minor, plan.draft.total_minor)
    _check_difference(tenders, plan.draft.total_minor - covered, cart.terms.currency)
    tenders = await stored_value_tenders.debit(session, plan.draft, tenders, actor=actor.label)
    await payments.apply_to_exchange(session, returned.snapshot.order, covered, actor=actor.label, return_id=return_id)
    await payments.refund(
        session,
        returned.snapshot.order,
        returned.credit_minor - covered,
        reason=PaymentReason.RETURNED,
        actor=actor.label,
        at_till=True,
        return_id=return_id,
    )
    await _place(session, cart, plan, returned, tenders, covered, actor)
    try:
        await _move_stock(session, plan, returned, back, actor)
    except LedgerRefused as refused:
        raise OutOfStock("Not all of these items are in stock at this location.", "cartId") from refused


def _tenders(
    out: CheckoutRequest, cart: CartView, actor: Actor, gateways: Mapping[str, PaymentGateway]
) -> list[CheckedTender]:
    for index, payment in enumerate(out.payments):
        if payment.method in gateways:
            raise Invalid(
                "The difference of an exchange can be paid in cash or with stored value, not by a payment provider.",
                "payments",
                index,
                "method",
            )
    return request.check_tenders(out, currency=cart.terms.currency, actor=actor, gateways=gateways)


def _check_difference(tenders: list[CheckedTender], due_minor: int, currency: str) -> None:
    if (paid := sum(tender.amount_minor for tender in tenders)) != due_minor:
        due, sum_paid = amounts.to_decimal(due_minor, currency), amounts.to_decimal(paid, currency)
        raise PaymentMismatch(
            f"The payments add up to {sum_paid} {currency}, but the difference is {due} {currency}.", "payments"
        )


async def _place(
    session: Session,
    cart: CartView,
    plan: OrderPlan,
    returned: RecordedReturn,
    tenders: list[CheckedTender],
    covered: int,
    actor: Actor,
) -> None:
    paid = [placement.new_tender(EXCHANGE, covered, returned.snapshot.order.number)] if covered else []
    paid += [
        placement.new_tender(t.method, t.amount_minor, t.reference, tendered_minor=t.tendered_minor) for t in tenders
    ]
    data = {"status": cart.status, "version": cart.version, "order": str(plan.draft.id)}
    emit(session, CartOrdered(cart_subject(cart.id), cart.events, data))
    await payment_attempts.place(session, plan.draft, plan.fulfillments, tenders=paid, actor=actor.label)
    await order_returns.set_exchange_order(session, returned.id, order_id=plan.draft.id)


async def _move_stock(
    session: Session, plan: OrderPlan, returned: RecordedReturn, back: ReturnRequest, actor: Actor
) -> None:
    """Post what comes back and what goes out. All levels are locked together first, in one order."""
    outgoing = initial.stock_movements(plan.fulfillments)
    here = [(line.variant_id, returned.location_id) for line in returned.snapshot.lines]
    await ledger.open_levels(session, here)
    await ledger.lock_levels(session, {*here, *((m.variant_id, m.location_id) for m in outgoing)})
    await returns.restock(session, returned, back.lines, actor=actor.label)
    await ledger.post(session, outgoing, reference=f"order:{plan.draft.id}", actor=actor.label)
