"""Candidate promotions and coupons of a cart, read in the statement that reads the cart.

The SQL function `offers_of` finds them once for each cart. Without promotions this costs one read of an empty table.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from uriba.db.statements import fragment
from uriba.pricing.basket_items import NO_TRAITS, ItemTraits
from uriba.pricing.promotions import PromotionCandidate, PromotionCandidates

AUTOMATIC_MAX = 200
"""Current promotions of one channel that need no coupon. Each cart is evaluated against all of them."""

PROMOTION_CANDIDATES = fragment("""
    CASE WHEN (SELECT true FROM promotion LIMIT 1) AND row_number() OVER whole_cart = 1
        THEN offers_of({cart}, {customer}, {counted}, {channel}, {currency}, array_agg({variant}) OVER whole_cart) END
""")
"""The candidates of a cart as JSON for `parse_candidates`, in the cart's first row.

The statement declares the window `whole_cart` (see `CART_WINDOW`). `counted`: the cart's coupons have been redeemed.
"""

CART_WINDOW = fragment("whole_cart AS ({rows} ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)")
"""The window of all rows of a cart. `rows`: their partition and order."""


class _CandidatesJson(msgspec.Struct, frozen=True):
    """The JSON of the SQL function `offers_of`."""

    at: datetime
    offers: list[PromotionCandidate]
    goods: list[tuple[int, str | None, str | None, list[tuple[int, bool]] | None]] | None = None


def parse_candidates(
    candidates_json: Mapping[str, Any] | None, *, channel_id: int
) -> tuple[PromotionCandidates | None, dict[int, ItemTraits]]:
    """Return the candidates from the JSON of `PROMOTION_CANDIDATES`, and the traits of each variant."""
    if candidates_json is None:
        return None, {}
    parsed = msgspec.convert(candidates_json, _CandidatesJson)
    traits = {
        variant_id: _traits(category, brand, named) if category or brand or named else NO_TRAITS
        for variant_id, category, brand, named in parsed.goods or ()
    }
    return PromotionCandidates(parsed.offers, channel_id, parsed.at), traits


def _traits(category: str | None, brand: str | None, named: list[tuple[int, bool]] | None) -> ItemTraits:
    return ItemTraits(
        category,
        brand,
        frozenset(promotion for promotion, reward in named or () if not reward),
        frozenset(promotion for promotion, reward in named or () if reward),
    )
