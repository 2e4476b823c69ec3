"""Offers: what a cart may have, read in the statement that reads the cart.

The database's function `offers_of` finds it, once for a cart; a hub without promotions pays for one look at an empty
table.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from uriba.pricing.basket_items import PLAIN, Traits
from uriba.pricing.promotions import Offer, Offers

AUTOMATIC_MAX = 200
"""Promotions of one channel that need no coupon and are not over: each cart is judged by all of them."""

OFFERS = """
    CASE WHEN (SELECT true FROM promotion LIMIT 1) AND row_number() OVER whole = 1
        THEN offers_of({cart}, {customer}, {counted}, {channel}, {currency}, array_agg({variant}) OVER whole) END
"""
"""What a cart is offered, as JSON for `read`, in its first row.

The window `whole` is all rows of the cart, in their order: see `WHOLE`. `counted`: the cart has used its coupons.
"""

WHOLE = "whole AS ({rows} ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)"


class _Found(msgspec.Struct, frozen=True):
    at: datetime
    offers: list[Offer]
    goods: list[tuple[int, str | None, str | None, list[tuple[int, bool]] | None]] | None = None


def read(found: Mapping[str, Any] | None, *, channel_id: int) -> tuple[Offers | None, dict[int, Traits]]:
    """Offers from the JSON of `OFFERS`, and what they know each variant by."""
    if found is None:
        return None, {}
    read_ = msgspec.convert(found, _Found)
    known = {
        variant_id: _traits(category, brand, named) if category or brand or named else PLAIN
        for variant_id, category, brand, named in read_.goods or ()
    }
    return Offers(read_.offers, channel_id, read_.at), known


def _traits(category: str | None, brand: str | None, named: list[tuple[int, bool]] | None) -> Traits:
    return Traits(
        category,
        brand,
        frozenset(promotion for promotion, reward in named or () if not reward),
        frozenset(promotion for promotion, reward in named or () if reward),
    )
