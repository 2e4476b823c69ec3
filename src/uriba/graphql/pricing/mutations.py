"""Promotions and coupons are made and changed: upserts by code, all or none."""

from __future__ import annotations

from datetime import datetime

import strawberry

from uriba.graphql.catalog.mutations import UpsertPayload
from uriba.graphql.context import Info
from uriba.graphql.permissions import CATALOG_SCOPE, mutation
from uriba.graphql.pricing.types import PromotionEffect, PromotionStacking
from uriba.graphql.scalars import DecimalString, MoneyInput
from uriba.pricing import coupons as codes
from uriba.pricing import promotion_input, promotion_setup
from uriba.pricing.promotion_input import AmountInput, ItemSelection
from uriba.pricing.promotions import Stacking


@strawberry.input(description="Goods by SKU, category or brand: whatever one of these names; none of them: all goods.")
class PromotionGoodsInput:
    skus: list[str] = strawberry.field(default_factory=list, description="At most 20,000.")
    categories: list[str] = strawberry.field(default_factory=list)
    brands: list[str] = strawberry.field(default_factory=list)


@strawberry.input(description="A promotion, whole: what is not said is its default.")
class PromotionInput:
    code: str
    name: str
    effect: PromotionEffect  # type: ignore[valid-type]
    percent: DecimalString | None = strawberry.field(default=None, description='Above 0, at most 100, such as "12.5".')
    amount: MoneyInput | None = strawberry.field(default=None, description="Off each unit, or off the order once.")
    buy_units: int | None = strawberry.field(default=None, description="Of BUY_X_GET_Y: X.")
    get_units: int | None = strawberry.field(default=None, description="Of BUY_X_GET_Y: Y, the cheapest first.")
    items: PromotionGoodsInput | None = strawberry.field(default=None, description="What qualifies; null: all goods.")
    rewards: PromotionGoodsInput | None = strawberry.field(
        default=None, description="Of BUY_X_GET_Y: what is got; null: of what qualifies."
    )
    min_amount: MoneyInput | None = strawberry.field(
        default=None, description="Of what qualifies, before any discount."
    )
    min_units: int | None = strawberry.field(default=None, description="Of what qualifies.")
    max_discount: MoneyInput | None = strawberry.field(default=None, description="At most so much in one order.")
    max_units: int | None = strawberry.field(
        default=None, description="Off so many units of one order at most, cheapest first."
    )
    channels: list[str] | None = strawberry.field(default=None, description="Codes of channels; null: all channels.")
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    priority: int = strawberry.field(default=0, description="The highest is judged first; of equal ones, by code.")
    stacking: PromotionStacking = Stacking.STACKABLE  # type: ignore[valid-type]
    stacking_group: str | None = strawberry.field(default=None, description="Of EXCLUSIVE_IN_GROUP: which.")
    needs_coupon: bool = False
    active: bool = True


@strawberry.input(
    description="A code that asks for a promotion. Capitals, small letters and blanks around it are the same."
)
class CouponInput:
    code: str
    promotion: str = strawberry.field(description="The code of a promotion that needs a coupon.")
    usage_limit: int | None = strawberry.field(
        default=None, description="How often it may be used in all; null: always."
    )
    per_customer_limit: int | None = strawberry.field(
        default=None, description="How often by one customer; guests cannot use it then."
    )
    active: bool = True


@strawberry.type
class PricingMutations:
    @mutation(CATALOG_SCOPE, "Make or change promotions, by code.")
    async def promotions_upsert(self, info: Info, promotions: list[PromotionInput]) -> UpsertPayload:
        async with info.context.transaction() as session:
            return UpsertPayload(count=await promotion_setup.upsert(session, [_promotion(row) for row in promotions]))

    @mutation(CATALOG_SCOPE, "Make or change coupons, by code. What was used stays used.")
    async def coupons_upsert(self, info: Info, coupons: list[CouponInput]) -> UpsertPayload:
        async with info.context.transaction() as session:
            return UpsertPayload(count=await codes.upsert(session, [codes.CouponInput(**vars(row)) for row in coupons]))


def _promotion(row: PromotionInput) -> promotion_input.PromotionInput:
    given = vars(row) | {
        "amount": _amount(row.amount),
        "min_amount": _amount(row.min_amount),
        "max_discount": _amount(row.max_discount),
        "items": _goods(row.items),
        "rewards": _goods(row.rewards),
    }
    return promotion_input.PromotionInput(**given)


def _amount(given: MoneyInput | None) -> AmountInput | None:
    return AmountInput(given.amount, given.currency) if given else None


def _goods(given: PromotionGoodsInput | None) -> ItemSelection:
    return ItemSelection(given.skus, given.categories, given.brands) if given else ItemSelection()
