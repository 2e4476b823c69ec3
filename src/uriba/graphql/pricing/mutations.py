"""Mutations of promotions and coupons: upserts by code, all or none."""

from __future__ import annotations

from datetime import datetime

import strawberry

from uriba.graphql.catalog.mutations import UpsertPayload
from uriba.graphql.context import Info
from uriba.graphql.permissions import CATALOG_SCOPE, mutation
from uriba.graphql.pricing.types import PromotionEffect, PromotionStacking
from uriba.graphql.scalars import DecimalString, MoneyInput
from uriba.pricing import coupons as coupon_setup
from uriba.pricing import promotion_input, promotion_setup
from uriba.pricing.promotion_input import AmountInput, ItemSelection
from uriba.pricing.promotions import Stacking


@strawberry.input(description="Goods that one of the SKUs, categories or brands names. All of them empty: all goods.")
class PromotionGoodsInput:
    skus: list[str] = strawberry.field(default_factory=list, description="At most 20,000.")
    categories: list[str] = strawberry.field(default_factory=list)
    brands: list[str] = strawberry.field(default_factory=list)


@strawberry.input(description="A promotion. The call replaces it: fields that are left out get their defaults.")
class PromotionInput:
    code: str
    name: str
    effect: PromotionEffect  # type: ignore[valid-type]
    percent: DecimalString | None = strawberry.field(default=None, description='Above 0, at most 100, such as "12.5".')
    amount: MoneyInput | None = strawberry.field(
        default=None, description="The discount of each unit, or of the order."
    )
    buy_units: int | None = strawberry.field(default=None, description="X of BUY_X_GET_Y.")
    get_units: int | None = strawberry.field(
        default=None, description="Y of BUY_X_GET_Y; the cheapest units are discounted first."
    )
    items: PromotionGoodsInput | None = strawberry.field(
        default=None, description="The goods that qualify. Null: all goods."
    )
    rewards: PromotionGoodsInput | None = strawberry.field(
        default=None, description="The goods that BUY_X_GET_Y discounts. Null: those that qualify."
    )
    min_amount: MoneyInput | None = strawberry.field(
        default=None, description="The least amount of qualifying goods, before discounts."
    )
    min_units: int | None = strawberry.field(default=None, description="The least number of qualifying units.")
    max_discount: MoneyInput | None = strawberry.field(default=None, description="The largest discount in one order.")
    max_units: int | None = strawberry.field(
        default=None, description="The most units of one order that are discounted, the cheapest first."
    )
    channels: list[str] | None = strawberry.field(default=None, description="Codes of channels. Null: all channels.")
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    priority: int = strawberry.field(
        default=0, description="The promotion with the highest priority is applied first; equal ones by code."
    )
    stacking: PromotionStacking = Stacking.STACKABLE  # type: ignore[valid-type]
    stacking_group: str | None = strawberry.field(default=None, description="The group of EXCLUSIVE_IN_GROUP.")
    needs_coupon: bool = False
    active: bool = True


@strawberry.input(description="A code that asks for a promotion. Case and surrounding spaces do not matter.")
class CouponInput:
    code: str
    promotion: str = strawberry.field(description="The code of a promotion that needs a coupon.")
    usage_limit: int | None = strawberry.field(default=None, description="The most uses in total. Null: no limit.")
    per_customer_limit: int | None = strawberry.field(
        default=None, description="The most uses by one customer; guests cannot use such a coupon. Null: no limit."
    )
    active: bool = True


@strawberry.type
class PricingMutations:
    @mutation(CATALOG_SCOPE, "Create or change promotions, by code.")
    async def promotions_upsert(self, info: Info, promotions: list[PromotionInput]) -> UpsertPayload:
        async with info.context.transaction() as session:
            return UpsertPayload(count=await promotion_setup.upsert(session, [_promotion(row) for row in promotions]))

    @mutation(CATALOG_SCOPE, "Create or change coupons, by code. Their uses stay counted.")
    async def coupons_upsert(self, info: Info, coupons: list[CouponInput]) -> UpsertPayload:
        async with info.context.transaction() as session:
            return UpsertPayload(
                count=await coupon_setup.upsert(session, [coupon_setup.CouponInput(**vars(row)) for row in coupons])
            )


def _promotion(row: PromotionInput) -> promotion_input.PromotionInput:
    values = vars(row) | {
        "amount": _amount(row.amount),
        "min_amount": _amount(row.min_amount),
        "max_discount": _amount(row.max_discount),
        "items": _goods(row.items),
        "rewards": _goods(row.rewards),
    }
    return promotion_input.PromotionInput(**values)


def _amount(amount: MoneyInput | None) -> AmountInput | None:
    return AmountInput(amount.amount, amount.currency) if amount else None


def _goods(goods: PromotionGoodsInput | None) -> ItemSelection:
    return ItemSelection(goods.skus, goods.categories, goods.brands) if goods else ItemSelection()
