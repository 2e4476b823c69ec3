"""The promotion engine: which promotions apply to a basket, and why or why not. The same for every channel.

Promotions are evaluated one after the other, by descending priority, then by code; each sees what the ones before it
left. The result does not depend on the order of the input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

import msgspec

from uriba.core.money import Money
from uriba.pricing import discounts
from uriba.pricing.basket_items import BasketItem
from uriba.pricing.discounts import Basket, BuyXGetY, Effect


class Stacking(StrEnum):
    """Combination with other promotions: with any, with none, or with none of its own group."""

    STACKABLE = "STACKABLE"
    EXCLUSIVE = "EXCLUSIVE"
    EXCLUSIVE_IN_GROUP = "EXCLUSIVE_IN_GROUP"


class Reason(StrEnum):
    """Why a promotion applies or does not. The codes never change their meaning."""

    APPLIED = "APPLIED"
    NOT_ACTIVE = "NOT_ACTIVE"
    NOT_IN_CHANNEL = "NOT_IN_CHANNEL"
    NOT_YET = "NOT_YET"
    OVER = "OVER"
    COUPON_NEEDED = "COUPON_NEEDED"
    COUPON_USED_UP = "COUPON_USED_UP"
    CUSTOMER_NEEDED = "CUSTOMER_NEEDED"
    ALREADY_APPLIED = "ALREADY_APPLIED"
    EXCLUDED_BY = "EXCLUDED_BY"
    NOTHING_QUALIFIES = "NOTHING_QUALIFIES"
    BELOW_THRESHOLD = "BELOW_THRESHOLD"
    NOTHING_LEFT = "NOTHING_LEFT"


class Promotion(msgspec.Struct, frozen=True, kw_only=True):
    """A promotion: amounts in minor units of `currency`, percentages in hundredths.

    Items qualify by category, brand or being listed; all do where none of these is given. The threshold (`min_minor`,
    `min_units`) counts qualifying items at prices before any discount. `max_minor` and `max_units` limit the discount
    of one order. `channel_ids` None: all channels.
    """

    id: int
    code: str
    name: str
    effect: Effect
    percent: int = 0
    amount_minor: int = 0
    currency: str | None = None
    buy_units: int = 0
    get_units: int = 0
    categories: frozenset[str] = frozenset()
    brands: frozenset[str] = frozenset()
    names_variants: bool = False
    reward_categories: frozenset[str] = frozenset()
    reward_brands: frozenset[str] = frozenset()
    reward_names_variants: bool = False
    min_minor: int = 0
    min_units: int = 0
    max_minor: int | None = None
    max_units: int | None = None
    channel_ids: frozenset[int] | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    priority: int = 0
    stacking: Stacking = Stacking.STACKABLE
    stacking_group: str | None = None
    needs_coupon: bool = False
    active: bool = True

    @property
    def for_all_items(self) -> bool:
        return not (self.categories or self.brands or self.names_variants)

    @property
    def rewards_qualifying_items(self) -> bool:
        """Whether the rewards are some of the qualifying items, because no other rewards are given."""
        return not (self.reward_categories or self.reward_brands or self.reward_names_variants)

    def qualifies(self, item: BasketItem) -> bool:
        """Whether an item qualifies."""
        traits = item.traits
        return (
            self.for_all_items
            or self.id in traits.named_by
            or traits.category in self.categories
            or traits.brand in self.brands
        )

    def rewards(self, item: BasketItem) -> bool:
        """Whether an item may be a reward."""
        if self.rewards_qualifying_items:
            return self.qualifies(item)
        traits = item.traits
        return (
            self.id in traits.rewarded_by
            or traits.category in self.reward_categories
            or traits.brand in self.reward_brands
        )


class Coupon(msgspec.Struct, frozen=True, kw_only=True):
    """A cart's coupon. `used_up`: in total or by the customer; `needs_customer`: its limit is per customer."""

    id: int
    code: str
    active: bool = True
    used_up: bool = False
    needs_customer: bool = False


class PromotionCandidate(msgspec.Struct, frozen=True, kw_only=True):
    """A promotion to evaluate for a basket, with the coupon that asks for it."""

    promotion: Promotion
    coupon: Coupon | None = None


@dataclass(frozen=True, slots=True)
class PromotionCandidates:
    """The promotions to evaluate in a channel at a moment."""

    candidates: Sequence[PromotionCandidate]
    channel_id: int
    at: datetime


@dataclass(frozen=True, slots=True)
class PromotionResult:
    """The result of a promotion: its discount on items and shipping in minor units, and why it applies or not.

    `excluded_by`: the code of the promotion that it cannot be combined with.
    """

    promotion: Promotion
    coupon: Coupon | None
    reason: Reason
    text: str
    money: Money | None = None
    amount_minor: int = 0
    shipping_minor: int = 0
    excluded_by: str | None = None

    @property
    def applied(self) -> bool:
        return self.reason is Reason.APPLIED

    @property
    def sentence(self) -> str:
        """The reason as a sentence. Built only when it is read, because formatting an amount is slow."""
        return self.text if self.money is None else f"{self.money} {self.text}"


@dataclass(frozen=True, slots=True)
class PromotionOutcome:
    """Discounts of each item and of shipping, in minor units, and the result of each promotion."""

    discounts: tuple[int, ...]
    shipping_minor: int
    results: tuple[PromotionResult, ...]


def evaluate(
    items: Sequence[BasketItem], candidates: PromotionCandidates, *, currency: str, shipping_minor: int
) -> PromotionOutcome:
    """Evaluate all candidates."""
    basket = Basket.of(items, shipping_minor)
    results: list[PromotionResult] = []
    for candidate in sorted(candidates.candidates, key=_rank):
        results.append(_evaluate_one(candidate, candidates, basket, currency, results))
    discounts = tuple(item.amount_minor - due for item, due in zip(items, basket.due_minor, strict=True))
    return PromotionOutcome(discounts, shipping_minor - basket.shipping_due_minor, tuple(results))


def _rank(candidate: PromotionCandidate) -> tuple[int, str, str]:
    return -candidate.promotion.priority, candidate.promotion.code, candidate.coupon.code if candidate.coupon else ""


def _evaluate_one(
    candidate: PromotionCandidate,
    candidates: PromotionCandidates,
    basket: Basket,
    currency: str,
    before: Sequence[PromotionResult],
) -> PromotionResult:
    """Evaluate a candidate and take its discount off the basket."""
    if refused := _unavailable(candidate, candidates, currency) or _excluded(candidate, before):
        return refused
    qualifying = [n for n, item in enumerate(basket.items) if candidate.promotion.qualifies(item)]
    if not qualifying:
        return _refused(candidate, Reason.NOTHING_QUALIFIES, "Nothing in the cart qualifies.")
    if refused := _below_threshold(candidate, basket, qualifying, currency):
        return refused
    return _apply(candidate, basket, qualifying, currency)


def _refused(candidate: PromotionCandidate, reason: Reason, text: str, money: Money | None = None) -> PromotionResult:
    return PromotionResult(candidate.promotion, candidate.coupon, reason, text, money)


def _unavailable(
    candidate: PromotionCandidate, candidates: PromotionCandidates, currency: str
) -> PromotionResult | None:
    """Refuse a promotion that is inactive, not for this channel or time, or not for this coupon."""
    promotion, coupon = candidate.promotion, candidate.coupon
    elsewhere = promotion.channel_ids is not None and candidates.channel_id not in promotion.channel_ids
    if not promotion.active or (coupon is not None and not coupon.active):
        return _refused(candidate, Reason.NOT_ACTIVE, "This promotion has been withdrawn.")
    if elsewhere or promotion.currency not in (None, currency):
        return _refused(candidate, Reason.NOT_IN_CHANNEL, "This promotion is not available in this channel.")
    if promotion.valid_from is not None and candidates.at < promotion.valid_from:
        return _refused(candidate, Reason.NOT_YET, "This promotion has not started yet.")
    if promotion.valid_to is not None and candidates.at >= promotion.valid_to:
        return _refused(candidate, Reason.OVER, "This promotion has ended.")
    if coupon is None:
        return _refused(candidate, Reason.COUPON_NEEDED, "A coupon is needed.") if promotion.needs_coupon else None
    if coupon.used_up:
        return _refused(candidate, Reason.COUPON_USED_UP, "This coupon has been used up.")
    if coupon.needs_customer:
        return _refused(candidate, Reason.CUSTOMER_NEEDED, "Sign in to use this coupon.")
    return None


def _excluded(candidate: PromotionCandidate, before: Sequence[PromotionResult]) -> PromotionResult | None:
    """Refuse a promotion that cannot be combined with one that was applied before."""
    for other in (result for result in before if result.applied):
        if other.promotion.id == candidate.promotion.id:
            return _refused(candidate, Reason.ALREADY_APPLIED, "This promotion is already applied.")
        if _exclude_each_other(candidate.promotion, other.promotion):
            refused = _refused(candidate, Reason.EXCLUDED_BY, f"This cannot be combined with {other.promotion.name}.")
            return replace(refused, excluded_by=other.promotion.code)
    return None


def _exclude_each_other(one: Promotion, other: Promotion) -> bool:
    if Stacking.EXCLUSIVE in (one.stacking, other.stacking):
        return True
    both = one.stacking is other.stacking is Stacking.EXCLUSIVE_IN_GROUP
    return both and one.stacking_group == other.stacking_group


def _below_threshold(
    candidate: PromotionCandidate, basket: Basket, qualifying: Sequence[int], currency: str
) -> PromotionResult | None:
    """Refuse a promotion whose threshold is not reached, and say how much is missing."""
    promotion = candidate.promotion
    units = sum(basket.items[n].quantity for n in qualifying)
    amount = sum(basket.items[n].amount_minor for n in qualifying)
    if amount < promotion.min_minor:
        missing = Money(promotion.min_minor - amount, currency)
        return _refused(candidate, Reason.BELOW_THRESHOLD, "more of qualifying items is needed.", missing)
    if units < promotion.min_units:
        return _refused(candidate, Reason.BELOW_THRESHOLD, f"{_more(promotion.min_units - units)} needed.")
    if promotion.effect is Effect.BUY_X_GET_Y and not discounts.buy_x_get_y_sets(
        basket, *_buy_x_get_y(promotion, basket, qualifying)
    ):
        return _refused(candidate, Reason.BELOW_THRESHOLD, f"Buy {promotion.buy_units} to get {promotion.get_units}.")
    return None


def _more(units: int) -> str:
    return "1 more qualifying unit is" if units == 1 else f"{units} more qualifying units are"


def _buy_x_get_y(
    promotion: Promotion, basket: Basket, qualifying: Sequence[int]
) -> tuple[BuyXGetY, set[int], set[int]]:
    rule = BuyXGetY(promotion.buy_units, promotion.get_units, promotion.percent, promotion.max_units)
    return rule, set(qualifying), {n for n, item in enumerate(basket.items) if promotion.rewards(item)}


def _apply(candidate: PromotionCandidate, basket: Basket, qualifying: Sequence[int], currency: str) -> PromotionResult:
    """Take the discount off the basket, within the promotion's limits."""
    promotion = candidate.promotion
    if promotion.effect is Effect.FREE_SHIPPING:
        return _free_shipping(candidate, basket, currency)
    by_item = _discounts_by_item(promotion, basket, qualifying)
    amount = sum(by_item.values())
    if promotion.max_minor is not None and amount > promotion.max_minor:
        amount, by_item = promotion.max_minor, discounts.spread(promotion.max_minor, by_item)
    if not amount:
        return _refused(candidate, Reason.NOTHING_LEFT, "Nothing is left to discount.")
    for n, amount_off in by_item.items():
        basket.due_minor[n] -= amount_off
        assert basket.due_minor[n] >= 0
    discount = Money(amount, currency)
    return PromotionResult(promotion, candidate.coupon, Reason.APPLIED, "off.", discount, amount_minor=amount)


def _discounts_by_item(promotion: Promotion, basket: Basket, qualifying: Sequence[int]) -> dict[int, int]:
    match promotion.effect:
        case Effect.PERCENT_OFF_ITEMS:
            return discounts.percent_off(basket, promotion.percent, qualifying, promotion.max_units)
        case Effect.AMOUNT_OFF_ITEMS:
            return discounts.amount_off(basket, promotion.amount_minor, qualifying, promotion.max_units)
        case Effect.PERCENT_OFF_ORDER:
            return discounts.off_order(basket, percent=promotion.percent)
        case Effect.AMOUNT_OFF_ORDER:
            return discounts.off_order(basket, amount_minor=promotion.amount_minor)
        case Effect.BUY_X_GET_Y:
            return discounts.buy_x_get_y(basket, *_buy_x_get_y(promotion, basket, qualifying))
        case Effect.FREE_SHIPPING:
            raise AssertionError("free shipping has no items")


def _free_shipping(candidate: PromotionCandidate, basket: Basket, currency: str) -> PromotionResult:
    amount = basket.shipping_due_minor
    if candidate.promotion.max_minor is not None:
        amount = min(amount, candidate.promotion.max_minor)
    if not amount:
        return _refused(candidate, Reason.NOTHING_LEFT, "No shipping is charged.")
    basket.shipping_due_minor -= amount
    discount = Money(amount, currency)
    return PromotionResult(
        candidate.promotion, candidate.coupon, Reason.APPLIED, "off shipping.", discount, shipping_minor=amount
    )
