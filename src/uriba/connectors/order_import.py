"""Importing: orders that were placed and paid elsewhere become orders of the hub, each once, by the ordinary checkout.

An order is kept before it is tried. That it is placed, and that it was this number, is one transaction.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from uriba.cart import carts, fulfillment_methods, lines
from uriba.cart.addresses import Address
from uriba.cart.lines import NewLine
from uriba.cart.models import FulfillmentMethod
from uriba.cart.view import CartView
from uriba.checkout.completion import Checkout
from uriba.checkout.gateways.port import EXTERNAL
from uriba.checkout.request import Amount, CheckoutRequest, PaymentRequest
from uriba.connectors import order_inbox, sent_values
from uriba.connectors.external_orders import ExternalAddress, ExternalOrder, from_document
from uriba.connectors.leases import Held
from uriba.connectors.models import ImportStatus
from uriba.connectors.port import Connector, Page
from uriba.connectors.run_report import Report
from uriba.connectors.settings import ConnectorSettings
from uriba.core import money
from uriba.core.actor import Actor, Role
from uriba.core.errors import Code, DomainError, Problem, Refusals
from uriba.core.ids import new_secret_id
from uriba.db import Row, Session
from uriba.db.idempotency import WITHOUT_KEY

AT_ONCE = 20
"""Orders that are taken up together."""


class Decided(Exception):
    """Somebody else has decided this order, or it was brought anew."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a connector's orders come in, during one run. `began`: the run, `until`: its turn in the loop's time."""

    held: Held
    port: Connector
    row: Row
    channel: Row
    checkout: Checkout
    settings: ConnectorSettings
    report: Report
    began: datetime
    until: float

    @property
    def actor(self) -> Actor:
        return Actor(Role.SYSTEM, key_id=f"connector {self.row['code']}", channel_id=self.channel["id"])

    @property
    def over(self) -> bool:
        if asyncio.get_running_loop().time() >= self.until:
            self.report.more = True
        return self.report.more


async def bring(desk: Desk) -> None:
    """Fetch orders, place what can be placed, and answer. Errors: `ChannelFailed`, `leases.Lost`."""
    await _place_due(desk)
    cursor = desk.row["order_cursor"]
    while not desk.over:
        page = await desk.port.fetch_orders(cursor)
        cursor = page.cursor or cursor
        await _take_in(desk, page)
        if not page.more:
            break
    await _answer(desk)


async def _take_in(desk: Desk, page: Page) -> None:
    if not page.orders and page.source is None:
        return
    desk.report.orders_read += len(page.orders)
    numbers = [order.number for order in page.orders if order.number is not None]
    async with desk.held.writing() as session:
        await order_inbox.keep(session, desk.held.id, page.orders, term_s=desk.settings.order_term_s)
        await session.run(
            "UPDATE connector SET order_cursor = coalesce($2, order_cursor) WHERE id = $1", desk.held.id, page.cursor
        )
        other = await order_inbox.changed(session, desk.held.id, page.orders)
        # What was kept just now is due in this run.
        await session.run(
            "UPDATE connector_order SET next_at = $3 "
            "WHERE connector_id = $1 AND number = ANY($2) AND status = 'NEW' AND attempts = 0",
            desk.held.id,
            numbers,
            desk.began,
        )
    _report(desk, page, other)
    await _place_due(desk)
    async with desk.held.database.reading() as session:
        verdicts = await order_inbox.verdicts(session, desk.held.id, numbers)
    await desk.port.received(page, verdicts)


def _report(desk: Desk, page: Page, other: list[str]) -> None:
    for order in page.orders:
        if not isinstance(order, ExternalOrder):
            desk.report.refuse(kind="ORDER", subject=order.number, code=Code.INVALID, message=order.message)
    for number in other:
        code = Code.IDEMPOTENCY_KEY_REUSED
        desk.report.refuse(kind="ORDER", subject=number, code=code, message=order_inbox.CHANGED)


async def _place_due(desk: Desk) -> None:
    while not desk.over:
        async with desk.held.writing() as session:
            rows = await order_inbox.due(
                session, desk.held.id, before=desk.began, retry_s=desk.settings.order_retry_s, limit=AT_ONCE
            )
        for row in rows:
            await place(desk, row)
        if len(rows) < AT_ONCE:
            return


async def place(desk: Desk, row: Row) -> None:
    """Have an order placed, or write down why it is not."""
    order = from_document(row["document"])
    try:
        await complete(desk, row, order)
        desk.report.orders_placed += 1
    except Decided:
        return
    except DomainError as refused:
        problem = refused.problems[0]
        async with desk.held.writing() as session:
            await order_inbox.not_placed(
                session, row, code=problem.code, message=problem.message, again=_passes(problem)
            )
        desk.report.refuse(kind="ORDER", subject=order.number, code=problem.code, message=problem.message)


def _passes(problem: Problem) -> bool:
    """Whether waiting may help: goods come in, and a crowd that wants the same goes away."""
    return problem.code is Code.OUT_OF_STOCK or problem.path == ("cartId",)


async def complete(desk: Desk, row: Row, order: ExternalOrder) -> Row:
    """The order's row. Errors: `Decided`, and those of carts and of the checkout."""
    paid = Amount(order.paid, order.currency)
    cart_id = new_secret_id()
    free = money.to_minor(order.paid, desk.channel["currency"], "paid") == 0

    async def begin(session: Session) -> None:
        if not await order_inbox.lock(session, row):
            raise Decided
        await _fill(session, desk, order, cart_id=cart_id)
        order_inbox.placed(session, row, cart_id=cart_id)

    return await desk.checkout.complete(
        actor=desk.actor,
        call=WITHOUT_KEY,
        requested=CheckoutRequest(
            cart_id=cart_id,
            idempotency_key=order.number,
            payments=() if free else (PaymentRequest(EXTERNAL, paid, reference=order.number),),
            expected_total=paid,
            email=order.email,
            phone=order.phone,
        ),
        before=begin,
    )


async def _fill(session: Session, desk: Desk, order: ExternalOrder, *, cart_id: UUID) -> None:
    """The cart that the customer had elsewhere. Errors: those of carts, a PRICE_CHANGED for each price that differs."""
    begun = await carts.create(session, actor=desk.actor, channel_id=desk.channel["id"], cart_id=cart_id)
    wanted = [NewLine(line.sku, None, line.quantity) for line in order.lines]
    cart = await lines.add(session, actor=desk.actor, cart_id=begun, lines=wanted)
    _refuse_other_prices(cart, order)
    if order.address is not None:
        await fulfillment_methods.choose(
            session,
            actor=desk.actor,
            cart_id=begun,
            line_ids=None,
            method=FulfillmentMethod.SHIP,
            location=None,
            address=_address(order.address),
        )


def _refuse_other_prices(cart: CartView, order: ExternalOrder) -> None:
    refusals = Refusals()
    costs = {line.variant["sku"]: line.unit_minor for line in cart.lines}
    currency = cart.terms.currency
    if order.currency != currency:
        refusals.add(Code.CURRENCY_MISMATCH, f"This channel sells in {currency}.", "currency")
    refusals.raise_any()
    for index, line in enumerate(order.lines):
        said = money.to_minor(line.unit_price, currency, "lines", index, "unitPrice")
        if said != costs[line.sku]:
            here = money.to_decimal(costs[line.sku], currency)
            message = f"{line.sku} costs {here} {currency} here, and {line.unit_price} in the order."
            refusals.add(Code.PRICE_CHANGED, message, "lines", index, "unitPrice")
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


async def _answer(desk: Desk) -> None:
    """Tell the channel what became of its orders, until it knows of all that are decided."""
    while True:
        async with desk.held.writing() as session:
            numbers = await order_inbox.unanswered(session, desk.held.id)
            if not numbers:
                return
            told = await order_inbox.verdicts(session, desk.held.id, numbers)
            number = await sent_values.next_number(session, desk.held.id)
        desk.report.attempts += 1
        await desk.port.acknowledge(number, told)
        async with desk.held.writing() as session:
            await order_inbox.answered(
                session, desk.held.id, [one for one in told if one.status is not ImportStatus.WAITING]
            )
