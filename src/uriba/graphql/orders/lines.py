"""Lines and tax lines of orders."""

from __future__ import annotations

import strawberry

from uriba.core.ids import global_id
from uriba.graphql.catalog.types import Variant, load_variant
from uriba.graphql.context import Info
from uriba.graphql.scalars import DecimalString, Money, money_of
from uriba.orders.rows import OrderLineRow, OrderTaxLineRow


@strawberry.type(description="A line of an order. Name and price are those of the time when it was placed.")
class OrderLine:
    variant_key: strawberry.Private[int]
    id: strawberry.ID
    sku: str
    name: str
    quantity: int
    returned_quantity: int
    cancelled_quantity: int
    unit_price: Money
    discount: Money
    total: Money

    @strawberry.field
    async def variant(self, info: Info) -> Variant:
        return await load_variant(info, self.variant_key)


def line_of(row: OrderLineRow) -> OrderLine:
    return OrderLine(
        variant_key=row.variant_id,
        id=strawberry.ID(global_id("OrderLine", row.id)),
        sku=row.sku,
        name=row.name,
        quantity=row.quantity,
        returned_quantity=row.returned_quantity,
        cancelled_quantity=row.cancelled_quantity,
        unit_price=money_of(row.unit_minor, row.currency),
        discount=money_of(row.discount_minor, row.currency),
        total=money_of(row.total_minor, row.currency),
    )


@strawberry.type(description="Net (`taxable`) and tax of one rate. Their sum is the gross of that rate.")
class TaxLine:
    rate: DecimalString
    taxable: Money
    tax: Money


def tax_line_of(row: OrderTaxLineRow) -> TaxLine:
    return TaxLine(
        rate=DecimalString(f"{row.rate.normalize():f}"),
        taxable=money_of(row.taxable_minor, row.currency),
        tax=money_of(row.tax_minor, row.currency),
    )
