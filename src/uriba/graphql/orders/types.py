"""Orders, their timeline and their promotions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry
from strawberry.scalars import JSON

from uriba.core import pages
from uriba.core.ids import global_id
from uriba.graphql.catalog.types import Channel, Location, load_channel, load_location
from uriba.graphql.connections import connect
from uriba.graphql.context import Info
from uriba.graphql.customers.types import Customer, load_customer
from uriba.graphql.orders.fulfillments import Fulfillment, fulfillment_of
from uriba.graphql.orders.lines import OrderLine, TaxLine, line_of, tax_line_of
from uriba.graphql.orders.payments import Payment, Refund, payment_of, refund_of
from uriba.graphql.orders.returns import Return, return_of
from uriba.graphql.scalars import Money, Node, PageInfo, money_of
from uriba.orders.enums import OrderStatus, PaymentStatus
from uriba.orders.rows import OrderPromotionRow, OrderRow, TimelineRow
from uriba.orders.search import OrderFilter, find_orders
from uriba.outbox import registry

strawberry.enum(OrderStatus, description="The status of an order: OPEN while any unit is still to be handed over.")


@strawberry.type(description="A line of an order's timeline.")
class OrderEvent:
    type: str
    at: datetime
    channel: str | None
    actor: str | None
    data: JSON | None
    message: str = strawberry.field(description="The event as a sentence.")


def event_of(row: TimelineRow) -> OrderEvent:
    return OrderEvent(
        type=row.type,
        at=row.at,
        channel=row.channel,
        actor=row.actor,
        data=JSON(row.data),
        message=registry.message(row.type, row.data),
    )


@strawberry.type(description="The discount of a promotion on an order.")
class OrderPromotion:
    code: str
    name: str
    coupon: str | None
    amount: Money


def promotion_of(row: OrderPromotionRow) -> OrderPromotion:
    return OrderPromotion(
        code=row.promotion,
        name=row.name,
        coupon=row.coupon,
        amount=money_of(row.amount_minor, row.currency),
    )


@strawberry.type(description="An order. It is not edited: it can be cancelled, fulfilled, returned and refunded.")
class Order(Node):
    row: strawberry.Private[OrderRow]
    id: strawberry.ID
    number: str
    status: OrderStatus
    payment_status: PaymentStatus
    subtotal: Money
    discount: Money
    tax: Money
    shipping: Money
    total: Money
    refunded: Money
    receipt: str | None = strawberry.field(description="The number of the receipt that a till printed.")
    placed_at: datetime

    @strawberry.field(description="The channel of the checkout.")
    async def channel(self, info: Info) -> Channel:
        return await load_channel(info, self.row.channel_id)

    @strawberry.field(description="The channel where the cart was created.")
    async def cart_channel(self, info: Info) -> Channel:
        return await load_channel(info, self.row.cart_channel_id)

    @strawberry.field(description="The store of an in-store checkout.")
    async def location(self, info: Info) -> Location | None:
        key = self.row.location_id
        return None if key is None else await load_location(info, key)

    @strawberry.field
    async def customer(self, info: Info) -> Customer | None:
        return await load_customer(info, self.row.customer_id)

    @strawberry.field
    async def lines(self, info: Info) -> list[OrderLine]:
        return [line_of(row) for row in await info.context.loaders.lines_of_order.get(self.row.id) or ()]

    @strawberry.field
    async def fulfillments(self, info: Info) -> list[Fulfillment]:
        rows = await info.context.loaders.fulfillments_of_order.get(self.row.id)
        return [fulfillment_of(row) for row in rows or ()]

    @strawberry.field
    async def payments(self, info: Info) -> list[Payment]:
        return [payment_of(row) for row in await info.context.loaders.payments_of_order.get(self.row.id) or ()]

    @strawberry.field(description="Refunds, oldest first.")
    async def refunds(self, info: Info) -> list[Refund]:
        return [refund_of(row) for row in await info.context.loaders.refunds_of_order.get(self.row.id) or ()]

    @strawberry.field(description="The discounts of promotions, in the order in which they were applied.")
    async def promotions(self, info: Info) -> list[OrderPromotion]:
        rows = await info.context.loaders.promotions_of_order.get(self.row.id)
        return [promotion_of(row) for row in rows or ()]

    @strawberry.field(description="The order whose units were exchanged for this order.")
    async def exchange_of(self, info: Info) -> Annotated[Order, strawberry.lazy("uriba.graphql.orders.types")] | None:
        key = self.row.exchange_of
        row = await info.context.loaders.order.get(key) if key else None
        return order_of(row) if row else None

    @strawberry.field(description="Returns, oldest first.")
    async def returns(self, info: Info) -> list[Return]:
        return [return_of(row) for row in await info.context.loaders.returns_of_order.get(self.row.id) or ()]

    @strawberry.field(description="Net and tax by rate, each rounded once.")
    async def tax_lines(self, info: Info) -> list[TaxLine]:
        return [tax_line_of(row) for row in await info.context.loaders.tax_lines_of_order.get(self.row.id) or ()]

    @strawberry.field(description="All changes of the order, oldest first.")
    async def timeline(self, info: Info) -> list[OrderEvent]:
        return [event_of(row) for row in await info.context.loaders.timeline_of_order.get(self.row.id) or ()]


def order_of(row: OrderRow) -> Order:
    currency = row.currency
    return Order(
        row=row,
        id=strawberry.ID(global_id("Order", row.id)),
        number=row.number,
        status=OrderStatus(row.status),
        payment_status=PaymentStatus(row.payment_status),
        subtotal=money_of(row.subtotal_minor, currency),
        discount=money_of(row.discount_minor, currency),
        tax=money_of(row.tax_minor, currency),
        shipping=money_of(row.shipping_minor, currency),
        total=money_of(row.total_minor, currency),
        refunded=money_of(row.refunded_minor, currency),
        receipt=row.receipt,
        placed_at=row.placed_at,
    )


@strawberry.type
class OrderEdge:
    node: Order
    cursor: str


@strawberry.type
class OrderConnection:
    edges: list[OrderEdge]
    page_info: PageInfo


async def page_of_orders(info: Info, order_filter: OrderFilter, *, first: int, after: str | None) -> OrderConnection:
    """Return a page of orders. The caller has checked that the actor may list them."""
    size = pages.check_first(first)
    async with info.context.reading() as session:
        rows = await find_orders(session, order_filter, first=size, after=pages.after_uuid(after))
    page = pages.page(rows, first=size, after=after, key=lambda row: row.id)
    return connect(OrderConnection, OrderEdge, page, order_of)  # type: ignore[no-any-return]
