"""Lines of orders, and their tax."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import strawberry

from uriba.core.ids import global_id
from uriba.graphql.catalog.types import Variant, load_variant
from uriba.graphql.context import Info
from uriba.graphql.scalars import DecimalString, Money, money_of


@strawberry.type(description="Units as they were bought: name and price stay what they were.")
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


def line_of(row: Mapping[str, Any]) -> OrderLine:
    currency = row["currency"]
    return OrderLine(
        variant_key=row["variant_id"],
        id=strawberry.ID(global_id("OrderLine", row["id"])),
        sku=row["sku"],
        name=row["name"],
        quantity=row["quantity"],
        returned_quantity=row["returned_quantity"],
        cancelled_quantity=row["cancelled_quantity"],
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
