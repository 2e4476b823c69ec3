"""Types of the shared cart."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

from uriba.cart import line_warnings
from uriba.cart.enums import CartStatus, FulfillmentMethod
from uriba.cart.merge import CartMergePolicy
from uriba.cart.view import CartView, LineView
from uriba.core.ids import global_id
from uriba.graphql.catalog.types import Channel, Location, Variant, load_channel, load_location, variant_of
from uriba.graphql.context import Info
from uriba.graphql.customers.types import Customer, load_customer
from uriba.graphql.pricing.types import PromotionReason
from uriba.graphql.scalars import Money, Node, UserError, money_of, user_errors_of
from uriba.pricing.promotions import PromotionResult

if TYPE_CHECKING:
    from uriba.graphql.orders.types import Order

strawberry.enum(CartStatus, description="Only an ACTIVE cart changes.")
strawberry.enum(CartMergePolicy, description="Which quantities the merged cart has.")
strawberry.enum(FulfillmentMethod, description="How goods reach the customer.")


@strawberry.type(description="Units of one variant with one fulfillment method.")
class CartLine:
    line: strawberry.Private[LineView]
    cart: strawberry.Private[CartView]
    id: strawberry.ID
    quantity: int
    method: FulfillmentMethod
    unit_price: Money = strawberry.field(description="The present price.")
    discount: Money = strawberry.field(description="Discount of the whole line, its part of order discounts included.")
    total: Money = strawberry.field(description="The line's price after its discount.")

    @strawberry.field
    def variant(self) -> Variant:
        return variant_of(self.line.variant)

    @strawberry.field(description="The store of a pickup, or the location of a carry-out.")
    async def location(self, info: Info) -> Location | None:
        return None if self.line.location_id is None else await load_location(info, self.line.location_id)

    @strawberry.field(description="What a customer should know before paying. Warnings do not block a checkout.")
    async def warnings(self, info: Info) -> list[UserError]:
        loaders = info.context.loaders
        found = await line_warnings.warnings(
            self.line,
            self.cart.terms.currency,
            read_level=loaders.level.get,
            read_supply=loaders.supply(self.cart.priced_in_id).get,
        )
        return user_errors_of(found)


@strawberry.type(description="The result of a promotion or of one of the cart's coupons: applied or not, and why.")
class CartPromotion:
    code: str
    name: str
    coupon: str | None = strawberry.field(description="The coupon that requests it.")
    applied: bool
    amount: Money = strawberry.field(description="Its discount on goods and shipping.")
    reason_code: PromotionReason = strawberry.field(description="The reason as a code.")  # type: ignore[valid-type]
    reason: str = strawberry.field(description="The reason as a sentence for the customer.")
    excluded_by: str | None = strawberry.field(description="The code of the promotion that it cannot be combined with.")


def cart_promotion_of(verdict: PromotionResult, currency: str) -> CartPromotion:
    return CartPromotion(
        code=verdict.promotion.code,
        name=verdict.promotion.name,
        coupon=verdict.coupon.code if verdict.coupon else None,
        applied=verdict.applied,
        amount=money_of(verdict.amount_minor + verdict.shipping_minor, currency),
        reason_code=verdict.reason,
        reason=verdict.sentence,
        excluded_by=verdict.excluded_by,
    )


@strawberry.type(description="The customer's shared basket, the same on all devices and tills.")
class Cart(Node):
    view: strawberry.Private[CartView]
    id: strawberry.ID
    status: CartStatus
    version: int = strawberry.field(description="Counts the cart's changes. Send it as expectedVersion.")
    quantity: int = strawberry.field(description="The sum of units of all lines.")
    subtotal: Money = strawberry.field(description="The sum of all lines before discounts.")
    discount: Money = strawberry.field(description="The discount on all lines.")
    tax: Money = strawberry.field(
        description="Rounded once per rate. Included in the prices where the channel's prices include tax."
    )
    shipping: Money = strawberry.field(description="The shipping price after promotions.")
    total: Money
    updated_at: datetime
    last_changed_by: str | None = strawberry.field(description="The code of the channel of the last change.")

    @strawberry.field(description="The channel in which the cart was created.")
    async def channel(self, info: Info) -> Channel:
        return await load_channel(info, self.view.channel_id)

    @strawberry.field(description="The customer whose cart it is; null for a guest's.")
    async def customer(self, info: Info) -> Customer | None:
        return await load_customer(info, self.view.customer_id)

    @strawberry.field
    def lines(self) -> list[CartLine]:
        return [line_of(line, self.view) for line in self.view.lines]

    @strawberry.field(description="The codes of the cart's coupons.")
    def coupons(self) -> list[str]:
        return [coupon.code for coupon in self.view.coupons]

    @strawberry.field(
        description="All promotions that were evaluated, applied or not, in the order of their evaluation."
    )
    def promotions(self) -> list[CartPromotion]:
        return [cart_promotion_of(verdict, self.view.terms.currency) for verdict in self.view.quote.promotions]

    @strawberry.field(description="The order of an ORDERED cart; this is how a guest follows it.")
    async def order(self, info: Info) -> Annotated[Order, strawberry.lazy("uriba.graphql.orders.types")] | None:
        from uriba.graphql.orders.types import order_of

        row = await info.context.loaders.order_of_cart.get(self.view.id)
        return order_of(row) if row else None


def line_of(line: LineView, cart: CartView) -> CartLine:
    currency = cart.terms.currency
    return CartLine(
        line=line,
        cart=cart,
        id=strawberry.ID(global_id("CartLine", line.id)),
        quantity=line.quantity,
        method=line.method,
        unit_price=money_of(line.unit_minor, currency),
        discount=money_of(line.discount_minor, currency),
        total=money_of(line.total_minor, currency),
    )


def cart_of(view: CartView) -> Cart:
    currency, priced = view.terms.currency, view.quote
    return Cart(
        view=view,
        id=strawberry.ID(global_id("Cart", view.id)),
        status=view.status,
        version=view.version,
        quantity=sum(line.quantity for line in view.lines),
        subtotal=money_of(priced.subtotal_minor, currency),
        discount=money_of(priced.discount_minor, currency),
        tax=money_of(priced.tax_minor, currency),
        shipping=money_of(priced.shipping_minor, currency),
        total=money_of(priced.total_minor, currency),
        updated_at=view.updated_at,
        last_changed_by=view.last_changed_by,
    )
