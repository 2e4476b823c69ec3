"""The year's coupons: 27 campaigns, 1,197 coupons of theirs with 116,204 products, and 2,102 redemptions.

A coupon of a campaign is a promotion that needs its code, `CJ26-51380041013`: an amount off one unit of any of its
products, from the campaign's first day to its last. The source does not say how much: it is what coupons took off such
products on the days of its redemptions (the median), else the median of its campaign, else of all. Redemptions are by
household and day; each belongs to that household's basket of the day that has one of its products, else to its first.
Products that the slice has no article for are left out, and coupons of nothing else.
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
from uriba.pricing.promotion_input import AmountInput, GoodsInput, PromotionInput
from uriba.sources.complete_journey import ZONE, CompleteJourney, read_table, sku_of

CURRENCY = "USD"


class CouponKey(NamedTuple):
    """A coupon of a campaign."""

    campaign: int
    upc: int

    @property
    def code(self) -> str:
        return f"CJ{self.campaign}-{self.upc}"


class Redemption(NamedTuple):
    """A household used a coupon on a day of the stores' zone."""

    household: int
    day: date
    key: CouponKey


class Campaign(NamedTuple):
    """Its type, as the source has it, and its days."""

    kind: str
    first: date
    last: date


class CampaignCoupons:
    """The coupons of a slice of the year."""

    def __init__(self, year: CompleteJourney) -> None:
        self._year = year

    @cached_property
    def products(self) -> dict[CouponKey, list[int]]:
        """The products of each coupon that the slice has articles for."""
        known = {article.sku for article in self._year.articles}
        rows = read_table(self._year.folder, "coupons", ["campaign_id", "coupon_upc", "product_id"]).to_pydict()
        found: defaultdict[CouponKey, set[int]] = defaultdict(set)
        for campaign, upc, product in zip(*rows.values(), strict=True):
            if sku_of(product) in known:
                found[CouponKey(campaign, upc)].add(product)
        return {key: sorted(found[key]) for key in sorted(found)}

    @cached_property
    def redemptions(self) -> list[Redemption]:
        """All redemptions of the year, by household and day."""
        columns = ["household_id", "redemption_date", "campaign_id", "coupon_upc"]
        rows = read_table(self._year.folder, "coupon_redemptions", columns).to_pydict()
        return sorted(
            Redemption(household, moment.date(), CouponKey(campaign, upc))
            for household, moment, campaign, upc in zip(*rows.values(), strict=True)
        )

    @cached_property
    def campaigns(self) -> dict[int, Campaign]:
        columns = ["campaign_id", "campaign_type", "start_date", "end_date"]
        rows = read_table(self._year.folder, "campaign_descriptions", columns).to_pydict()
        return {
            number: Campaign(kind, first.date(), last.date())
            for number, kind, first, last in zip(*rows.values(), strict=True)
        }

    @cached_property
    def amounts(self) -> dict[CouponKey, int]:
        """What each coupon takes off, in US cents."""
        taken = self._taken_off()
        by_campaign: defaultdict[int, list[float]] = defaultdict(list)
        for key, cents in taken.items():
            by_campaign[key.campaign].extend(cents)
        everywhere = [cents for found in taken.values() for cents in found] or [100]
        return {
            key: round(median(taken.get(key) or by_campaign.get(key.campaign) or everywhere)) for key in self.products
        }

    def _taken_off(self) -> dict[CouponKey, list[float]]:
        """What coupons took off a unit on the days that each was redeemed, by its household and of its products."""
        days = self._lines_with_coupons()
        found: defaultdict[CouponKey, list[float]] = defaultdict(list)
        for household, day, key in self.redemptions:
            products = set(self.products.get(key, ()))
            found[key] += [cents for product, cents in days.get((household, day), ()) if product in products]
        return {key: cents for key, cents in found.items() if cents}

    def _lines_with_coupons(self) -> dict[tuple[int, date], list[tuple[int, float]]]:
        import pyarrow.compute as pc

        columns = ["household_id", "transaction_timestamp", "product_id", "quantity", "coupon_disc"]
        lines = read_table(self._year.folder, "transactions", columns)
        lines = lines.filter((pc.field("coupon_disc") > 0) & (pc.field("quantity") > 0))
        found: defaultdict[tuple[int, date], list[tuple[int, float]]] = defaultdict(list)
        for household, moment, product, quantity, off in zip(*lines.to_pydict().values(), strict=True):
            found[household, local_day(moment)].append((product, 100 * off / quantity))
        return found

    def promotions(self) -> Iterator[PromotionInput]:
        """A promotion for each coupon of a campaign."""
        for key, products in self.products.items():
            campaign = self.campaigns[key.campaign]
            yield PromotionInput(
                code=key.code,
                name=f"Campaign {key.campaign} ({campaign.kind}), coupon {key.upc}",
                effect=Effect.AMOUNT_OFF_ITEMS,
                amount=AmountInput(to_decimal(self.amounts[key], CURRENCY), CURRENCY),
                items=GoodsInput(skus=[sku_of(product) for product in products]),
                max_units=1,
                valid_from=_midnight(campaign.first),
                valid_to=_midnight(campaign.last + timedelta(days=1)),
                needs_coupon=True,
            )

    def codes(self) -> Iterator[CouponInput]:
        return (CouponInput(code=key.code, promotion=key.code) for key in self.products)

    def used(self, baskets: Sequence[tuple[int, int, Sequence[int]]]) -> dict[int, list[str]]:
        """The codes that were used with baskets, by place; a basket is its household, second (UTC) and products."""
        by_day: defaultdict[tuple[int, date], list[int]] = defaultdict(list)
        wanted = {(household, day) for household, day, _ in self.redemptions}
        for place, (household, second, _) in enumerate(baskets):
            if (key := (household, local_day(datetime.fromtimestamp(second, UTC)))) in wanted:
                by_day[key].append(place)
        found: defaultdict[int, list[str]] = defaultdict(list)
        for household, day, coupon in self.redemptions:
            if coupon in self.products and (places := by_day.get((household, day))):
                likeliest = self._likeliest(coupon, places, baskets, found)
                if likeliest is not None:
                    found[likeliest].append(coupon.code)
        return dict(found)

    def _likeliest(
        self,
        coupon: CouponKey,
        places: Sequence[int],
        baskets: Sequence[tuple[int, int, Sequence[int]]],
        found: Mapping[int, Sequence[str]],
    ) -> int | None:
        """The day's first basket with one of its products, else the first; each takes a coupon once."""
        free = [place for place in places if coupon.code not in found.get(place, ())]
        products = set(self.products[coupon])
        fitting = (place for place in free if products.intersection(baskets[place][2]))
        return next(fitting, free[0] if free else None)


def local_day(moment: datetime) -> date:
    """The day of the stores' zone at a moment of UTC."""
    return moment.replace(tzinfo=UTC).astimezone(ZONE).date()


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=ZONE)
