"""The year's coupons: 27 campaigns with 1,197 coupons for 116,204 products, and 2,102 redemptions.

A coupon of a campaign becomes a promotion that needs a code such as `CJ26-51380041013`: an amount off one unit of any
of its products, from the campaign's first day to its last. The source does not give the amount. It is the median of
what coupons took off those products on the days of the coupon's redemptions, else the median of its campaign, else of
all. The source gives redemptions by household and day. Each is assigned to the household's basket of that day that has
one of the coupon's products, else to the first of that day. Products that are not in the slice are left out, and so
are coupons for no other products.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from statistics import median
from typing import NamedTuple

from uriba.core.money import to_decimal
from uriba.pricing.coupons import CouponInput
from uriba.pricing.discounts import Effect
from uriba.pricing.promotion_input import AmountInput, ItemSelection, PromotionInput
from uriba.sources.complete_journey import ZONE, CompleteJourney, read_table, sku_of

CURRENCY = "USD"
DEFAULT_CENTS = 100
"""The amount of all coupons if the slice has no line that a coupon made cheaper."""


class CouponKey(NamedTuple):
    """A coupon of a campaign."""

    campaign: int
    upc: int

    @property
    def code(self) -> str:
        return f"CJ{self.campaign}-{self.upc}"


class Redemption(NamedTuple):
    """The use of a coupon by a household on a day of the stores' zone."""

    household: int
    day: date
    coupon: CouponKey


class Campaign(NamedTuple):
    """A campaign: its type as the source writes it, its first and last day."""

    type: str
    first_day: date
    last_day: date


class BasketSummary(NamedTuple):
    """A basket: its household, its time (seconds since 1970, UTC) and the numbers of its products."""

    household: int
    second: int
    products: Sequence[int]


class CampaignCoupons:
    """The coupons for a slice of the year."""

    def __init__(self, year: CompleteJourney) -> None:
        self._year = year

    @cached_property
    def products(self) -> dict[CouponKey, list[int]]:
        """The numbers of each coupon's products that are in the slice."""
        in_slice = {product.sku for product in self._year.products}
        rows = read_table(self._year.folder, "coupons", ["campaign_id", "coupon_upc", "product_id"]).to_pydict()
        products_by_coupon: defaultdict[CouponKey, set[int]] = defaultdict(set)
        for campaign, upc, product in zip(*rows.values(), strict=True):
            if sku_of(product) in in_slice:
                products_by_coupon[CouponKey(campaign, upc)].add(product)
        return {coupon: sorted(products_by_coupon[coupon]) for coupon in sorted(products_by_coupon)}

    @cached_property
    def redemptions(self) -> list[Redemption]:
        """All redemptions of the year, ordered by household and day."""
        columns = ["household_id", "redemption_date", "campaign_id", "coupon_upc"]
        rows = read_table(self._year.folder, "coupon_redemptions", columns).to_pydict()
        return sorted(
            Redemption(household, timestamp.date(), CouponKey(campaign, upc))
            for household, timestamp, campaign, upc in zip(*rows.values(), strict=True)
        )

    @cached_property
    def campaigns(self) -> dict[int, Campaign]:
        """All campaigns, by number."""
        columns = ["campaign_id", "campaign_type", "start_date", "end_date"]
        rows = read_table(self._year.folder, "campaign_descriptions", columns).to_pydict()
        return {
            number: Campaign(campaign_type, first.date(), last.date())
            for number, campaign_type, first, last in zip(*rows.values(), strict=True)
        }

    @cached_property
    def amounts_off(self) -> dict[CouponKey, int]:
        """The amount that each coupon takes off, in US cents."""
        by_coupon = self._observed_discounts()
        by_campaign: defaultdict[int, list[float]] = defaultdict(list)
        for coupon, cents in by_coupon.items():
            by_campaign[coupon.campaign].extend(cents)
        all_discounts = [cents for discounts in by_coupon.values() for cents in discounts] or [DEFAULT_CENTS]
        return {
            coupon: round(median(by_coupon.get(coupon) or by_campaign.get(coupon.campaign) or all_discounts))
            for coupon in self.products
        }

    def _observed_discounts(self) -> dict[CouponKey, list[float]]:
        """Return, for each coupon, the cents that coupons took off a unit of its products in the baskets of the
        household and day of its redemptions."""
        days = self._discounts_by_household_and_day()
        cents_by_coupon: defaultdict[CouponKey, list[float]] = defaultdict(list)
        for household, day, coupon in self.redemptions:
            products = set(self.products.get(coupon, ()))
            cents_by_coupon[coupon] += [
                cents for product, cents in days.get((household, day), ()) if product in products
            ]
        return {coupon: cents for coupon, cents in cents_by_coupon.items() if cents}

    def _discounts_by_household_and_day(self) -> dict[tuple[int, date], list[tuple[int, float]]]:
        """Return the product and the cents off a unit of every line that a coupon made cheaper."""
        import pyarrow.compute as pc

        columns = ["household_id", "transaction_timestamp", "product_id", "quantity", "coupon_disc"]
        lines = read_table(self._year.folder, "transactions", columns)
        lines = lines.filter((pc.field("coupon_disc") > 0) & (pc.field("quantity") > 0))
        by_household_and_day: defaultdict[tuple[int, date], list[tuple[int, float]]] = defaultdict(list)
        for household, timestamp, product, quantity, discount in zip(*lines.to_pydict().values(), strict=True):
            by_household_and_day[household, local_day(timestamp)].append((product, 100 * discount / quantity))
        return by_household_and_day

    def promotions(self) -> Iterator[PromotionInput]:
        """Yield a promotion for each coupon."""
        for coupon, products in self.products.items():
            campaign = self.campaigns[coupon.campaign]
            yield PromotionInput(
                code=coupon.code,
                name=f"Campaign {coupon.campaign} ({campaign.type}), coupon {coupon.upc}",
                effect=Effect.AMOUNT_OFF_ITEMS,
                amount=AmountInput(to_decimal(self.amounts_off[coupon], CURRENCY), CURRENCY),
                items=ItemSelection(skus=[sku_of(product) for product in products]),
                max_units=1,
                valid_from=_midnight(campaign.first_day),
                valid_to=_midnight(campaign.last_day + timedelta(days=1)),
                needs_coupon=True,
            )

    def codes(self) -> Iterator[CouponInput]:
        """Yield the code of each coupon's promotion."""
        return (CouponInput(code=coupon.code, promotion=coupon.code) for coupon in self.products)

    def codes_by_basket(self, baskets: Sequence[BasketSummary]) -> dict[int, list[str]]:
        """Return the codes that were used with baskets, by the index of the basket."""
        by_day: defaultdict[tuple[int, date], list[int]] = defaultdict(list)
        with_redemption = {(household, day) for household, day, _ in self.redemptions}
        for index, basket in enumerate(baskets):
            household_day = (basket.household, local_day(datetime.fromtimestamp(basket.second, UTC)))
            if household_day in with_redemption:
                by_day[household_day].append(index)
        codes: defaultdict[int, list[str]] = defaultdict(list)
        for household, day, coupon in self.redemptions:
            if coupon in self.products and (indices := by_day.get((household, day))):
                chosen = self._choose_basket(coupon, indices, baskets, codes)
                if chosen is not None:
                    codes[chosen].append(coupon.code)
        return dict(codes)

    def _choose_basket(
        self,
        coupon: CouponKey,
        indices: Sequence[int],
        baskets: Sequence[BasketSummary],
        codes: Mapping[int, Sequence[str]],
    ) -> int | None:
        """Return the first basket of the day with one of the coupon's products, else the first.

        Baskets that the coupon is already assigned to are skipped.
        """
        without = [index for index in indices if coupon.code not in codes.get(index, ())]
        products = set(self.products[coupon])
        fitting = (index for index in without if products.intersection(baskets[index].products))
        return next(fitting, without[0] if without else None)


def local_day(moment: datetime) -> date:
    """Return the day of a UTC time in the stores' zone."""
    return moment.replace(tzinfo=UTC).astimezone(ZONE).date()


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=ZONE)
