"""Types of promotions and coupons, as the retailer manages them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import strawberry

from uriba.core import pages
from uriba.graphql.catalog.types import Variant, variant_of
from uriba.graphql.connections import connect
from uriba.graphql.context import Info
from uriba.graphql.scalars import DecimalString, Money, PageInfo, money_of
from uriba.pricing import coupons, promotion_setup
from uriba.pricing.discounts import Effect
from uriba.pricing.promotions import Reason, Stacking

PromotionEffect = strawberry.enum(
    Effect,
    name="PromotionEffect",
    description="ITEMS: a discount of each qualifying item; amounts are per unit. ORDER: one discount of the order.",
)
PromotionStacking = strawberry.enum(
    Stacking,
    name="PromotionStacking",
    description="Which other promotions may apply too: any, none, or none of its own group.",
)
PromotionReason = strawberry.enum(
    Reason, name="PromotionReason", description="Why a promotion was applied or not. A stable code for programs."
)


@strawberry.type(description="A code that asks for a promotion.")
class Coupon:
    code: str
    usage_limit: int | None = strawberry.field(description="The most uses in total. Null: no limit.")
    per_customer_limit: int | None = strawberry.field(
        description="The most uses by one customer; guests cannot use such a coupon. Null: no limit."
    )
    used: int = strawberry.field(description="The number of uses by orders that were not cancelled.")
    active: bool


@strawberry.type
class CouponEdge:
    node: Coupon
    cursor: str


@strawberry.type
class CouponConnection:
    edges: list[CouponEdge]
    page_info: PageInfo


@strawberry.type(description="A variant that a promotion names by SKU.")
class PromotionItem:
    row: strawberry.Private[Mapping[str, Any]]
    sku: str

    @strawberry.field
    def variant(self) -> Variant:
        return variant_of(self.row)


@strawberry.type
class PromotionItemEdge:
    node: PromotionItem
    cursor: str


@strawberry.type
class PromotionItemConnection:
    edges: list[PromotionItemEdge]
    page_info: PageInfo


@strawberry.type(description="Goods that one of the SKUs, categories or brands names. All of them empty: all goods.")
class PromotionGoods:
    promotion_key: strawberry.Private[int]
    reward: strawberry.Private[bool]
    named_count: int = strawberry.field(description="The number of variants that are named by SKU.")
    categories: list[str]
    brands: list[str]

    @strawberry.field(description="The variants that are named by SKU.")
    async def named(self, info: Info, first: int | None = 20, after: str | None = None) -> PromotionItemConnection:
        size, begin = pages.check_first(20 if first is None else first), pages.after_number(after)
        async with info.context.reading() as session:
            rows = await promotion_setup.variants_of(
                session, self.promotion_key, reward=self.reward, first=size, after=begin
            )
        page = pages.page(rows, first=size, after=after, key=lambda row: row["id"])
        return connect(PromotionItemConnection, PromotionItemEdge, page, _item_of)  # type: ignore[no-any-return]


@strawberry.type(description="A rule that discounts carts, and its conditions. Its code identifies it.")
class Promotion:
    key: strawberry.Private[int]
    code: str
    name: str
    effect: PromotionEffect  # type: ignore[valid-type]
    percent: DecimalString | None
    amount: Money | None
    buy_units: int | None
    get_units: int | None
    items: PromotionGoods = strawberry.field(description="The goods that qualify.")
    rewards: PromotionGoods | None = strawberry.field(
        description="The goods that BUY_X_GET_Y discounts. Null: those that qualify."
    )
    min_amount: Money | None = strawberry.field(description="The least amount of qualifying goods, before discounts.")
    min_units: int | None = strawberry.field(description="The least number of qualifying units.")
    max_discount: Money | None = strawberry.field(description="The largest discount in one order.")
    max_units: int | None = strawberry.field(
        description="The most units of one order that are discounted, the cheapest first."
    )
    channels: list[str] | None = strawberry.field(description="Codes of channels. Null: all channels.")
    valid_from: datetime | None
    valid_to: datetime | None
    priority: int = strawberry.field(
        description="The promotion with the highest priority is applied first; equal ones by code."
    )
    stacking: PromotionStacking  # type: ignore[valid-type]
    stacking_group: str | None
    needs_coupon: bool
    active: bool

    @strawberry.field(description="The coupons that ask for the promotion, oldest first.")
    async def coupons(self, info: Info, first: int | None = 20, after: str | None = None) -> CouponConnection:
        size, begin = pages.check_first(20 if first is None else first), pages.after_number(after)
        async with info.context.reading() as session:
            rows = await coupons.of_promotion(session, self.key, first=size, after=begin)
        page = pages.page(rows, first=size, after=after, key=lambda row: row["id"])
        return connect(CouponConnection, CouponEdge, page, _coupon_of)  # type: ignore[no-any-return]


@strawberry.type
class PromotionEdge:
    node: Promotion
    cursor: str


@strawberry.type
class PromotionConnection:
    edges: list[PromotionEdge]
    page_info: PageInfo


def promotion_of(row: Mapping[str, Any]) -> Promotion:
    rewards = _goods(row, reward=True)
    return Promotion(
        key=row["id"],
        code=row["code"],
        name=row["name"],
        effect=Effect(row["effect"]),
        percent=_percent(row["percent"]),
        amount=_money(row, "amount_minor"),
        buy_units=row["buy_units"] or None,
        get_units=row["get_units"] or None,
        items=_goods(row, reward=False),
        rewards=rewards if rewards.named_count or rewards.categories or rewards.brands else None,
        min_amount=_money(row, "min_minor"),
        min_units=row["min_units"] or None,
        max_discount=_money(row, "max_minor"),
        max_units=row["max_units"],
        channels=None if row["channel_ids"] is None else row["channels"] or [],
        valid_from=row["valid_from"],
        valid_to=row["valid_to"],
        priority=row["priority"],
        stacking=Stacking(row["stacking"]),
        stacking_group=row["stacking_group"],
        needs_coupon=row["needs_coupon"],
        active=row["active"],
    )


def _percent(hundredths: int) -> DecimalString | None:
    whole, part = divmod(hundredths, 100)
    return DecimalString(f"{whole}.{part:02}".rstrip("0").rstrip(".")) if hundredths else None


def _money(row: Mapping[str, Any], column: str) -> Money | None:
    return money_of(row[column], row["currency"]) if row[column] else None


def _goods(row: Mapping[str, Any], *, reward: bool) -> PromotionGoods:
    prefix = "reward_" if reward else ""
    return PromotionGoods(
        promotion_key=row["id"],
        reward=reward,
        named_count=row["rewards_named" if reward else "skus_named"],
        categories=row[f"{prefix}categories"],
        brands=row[f"{prefix}brands"],
    )


def _item_of(row: Mapping[str, Any]) -> PromotionItem:
    return PromotionItem(row=row, sku=row["sku"])


def _coupon_of(row: Mapping[str, Any]) -> Coupon:
    return Coupon(
        code=row["code"],
        usage_limit=row["usage_limit"],
        per_customer_limit=row["per_customer_limit"],
        used=row["used"],
        active=row["active"],
    )
