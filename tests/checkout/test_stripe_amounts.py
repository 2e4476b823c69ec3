"""Amounts in Stripe's units."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uriba.checkout.gateways.stripe_amounts import partial_stripe_units, to_stripe_units


@pytest.mark.parametrize(
    ("minor", "currency", "written"),
    [
        (1280, "JPY", 1280),
        (1999, "USD", 1999),
        (5, "ISK", 500),
        (5, "UGX", 500),
        (7, "KRW", 7),
        (1050, "HUF", 1050),
        (5124, "KWD", 5120),
        (5125, "KWD", 5130),
        (3, "BHD", 0),
        (70, "LBP", 7000),
        (70, "MGA", 70),
    ],
)
def test_amounts_follow_stripes_table_of_decimals(minor: int, currency: str, written: int) -> None:
    assert to_stripe_units(minor, currency) == written


@given(
    st.sampled_from(["JPY", "USD", "KWD", "ISK", "TND", "LBP"]),
    st.lists(st.integers(min_value=1, max_value=10**9), min_size=1, max_size=20),
)
def test_parts_add_up_to_the_whole_however_they_are_rounded(currency: str, parts: list[int]) -> None:
    moved = [partial_stripe_units(part, sum(parts[:index]), currency) for index, part in enumerate(parts)]

    assert sum(moved) == to_stripe_units(sum(parts), currency)
    assert all(part >= 0 for part in moved)
