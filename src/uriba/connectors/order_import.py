"""Order import: orders that were placed and paid at a channel become orders of the hub by the usual checkout.

Each is placed once: it is stored before it is tried, and one transaction places it and records its number as placed.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from uriba.cart import carts, fulfillment_methods, lines
from uriba.cart.addresses import Address
from uriba.cart.enums import FulfillmentMethod
from uriba.cart.lines import NewLine
from uriba.cart.view import CartView
from uriba.checkout.completion import Checkout
from uriba.checkout.gateways.port import EXTERNAL
from uriba.checkout.request import Amount, CheckoutRequest, PaymentRequest
from uriba.connectors import order_inbox, sent_values
from uriba.connectors.connector_records import ConnectorRecord
from uriba.connectors.enums import ImportStatus
from uriba.connectors.external_orders import ExternalAddress, ExternalOrder, UnreadableOrder, from_document
from uriba.connectors.leases import ConnectorLease
from uriba.connectors.order_inbox import StoredOrder
from uriba.connectors.port import ConnectorPort, OrderPage
from uriba.connectors.run_report import RunReport
from uriba.connectors.settings import ConnectorSettings
from uriba.core import money
from uriba.core.actor import Actor, Role
from uriba.core.errors import Code, DomainError, Problem, Refusals
from uriba.core.ids import new_secret_id
from uriba.db import Row, Session
from uriba.db.idempotency import WITHOUT_KEY
from uriba.db.statements import statement
from uriba.orders.rows import OrderRow

ORDERS_AT_ONCE = 20
"""Orders that are read together to be placed."""


class AlreadyDecided(Exception):
    """Another caller has decided this order, or it was replaced."""


@dataclass(frozen=True, slots=True)
class ImportContext:
    """The order import of one run. `began`: its start; `until`: the end of its time, by the event loop's clock."""

    lease: ConnectorLease
    port: ConnectorPort
    connector: ConnectorRecord
    channel: Row
    checkout: Checkout
    settings: ConnectorSettings
    report: RunReport
    began: datetime
    until: float

    @property
    def actor(self) -> Actor:
        return Actor(Role.SYSTEM, key_id=f"connector {self.connector.code}", channel_id=self.channel["id"])

    def is_time_over(self) -> bool:
        """Return whether the run's time is over, which its report then says."""
        if asyncio.get_running_loop().time() >= self.until:
            self.report.more = True
        return self.report.more


async def import_orders_and_commit(context: ImportContext) -> None:
    """Fetch orders, place them, and acknowledge their outcomes. Errors: `ChannelFailed`, `LeaseLost`."""
    await _place_due_and_commit(context)
    cursor = context.connector.order_cursor
    while not context.is_time_over():
        page = await context.port.fetch_orders(cursor)
        cursor = page.cursor or cursor
        await _import_page_and_commit(context, page)
        if not page.more:
            break
    await _acknowledge_and_commit(context)


async def _import_page_and_commit(context: ImportContext, page: OrderPage) -> None:
    if not page.orders and page.source is None:
        return
    connector_id = context.lease.connector_id
    context.report.orders_read += len(page.orders)
    numbers = [order.number for order in page.orders if order.number is not None]
    async with context.lease.writing() as session:
        await order_inbox.store(session, connector_id, page.orders, term_s=context.settings.order_term_s)
        await session.run(_SAVE_CURSOR, connector_id=connector_id, cursor=page.cursor)
        changed = await order_inbox.placed_with_other_content(session, connector_id, page.orders)
        await order_inbox.make_new_due(session, connector_id, numbers, at=context.began)
    _report_refused(context.report, page, changed)
    await _place_due_and_commit(context)
    async with context.lease.database.reading() as session:
        outcomes = await order_inbox.outcomes(session, connector_id, numbers)
    await context.port.confirm_received(page, outcomes)


_SAVE_CURSOR = statement("""
    UPDATE connector SET order_cursor = coalesce(:cursor, order_cursor) WHERE id = :connector_id
""")


def _report_refused(report: RunReport, page: OrderPage, changed: list[str]) -> None:
    """Report unreadable orders, and those whose number was placed with other content."""
    for order in page.orders:
        if isinstance(order, UnreadableOrder):
            report.add_refusal(kind="ORDER", subject=order.number, code=Code.INVALID, message=order.message)
    for number in changed:
        code = Code.IDEMPOTENCY_KEY_REUSED
        report.add_refusal(kind="ORDER", subject=number, code=code, message=order_inbox.CONTENT_CHANGED)


async def _place_due_and_commit(context: ImportContext) -> None:
    while not context.is_time_over():
        async with context.lease.writing() as session:
            due = await order_inbox.take_due(
                session,
                context.lease.connector_id,
                began=context.began,
                retry_s=context.settings.order_retry_s,
                limit=ORDERS_AT_ONCE,
            )
        for stored in due:
            await place_and_commit(context, stored)
        if len(due) < ORDERS_AT_ONCE:
            return


async def place_and_commit(context: ImportContext, stored: StoredOrder) -> None:
    """Place an order, or record why it was not placed."""
    order = from_document(stored.document)
    try:
        await check_out_and_commit(context, stored, order)
        context.report.orders_placed += 1
    except AlreadyDecided:
        return
    except DomainError as refused:
        problem = refused.problems[0]
        async with context.lease.writing() as session:
            await order_inbox.record_not_placed(
                session, stored, code=problem.code, message=problem.message, may_wait=_may_succeed_later(problem)
            )
        context.report.add_refusal(kind="ORDER", subject=order.number, code=problem.code, message=problem.message)


def _may_succeed_later(problem: Problem) -> bool:
    """Return whether another attempt may succeed: when stock arrives, or when fewer customers buy the same items."""
    return problem.code is Code.OUT_OF_STOCK or problem.path == ("cartId",)


async def check_out_and_commit(context: ImportContext, stored: StoredOrder, order: ExternalOrder) -> OrderRow:
    """Check out an order, and return the hub's order. Errors: `AlreadyDecided`; those of carts and the checkout."""
    paid = Amount(order.paid, order.currency)
    cart_id = new_secret_id()
    is_free = money.to_minor(order.paid, context.channel["currency"], "paid") == 0

    async def create_cart(session: Session) -> None:
        if not await order_inbox.lock(session, stored):
            raise AlreadyDecided
        await _create_cart(session, context, order, cart_id=cart_id)
        order_inbox.record_placed(session, stored, cart_id=cart_id)

    return await context.checkout.complete(
        actor=context.actor,
        call=WITHOUT_KEY,
        requested=CheckoutRequest(
            cart_id=cart_id,
            idempotency_key=order.number,
            payments=() if is_free else (PaymentRequest(EXTERNAL, paid, reference=order.number),),
            expected_total=paid,
            email=order.email,
            phone=order.phone,
        ),
        before=create_cart,
    )


async def _create_cart(session: Session, context: ImportContext, order: ExternalOrder, *, cart_id: UUID) -> None:
    """Create the cart of an order. Errors: those of carts; `PRICE_CHANGED` for each price that differs."""
    actor = context.actor
    await carts.create(session, actor=actor, channel_id=context.channel["id"], cart_id=cart_id)
    new_lines = [NewLine(line.sku, None, line.quantity) for line in order.lines]
    cart = await lines.add(session, actor=actor, cart_id=cart_id, lines=new_lines)
    _refuse_other_prices(cart, order)
    if order.address is not None:
        await fulfillment_methods.choose(
            session,
            actor=actor,
            cart_id=cart_id,
            line_ids=None,
            method=FulfillmentMethod.SHIP,
            location=None,
            address=_address(order.address),
        )


def _refuse_other_prices(cart: CartView, order: ExternalOrder) -> None:
    refusals = Refusals()
    unit_prices = {line.variant["sku"]: line.unit_minor for line in cart.lines}
    currency = cart.terms.currency
    if order.currency != currency:
        refusals.add(Code.CURRENCY_MISMATCH, f"This channel sells in {currency}.", "currency")
    refusals.raise_any()
    for index, line in enumerate(order.lines):
        path = ("lines", index, "unitPrice")
        if money.to_minor(line.unit_price, currency, *path) != unit_prices[line.sku]:
            price = money.to_decimal(unit_prices[line.sku], currency)
            message = f"The price of {line.sku} is {price} {currency}, and the order has {line.unit_price}."
            refusals.add(Code.PRICE_CHANGED, message, *path)
    refusals.raise_any()


def _address(address: ExternalAddress) -> Address:
    return Address(
        name=address.name,
        line1=address.line1,
        line2=address.line2,
        city=address.city,
        region=address.region,
        postal_code=address.postal_code,
        country=address.country,
        phone=address.phone,
    )


async def _acknowledge_and_commit(context: ImportContext) -> None:
    """Report the outcomes of all decided orders that the channel has not received."""
    connector_id = context.lease.connector_id
    while True:
        async with context.lease.writing() as session:
            numbers = await order_inbox.unacknowledged(session, connector_id)
            if not numbers:
                return
            outcomes = await order_inbox.outcomes(session, connector_id, numbers)
            number = await sent_values.next_number(session, connector_id)
        context.report.attempts += 1
        await context.port.acknowledge(number, outcomes)
        decided = [outcome for outcome in outcomes if outcome.status is not ImportStatus.WAITING]
        async with context.lease.writing() as session:
            await order_inbox.record_acknowledged(session, connector_id, decided)
