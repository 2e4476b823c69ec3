"""Promotions: discounts to the minor unit, and the reasons why they were applied or not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from uriba.core.money import Rounding
from uriba.pricing.basket_items import BasketItem, ItemTraits
from uriba.pricing.discounts import Effect
from uriba.pricing.promotions import (
    Coupon,
    Promotion,
    PromotionCandidate,
    PromotionCandidates,
    Reason,
    Stacking,
)
from uriba.pricing.quote import PricingTerms, Quote, pricing_terms, quote

NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)
WEB, APP = 1, 2


def yen(*, included: bool = True, shipping: int = 0) -> PricingTerms:
    rates = (("standard", "0.10"), ("reduced", "0.08"))
    return pricing_terms("JPY", included, Rounding.HALF_UP, shipping, rates)


def item(quantity: int, unit: int, *named: int, rewarded: int = 0, **given: Any) -> BasketItem:
    traits = ItemTraits(given.pop("category", None), given.pop("brand", None), frozenset(named), frozenset({rewarded}))
    return BasketItem(quantity, unit, given.pop("tax", "standard"), traits=traits, **given)


def promotion(code: str = "P", **given: Any) -> Promotion:
    given = {
        "id": sum(map(ord, code)),
        "name": code.title(),
        "effect": Effect.PERCENT_OFF_ITEMS,
        "percent": 1_000,
    } | given
    return Promotion(code=code, **given)


def off(code: str, amount: int, **given: Any) -> Promotion:
    """Return a promotion with an amount off the whole order."""
    return promotion(code, effect=Effect.AMOUNT_OFF_ORDER, amount_minor=amount, percent=0, currency="JPY", **given)


def deal(buy: int, get: int, percent: int = 10_000, **given: Any) -> Promotion:
    return promotion(effect=Effect.BUY_X_GET_Y, buy_units=buy, get_units=get, percent=percent, **given)


def priced(
    items: list[BasketItem],
    *offered: Promotion | PromotionCandidate,
    terms: PricingTerms | None = None,
    at: datetime = NOW,
) -> Quote:
    offers = [one if isinstance(one, PromotionCandidate) else PromotionCandidate(promotion=one) for one in offered]
    return quote(items, terms or yen(), PromotionCandidates(offers, WEB, at))


def reasons(found: Quote) -> dict[str, Reason]:
    return {verdict.promotion.code: verdict.reason for verdict in found.promotions}


def test_a_percentage_is_off_each_item_that_qualifies() -> None:
    found = priced([item(3, 648, tax="reduced", category="Tea"), item(1, 3_300)], promotion(categories={"Tea"}))

    assert found.discounts == (194, 0)
    assert (found.subtotal_minor, found.discount_minor, found.total_minor) == (5_244, 194, 5_050)
    assert {str(line.rate): line.taxable_minor + line.tax_minor for line in found.tax_lines} == {
        "1/10": 3_300,
        "2/25": 1_750,
    }


def test_an_amount_is_off_each_unit_and_never_more_than_it_costs() -> None:
    given = promotion(effect=Effect.AMOUNT_OFF_ITEMS, amount_minor=100, percent=0, currency="JPY")

    assert priced([item(3, 250), item(2, 80)], given).discounts == (300, 160)


def test_goods_qualify_by_category_brand_or_name() -> None:
    given = promotion("SEVEN", id=7, categories={"Tea"}, brands={"Kyo"}, names_variants=True)
    goods = [item(1, 100, category="Tea"), item(1, 100, brand="Kyo"), item(1, 100, 7), item(1, 100, category="Pot")]

    assert priced(goods, given).discounts == (10, 10, 10, 0)


@pytest.mark.parametrize(
    ("prices", "amount", "shares"),
    [
        ((100, 100, 100), 100, (34, 33, 33)),
        ((1, 1, 1), 2, (1, 1, 0)),
        ((999, 1), 500, (500, 0)),
        ((333, 333, 334), 1_000, (333, 333, 334)),
        ((0, 50), 70, (0, 50)),
    ],
)
def test_an_orders_discount_is_spread_by_largest_remainder(
    prices: tuple[int, ...], amount: int, shares: tuple[int, ...]
) -> None:
    found = priced([item(1, price) for price in prices], off("P", amount))

    assert found.discounts == shares
    assert found.total_minor == max(0, sum(prices) - amount)


def test_an_orders_percentage_is_rounded_once() -> None:
    each = priced([item(1, 5)] * 4, promotion(percent=1_000))
    once = priced([item(1, 5)] * 4, promotion(percent=1_000, effect=Effect.PERCENT_OFF_ORDER))

    assert (each.discount_minor, once.discount_minor) == (4, 2)
    assert once.discounts == (1, 1, 0, 0)


def test_an_order_discount_applies_to_all_goods_not_only_qualifying_ones() -> None:
    given = off("P", 300, categories={"Tea"})

    assert priced([item(1, 1_000, category="Tea"), item(1, 2_000)], given).discounts == (100, 200)
    assert reasons(priced([item(1, 2_000)], given)) == {"P": Reason.NOTHING_QUALIFIES}


@pytest.mark.parametrize(
    ("units", "given", "discounts"),
    [
        ((3,), deal(2, 1), (100,)),
        ((2,), deal(2, 1), (0,)),
        ((7,), deal(2, 1), (200,)),
        ((7,), deal(2, 1, max_units=1), (100,)),
        ((6,), deal(2, 1, percent=5_000), (100,)),
        ((4,), deal(1, 1, max_minor=150), (150,)),
    ],
)
def test_buy_x_get_y_discounts_complete_sets(
    units: tuple[int, ...], given: Promotion, discounts: tuple[int, ...]
) -> None:
    assert priced([item(quantity, 100) for quantity in units], given).discounts == discounts


def test_the_cheapest_unit_of_a_mixed_set_is_free() -> None:
    goods = [item(2, 500, category="Tea"), item(1, 300, category="Tea"), item(3, 50)]

    assert priced(goods, deal(2, 1, categories={"Tea"})).discounts == (0, 300, 0)


def test_rewards_can_be_other_goods() -> None:
    given = deal(2, 1, id=9, categories={"Tea"}, reward_names_variants=True)
    tea, cup = item(4, 500, category="Tea"), item(3, 200, rewarded=9)

    assert priced([tea, cup], given).discounts == (0, 400)
    assert reasons(priced([tea], given)) == {"P": Reason.BELOW_THRESHOLD}


def test_no_unit_counts_as_bought_and_rewarded() -> None:
    # The cheap tea is what may be got, and is needed to buy two.
    given = deal(2, 1, id=9, categories={"Tea"}, reward_names_variants=True)
    goods = [item(1, 500, category="Tea"), item(1, 100, category="Tea", rewarded=9), item(1, 200, rewarded=9)]

    assert priced(goods, given).discounts == (0, 0, 200)
    assert priced(goods[:2], given).discounts == (0, 0)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"min_minor": 1_000}, "¥352 more of qualifying items is needed."),
        ({"min_units": 2}, "1 more qualifying unit is needed."),
        ({"min_units": 4}, "3 more qualifying units are needed."),
    ],
)
def test_an_unmet_threshold_states_how_much_is_missing(given: dict[str, int], sentence: str) -> None:
    goods = [item(1, 648, category="Tea"), item(9, 9_000)]
    found = priced(goods, promotion(categories={"Tea"}, currency="JPY", **given))

    (verdict,) = found.refused
    assert (verdict.reason, verdict.sentence, found.discount_minor) == (Reason.BELOW_THRESHOLD, sentence, 0)


def test_a_threshold_is_met_to_the_minor_unit_and_before_other_discounts() -> None:
    first, second = off("A", 500, priority=1), off("B", 10, min_minor=648)

    assert priced([item(1, 648)], first, second).discounts == (510,)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"active": False}, Reason.NOT_ACTIVE),
        ({"channel_ids": {APP}}, Reason.NOT_IN_CHANNEL),
        ({"channel_ids": {APP, WEB}}, Reason.APPLIED),
        ({"currency": "USD"}, Reason.NOT_IN_CHANNEL),
        ({"valid_from": NOW + timedelta(microseconds=1)}, Reason.NOT_YET),
        ({"valid_from": NOW}, Reason.APPLIED),
        ({"valid_to": NOW}, Reason.OVER),
        ({"valid_to": NOW + timedelta(microseconds=1)}, Reason.APPLIED),
        ({"needs_coupon": True}, Reason.COUPON_NEEDED),
        ({"brands": {"Kyo"}}, Reason.NOTHING_QUALIFIES),
    ],
)
def test_states_why_a_promotion_was_not_applied(given: dict[str, Any], reason: Reason) -> None:
    found = priced([item(1, 648)], promotion(**given))

    assert reasons(found) == {"P": reason}
    assert all(verdict.sentence for verdict in found.promotions)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, Reason.APPLIED),
        ({"active": False}, Reason.NOT_ACTIVE),
        ({"used_up": True}, Reason.COUPON_USED_UP),
        ({"needs_customer": True}, Reason.CUSTOMER_NEEDED),
    ],
)
def test_states_why_a_coupon_was_not_applied(given: dict[str, Any], reason: Reason) -> None:
    asked = PromotionCandidate(promotion=promotion(needs_coupon=True), coupon=Coupon(id=1, code="C", **given))

    assert reasons(priced([item(1, 648)], asked)) == {"P": reason}


def test_two_coupons_of_one_promotion_apply_once() -> None:
    asked = [
        PromotionCandidate(promotion=promotion(needs_coupon=True), coupon=Coupon(id=n, code=f"C{n}")) for n in (2, 1)
    ]

    found = priced([item(1, 1_000)], *asked)

    assert [(v.coupon and v.coupon.code, v.reason) for v in found.promotions] == [
        ("C1", Reason.APPLIED),
        ("C2", Reason.ALREADY_APPLIED),
    ]


def test_later_promotions_work_on_what_earlier_ones_left() -> None:
    half = promotion("HALF", percent=5_000, priority=2)

    assert priced([item(1, 1_000)], promotion("TENTH", priority=1), half).discounts == (550,)
    assert priced([item(1, 1_000)], off("ALL", 5_000, priority=2), promotion("TENTH")).total_minor == 0


def test_a_promotion_with_nothing_left_to_discount_states_so() -> None:
    found = priced([item(1, 1_000)], off("ALL", 5_000, priority=2), promotion("TENTH"))

    assert reasons(found) == {"ALL": Reason.APPLIED, "TENTH": Reason.NOTHING_LEFT}


def test_an_exclusive_promotion_excludes_all_others() -> None:
    alone = off("ALONE", 100, stacking=Stacking.EXCLUSIVE)
    for priority, applied in ((1, "ALONE"), (-1, "OTHER")):
        first = alone.__class__(
            **{name: getattr(alone, name) for name in alone.__struct_fields__} | {"priority": priority}
        )
        found = priced([item(1, 1_000)], first, off("OTHER", 50))

        assert [verdict.promotion.code for verdict in found.applied] == [applied]
        (refused,) = found.refused
        assert (refused.reason, refused.excluded_by) == (Reason.EXCLUDED_BY, applied)


def test_a_promotion_that_was_not_applied_excludes_nothing() -> None:
    alone = off("ALONE", 100, stacking=Stacking.EXCLUSIVE, min_minor=5_000, priority=1)

    assert reasons(priced([item(1, 1_000)], alone, off("OTHER", 50))) == {
        "ALONE": Reason.BELOW_THRESHOLD,
        "OTHER": Reason.APPLIED,
    }


def test_only_the_first_of_a_group_applies_and_other_promotions_are_not_affected() -> None:
    grouped = {"stacking": Stacking.EXCLUSIVE_IN_GROUP, "stacking_group": "spring"}
    offered = [
        off("A", 10, **grouped),
        off("B", 20, priority=1, **grouped),
        off("C", 30, stacking=Stacking.EXCLUSIVE_IN_GROUP, stacking_group="summer"),
        off("D", 40),
    ]

    for order in permutations(offered):
        assert reasons(priced([item(1, 1_000)], *order)) == {
            "A": Reason.EXCLUDED_BY,
            "B": Reason.APPLIED,
            "C": Reason.APPLIED,
            "D": Reason.APPLIED,
        }


def test_the_discount_of_an_order_is_limited() -> None:
    goods = [item(1, 1_000), item(1, 500)]

    assert priced(goods, promotion(percent=5_000, max_minor=100)).discounts == (67, 33)
    assert priced(goods, promotion(percent=5_000, max_units=1)).discounts == (0, 250)


@pytest.mark.parametrize(("most", "charged"), [(None, 0), (200, 300), (900, 0)])
def test_shipping_is_free_or_cheaper(most: int | None, charged: int) -> None:
    given = promotion(effect=Effect.FREE_SHIPPING, percent=0, max_minor=most, currency="JPY", min_minor=1_000)
    found = priced([item(1, 1_000, ships=True)], given, terms=yen(shipping=500))

    assert (found.shipping_minor, found.discount_minor, found.total_minor) == (charged, 0, 1_000 + charged)
    assert found.applied[0].shipping_minor == 500 - charged


def test_free_shipping_needs_lines_that_ship() -> None:
    given = promotion(effect=Effect.FREE_SHIPPING, percent=0)

    assert reasons(priced([item(1, 1_000)], given, terms=yen(shipping=500))) == {"P": Reason.NOTHING_LEFT}


def test_excluded_tax_is_computed_on_the_amount_paid() -> None:
    found = priced([item(1, 1_000)], off("P", 100), terms=yen(included=False))

    assert (found.subtotal_minor, found.discount_minor, found.tax_minor, found.total_minor) == (1_000, 100, 90, 990)
