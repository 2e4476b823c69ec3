"""Types of orders."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from uriba.cart.models import FulfillmentMethod
from uriba.core import pages
from uriba.core.ids import global_id
from uriba.fulfillment.models import FulfillmentStatus
from uriba.graphql.catalog.types import Channel, Location, Variant, load_channel, load_location, load_variant
from uriba.graphql.connections import connect
from uriba.graphql.context import Info
from uriba.graphql.customers.types import Customer, load_customer
from uriba.graphql.scalars import DecimalString, Money, Node, PageInfo, money_of
from uriba.orders import queries
from uriba.orders.models import OrderStatus, PaymentStatus

strawberry.enum(OrderStatus, description="OPEN while anything is still to be handed over.")
strawberry.enum(PaymentStatus, description="How far the money is.")
strawberry.enum(FulfillmentStatus, description="How far the goods are.")


@strawberry.type(description="Units as they were bought: name and price stay what they were.")
class OrderLine:
    variant_key: strawberry.Private[int]
    id: strawberry.ID
    sku: str
    name: str
    quantity: int
    returned_quantity: int
    unit_price: Money
    discount: Money
    total: Money

    @strawberry.field
    async def variant(self, info: Info) -> Variant:
        return await load_variant(info, self.variant_key)


def line_of(row: Mapping[str, Any]) -> OrderLine:
    currency = row["currency"]
    return OrderLine(
        variant_key=row["variant_id"],
        id=strawberry.ID(global_id("OrderLine", row["id"])),
        sku=row["sku"],
        name=row["name"],
        quantity=row["quantity"],
        returned_quantity=row["returned_quantity"],
        unit_price=money_of(row["unit_minor"], currency),
        discount=money_of(row["discount_minor"], currency),
        total=money_of(row["total_minor"], currency),
    )


@strawberry.type(description="One rate: taxable is net, taxable + tax is the gross of that rate.")
class TaxLine:
    rate: DecimalString
    taxable: Money
    tax: Money


def tax_line_of(row: Mapping[str, Any]) -> TaxLine:
    return TaxLine(
        rate=DecimalString(f"{row['rate'].normalize():f}"),
        taxable=money_of(row["taxable_minor"], row["currency"]),
        tax=money_of(row["tax_minor"], row["currency"]),
    )


@strawberry.type(description="Units of an order's line within a fulfillment.")
class FulfillmentLine:
    line_key: strawberry.Private[UUID]
    quantity: int

    @strawberry.field
    async def order_line(self, info: Info) -> OrderLine:
        return line_of(await info.context.loaders.order_line.get(self.line_key))  # type: ignore[arg-type]


@strawberry.type(description="A part of an order that one location handles in one way.")
class Fulfillment(Node):
    key: strawberry.Private[UUID]
    location_key: strawberry.Private[int]
    id: strawberry.ID
    method: FulfillmentMethod
    status: FulfillmentStatus
    tracking: str | None

    @strawberry.field
    async def location(self, info: Info) -> Location | None:
        return await load_location(info, self.location_key)

    @strawberry.field
    async def lines(self, info: Info) -> list[FulfillmentLine]:
        rows = await info.context.loaders.lines_of_fulfillment.get(self.key)
        return [FulfillmentLine(line_key=row["order_line_id"], quantity=row["quantity"]) for row in rows or ()]


def fulfillment_of(row: Mapping[str, Any]) -> Fulfillment:
    return Fulfillment(
        key=row["id"],
        location_key=row["location_id"],
        id=strawberry.ID(global_id("Fulfillment", row["id"])),
        method=FulfillmentMethod(row["method"]),
        status=FulfillmentStatus(row["status"]),
        tracking=row["tracking"],
    )


@strawberry.type(description="Money for an order, by one tender.")
class Payment(Node):
    id: strawberry.ID
    method: str
    status: PaymentStatus
    amount: Money
    reference: str | None


def payment_of(row: Mapping[str, Any]) -> Payment:
    return Payment(
        id=strawberry.ID(global_id("Payment", row["id"])),
        method=row["method"],
        status=PaymentStatus(row["status"]),
        amount=money_of(row["amount_minor"], row["currency"]),
        reference=row["reference"],
    )


@strawberry.type(description="Units of an order's line that came back.")
class ReturnLine:
    line_key: strawberry.Private[UUID]
    quantity: int
    restocked: bool = strawberry.field(description="Fit for sale again, and counted so.")

    @strawberry.field
    async def order_line(self, info: Info) -> OrderLine:
        return line_of(await info.context.loaders.order_line.get(self.line_key))  # type: ignore[arg-type]


@strawberry.type(description="Goods that came back to a location, and what was paid back for them.")
class Return(Node):
    key: strawberry.Private[UUID]
    location_key: strawberry.Private[int]
    id: strawberry.ID
    refund: Money
    created_at: datetime

    @strawberry.field
    async def location(self, info: Info) -> Location:
        return await load_location(info, self.location_key)

    @strawberry.field
    async def lines(self, info: Info) -> list[ReturnLine]:
        rows = await info.context.loaders.lines_of_return.get(self.key)
        return [
            ReturnLine(line_key=row["order_line_id"], quantity=row["quantity"], restocked=row["restocked"])
            for row in rows or ()
        ]


def return_of(row: Mapping[str, Any]) -> Return:
    return Return(
        key=row["id"],
        location_key=row["location_id"],
        id=strawberry.ID(global_id("Return", row["id"])),
        refund=money_of(row["refund_minor"], row["currency"]),
        created_at=row["created_at"],
    )


@strawberry.type(description="One line of an order's story.")
class OrderEvent:
    type: str
    at: datetime
    channel: str | None
    actor: str | None
    data: JSON | None


def event_of(row: Mapping[str, Any]) -> OrderEvent:
    return OrderEvent(
        type=row["type"],
        at=row["at"],
        channel=row["channel"],
        actor=row["actor"],
        data=JSON(row["data"]),
    )


@strawberry.type(description="What was agreed; never edited.")
class Order(Node):
    row: strawberry.Private[Mapping[str, Any]]
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
    receipt: str | None = strawberry.field(description="The number that a till printed.")
    placed_at: datetime

    @strawberry.field(description="Where it was checked out.")
    async def channel(self, info: Info) -> Channel:
        return await load_channel(info, self.row["channel_id"])

    @strawberry.field(description="Where its cart began.")
    async def cart_channel(self, info: Info) -> Channel:
        return await load_channel(info, self.row["cart_channel_id"])

    @strawberry.field(description="The store of an in-store checkout.")
    async def location(self, info: Info) -> Location | None:
        key = self.row["location_id"]
        return None if key is None else await load_location(info, key)

    @strawberry.field
    async def customer(self, info: Info) -> Customer | None:
        return await load_customer(info, self.row["customer_id"])

    @strawberry.field
    async def lines(self, info: Info) -> list[OrderLine]:
        return [line_of(row) for row in await info.context.loaders.lines_of_order.get(self.row["id"]) or ()]

    @strawberry.field
    async def fulfillments(self, info: Info) -> list[Fulfillment]:
        rows = await info.context.loaders.fulfillments_of_order.get(self.row["id"])
        return [fulfillment_of(row) for row in rows or ()]

    @strawberry.field
    async def payments(self, info: Info) -> list[Payment]:
        return [payment_of(row) for row in await info.context.loaders.payments_of_order.get(self.row["id"]) or ()]

    @strawberry.field(description="What came back, oldest first.")
    async def returns(self, info: Info) -> list[Return]:
        return [return_of(row) for row in await info.context.loaders.returns_of_order.get(self.row["id"]) or ()]

    @strawberry.field(description="One per rate, rounded once.")
    async def tax_lines(self, info: Info) -> list[TaxLine]:
        return [tax_line_of(row) for row in await info.context.loaders.tax_lines_of_order.get(self.row["id"]) or ()]

    @strawberry.field(description="Every change, oldest first.")
    async def timeline(self, info: Info) -> list[OrderEvent]:
        return [event_of(row) for row in await info.context.loaders.timeline_of_order.get(self.row["id"]) or ()]


def order_of(row: Mapping[str, Any]) -> Order:
    currency = row["currency"]
    return Order(
        row=row,
        id=strawberry.ID(global_id("Order", row["id"])),
        number=row["number"],
        status=OrderStatus(row["status"]),
        payment_status=PaymentStatus(row["payment_status"]),
        subtotal=money_of(row["subtotal_minor"], currency),
        discount=money_of(row["discount_minor"], currency),
        tax=money_of(row["tax_minor"], currency),
        shipping=money_of(row["shipping_minor"], currency),
        total=money_of(row["total_minor"], currency),
        refunded=money_of(row["refunded_minor"], currency),
        receipt=row["receipt"],
        placed_at=row["placed_at"],
    )


@strawberry.type
class OrderEdge:
    node: Order
    cursor: str


@strawberry.type
class OrderConnection:
    edges: list[OrderEdge]
    page_info: PageInfo


async def page_of_orders(
    info: Info,
    *,
    first: int,
    after: str | None,
    channel_id: int | None = None,
    location_id: int | None = None,
    customer_id: UUID | None = None,
    status: OrderStatus | None = None,
    receipt: str | None = None,
) -> OrderConnection:
    """The caller has checked who may list these."""
    size = pages.check_first(first)
    async with info.context.reading() as session:
        rows = await queries.some(
            session,
            channel_id=channel_id,
            location_id=location_id,
            customer_id=customer_id,
            status=status,
            receipt=receipt,
            first=size,
            after=queries.after_order(pages.after_key(after)),
        )
    page = pages.page(rows, first=size, after=after, key=lambda row: row["id"])
    return connect(OrderConnection, OrderEdge, page, order_of)  # type: ignore[no-any-return]
