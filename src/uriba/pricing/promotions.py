"""Promotions: what they take off a basket, and why, or why not. Pure, and the same for every channel.

They are judged one after the other, by falling priority, then by code: each sees what the ones before it left. So the
answer does not depend on the order in which they are given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

import msgspec

from uriba.core.money import Money
from uriba.pricing import discounts
from uriba.pricing.basket_items import Item
from uriba.pricing.discounts import Basket, Deal, Effect


class Stacking(StrEnum):
    """What else may apply with a promotion: anything, nothing at all, or nothing of its own group."""

    STACKABLE = "STACKABLE"
    EXCLUSIVE = "EXCLUSIVE"
    EXCLUSIVE_IN_GROUP = "EXCLUSIVE_IN_GROUP"


class Reason(StrEnum):
    """Why a promotion was applied, or was not; a client may rely on these for ever."""

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
    """A promotion as its table keeps it: amounts in minor units of `currency`, percentages in hundredths.

    Goods qualify by category, brand or being named; all do where none of these is said. The threshold (`min_minor`,
    `min_units`) is of what qualifies, at prices before any discount. `max_minor` and `max_units` bound what one order
    gets. Channels: None is all of them.
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
    def for_all_goods(self) -> bool:
        return not (self.categories or self.brands or self.names_variants)

    @property
    def rewards_what_is_bought(self) -> bool:
        """No goods of their own are rewarded: of those that qualify, some are cheaper."""
        return not (self.reward_categories or self.reward_brands or self.reward_names_variants)

    def takes(self, item: Item) -> bool:
        """Whether an item qualifies."""
        goods = item.traits
        return (
            self.for_all_goods
            or self.id in goods.named_by
            or goods.category in self.categories
            or goods.brand in self.brands
        )

    def rewards(self, item: Item) -> bool:
        """Whether an item may be what a buyer gets."""
        if self.rewards_what_is_bought:
            return self.takes(item)
        goods = item.traits
        return (
            self.id in goods.rewarded_by
            or goods.category in self.reward_categories
            or goods.brand in self.reward_brands
        )


class Coupon(msgspec.Struct, frozen=True, kw_only=True):
    """A coupon that a cart holds. `used_up` in all, or by its customer; `needs_customer`: a guest cannot be counted."""

    id: int
    code: str
    active: bool = True
    used_up: bool = False
    needs_customer: bool = False


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A promotion that a basket may have, with the coupon that it is asked for with."""

    promotion: Promotion
    coupon: Coupon | None = None


@dataclass(frozen=True, slots=True)
class Offers:
    """What is offered in a channel at a moment."""

    offers: Sequence[Offer]
    channel_id: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of an offer: what it took off goods and shipping (minor units), and why, or why not.

    `excluded_by`: the code of the promotion that it cannot be combined with.
    """

    promotion: Promotion
    coupon: Coupon | None
    reason: Reason
    words: str
    money: Money | None = None
    amount_minor: int = 0
    shipping_minor: int = 0
    excluded_by: str | None = None

    @property
    def applied(self) -> bool:
        return self.reason is Reason.APPLIED

    @property
    def sentence(self) -> str:
        """The reason as a sentence: said only where it is shown, for writing an amount takes longer than judging."""
        return self.words if self.money is None else f"{self.money} {self.words}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What promotions took off each item and off shipping, in minor units, and what became of each of them."""

    discounts: tuple[int, ...]
    shipping_minor: int
    verdicts: tuple[Verdict, ...]


def apply(items: Sequence[Item], offered: Offers, *, currency: str, shipping_minor: int) -> Outcome:
    """Judge all offers."""
    basket = Basket.of(items, shipping_minor)
    verdicts: list[Verdict] = []
    for offer in sorted(offered.offers, key=_rank):
        verdicts.append(_judged(offer, offered, basket, currency, verdicts))
    discounts = tuple(item.amount_minor - left for item, left in zip(items, basket.left, strict=True))
    return Outcome(discounts, shipping_minor - basket.shipping[0], tuple(verdicts))


def _rank(offer: Offer) -> tuple[int, str, str]:
    return -offer.promotion.priority, offer.promotion.code, offer.coupon.code if offer.coupon else ""


def _judged(offer: Offer, offered: Offers, basket: Basket, currency: str, before: Sequence[Verdict]) -> Verdict:
    """The verdict on an offer; what it takes off is gone from the basket."""
    if refused := _closed(offer, offered, currency) or _excluded(offer, before):
        return refused
    qualifying = [n for n, item in enumerate(basket.items) if offer.promotion.takes(item)]
    if not qualifying:
        return _refused(offer, Reason.NOTHING_QUALIFIES, "Nothing in the cart qualifies.")
    if refused := _short(offer, basket, qualifying, currency):
        return refused
    return _taken(offer, basket, qualifying, currency)


def _refused(offer: Offer, reason: Reason, words: str, money: Money | None = None) -> Verdict:
    return Verdict(offer.promotion, offer.coupon, reason, words, money)


def _closed(offer: Offer, offered: Offers, currency: str) -> Verdict | None:
    """Whatever is in the basket: switched off, not here, not now, or not with this coupon."""
    promotion, coupon = offer.promotion, offer.coupon
    elsewhere = promotion.channel_ids is not None and offered.channel_id not in promotion.channel_ids
    if not promotion.active or (coupon is not None and not coupon.active):
        return _refused(offer, Reason.NOT_ACTIVE, "This offer has been withdrawn.")
    if elsewhere or promotion.currency not in (None, currency):
        return _refused(offer, Reason.NOT_IN_CHANNEL, "This offer is not for this channel.")
    if promotion.valid_from is not None and offered.at < promotion.valid_from:
        return _refused(offer, Reason.NOT_YET, "This offer has not begun yet.")
    if promotion.valid_to is not None and offered.at >= promotion.valid_to:
        return _refused(offer, Reason.OVER, "This offer is over.")
    if coupon is None:
        return _refused(offer, Reason.COUPON_NEEDED, "A coupon is needed.") if promotion.needs_coupon else None
    if coupon.used_up:
        return _refused(offer, Reason.COUPON_USED_UP, "This coupon is used up.")
    if coupon.needs_customer:
        return _refused(offer, Reason.CUSTOMER_NEEDED, "Sign in to use this coupon.")
    return None


def _excluded(offer: Offer, before: Sequence[Verdict]) -> Verdict | None:
    """Of what was applied before, the first that this offer cannot stand beside."""
    for other in (verdict for verdict in before if verdict.applied):
        if other.promotion.id == offer.promotion.id:
            return _refused(offer, Reason.ALREADY_APPLIED, "This offer is applied already.")
        if _apart(offer.promotion, other.promotion):
            found = _refused(offer, Reason.EXCLUDED_BY, f"This cannot be combined with {other.promotion.name}.")
            return replace(found, excluded_by=other.promotion.code)
    return None


def _apart(one: Promotion, other: Promotion) -> bool:
    if Stacking.EXCLUSIVE in (one.stacking, other.stacking):
        return True
    both = one.stacking is other.stacking is Stacking.EXCLUSIVE_IN_GROUP
    return both and one.stacking_group == other.stacking_group


def _short(offer: Offer, basket: Basket, qualifying: Sequence[int], currency: str) -> Verdict | None:
    """Too little of what qualifies; says how much is missing."""
    promotion = offer.promotion
    units = sum(basket.items[n].quantity for n in qualifying)
    amount = sum(basket.items[n].amount_minor for n in qualifying)
    if amount < promotion.min_minor:
        missing = Money(promotion.min_minor - amount, currency)
        return _refused(offer, Reason.BELOW_THRESHOLD, "more of what qualifies is needed.", missing)
    if units < promotion.min_units:
        return _refused(offer, Reason.BELOW_THRESHOLD, f"{_more(promotion.min_units - units)} needed.")
    if promotion.effect is Effect.BUY_X_GET_Y and not discounts.deal_sets(
        basket, *_deal(promotion, basket, qualifying)
    ):
        return _refused(offer, Reason.BELOW_THRESHOLD, f"Buy {promotion.buy_units} to get {promotion.get_units}.")
    return None


def _more(units: int) -> str:
    return "1 more unit of what qualifies is" if units == 1 else f"{units} more units of what qualifies are"


def _deal(promotion: Promotion, basket: Basket, qualifying: Sequence[int]) -> tuple[Deal, set[int], set[int]]:
    deal = Deal(promotion.buy_units, promotion.get_units, promotion.percent, promotion.max_units)
    return deal, set(qualifying), {n for n, item in enumerate(basket.items) if promotion.rewards(item)}


def _taken(offer: Offer, basket: Basket, qualifying: Sequence[int], currency: str) -> Verdict:
    """Take it off, at most what an order may get."""
    promotion = offer.promotion
    if promotion.effect is Effect.FREE_SHIPPING:
        return _shipped_free(offer, basket, currency)
    found = _off(promotion, basket, qualifying)
    amount = sum(found.values())
    if promotion.max_minor is not None and amount > promotion.max_minor:
        amount, found = promotion.max_minor, discounts.spread(promotion.max_minor, found)
    if not amount:
        return _refused(offer, Reason.NOTHING_LEFT, "Nothing is left that this could take off.")
    for n, off in found.items():
        basket.left[n] -= off
        assert basket.left[n] >= 0
    told = Money(amount, currency)
    return Verdict(promotion, offer.coupon, Reason.APPLIED, "off.", told, amount_minor=amount)


def _off(promotion: Promotion, basket: Basket, qualifying: Sequence[int]) -> dict[int, int]:
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
            return discounts.deal_off(basket, *_deal(promotion, basket, qualifying))
        case Effect.FREE_SHIPPING:
            raise AssertionError("shipping is no item")


def _shipped_free(offer: Offer, basket: Basket, currency: str) -> Verdict:
    amount = basket.shipping[0]
    if offer.promotion.max_minor is not None:
        amount = min(amount, offer.promotion.max_minor)
    if not amount:
        return _refused(offer, Reason.NOTHING_LEFT, "No shipping is charged.")
    basket.shipping[0] -= amount
    told = Money(amount, currency)
    return Verdict(offer.promotion, offer.coupon, Reason.APPLIED, "off shipping.", told, shipping_minor=amount)
