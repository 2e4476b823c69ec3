"""Digests are stored for weeks and compared by later releases, so their bytes must never change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uriba.core import digests
from uriba.core.digests import digest, matches

GOLDEN: dict[str, tuple[Any, str]] = {
    "a number": (1, "016b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"),
    "nothing": (None, "0174234e98afe7498fb5daf1f36ac2d78acc339464f950703b8c019892f982b90b"),
    "an object": (
        {"b": [1, "two", None], "a": {"id": UUID(int=7), "at": datetime(2026, 3, 1, 9, 30, tzinfo=UTC)}},
        "01d04b825df2cebb3a47094564a80ebab18b1a00573b0229df4b568ccf41a36743",
    ),
    "money and text": (
        {"amount": Decimal("19.90"), "name": "Café 売り場"},
        "010ab6444749e8d37af5997ac1c62d64650f4f1552b2fcae6fb797af43a95ccfad",
    ),
}
"""Content and its digest of version 1. A change here breaks every till and client that sends something again."""


class Sale(msgspec.Struct, kw_only=True, omit_defaults=False):
    receipt: str
    lines: list[dict[str, int]]
    note: str | None = None
    coupons: list[str] = []


class SaleOfALaterRelease(Sale, kw_only=True):
    cashier: str | None = None
    extensions: dict[str, str] = {}
    tags: list[str] = []


@dataclass
class Plain:
    receipt: str
    lines: list[dict[str, int]]


@pytest.mark.parametrize("name", GOLDEN)
def test_digests_of_version_1_never_change(name: str) -> None:
    content, expected = GOLDEN[name]

    assert digest(content).hex() == expected
    assert matches(bytes.fromhex(expected), content)


def test_a_new_optional_field_changes_no_digest() -> None:
    kept = digest(Sale(receipt="17", lines=[{"quantity": 2}]))

    assert matches(kept, SaleOfALaterRelease(receipt="17", lines=[{"quantity": 2}]))
    assert matches(kept, Plain("17", [{"quantity": 2}]))
    assert matches(kept, {"lines": [{"quantity": 2}], "receipt": "17", "note": "", "coupons": []})
    assert not matches(kept, SaleOfALaterRelease(receipt="17", lines=[{"quantity": 2}], cashier="Aiko"))


def test_absent_null_and_empty_are_the_same_and_false_and_zero_are_not() -> None:
    assert len({digest(content) for content in ({}, {"a": None}, {"a": ""}, {"a": []}, {"a": {"b": None}})}) == 1
    assert len({digest(content) for content in ({}, {"a": 0}, {"a": False}, {"a": [None]}, {"a": [0, None]})}) == 5


def test_the_same_moment_is_the_same_in_every_zone() -> None:
    tokyo = datetime(2026, 3, 1, 18, 30, tzinfo=timezone(timedelta(hours=9)))

    assert digest({"at": tokyo}) == digest({"at": tokyo.astimezone(UTC)})
    assert digest({"at": tokyo}) != digest({"at": tokyo + timedelta(microseconds=1)})


def test_a_digest_of_an_unknown_version_matches_nothing() -> None:
    assert digest(1)[0] == digests.VERSION
    assert not matches(b"\xff" + digest(1)[1:], 1)
    assert not matches(b"", 1)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_digests_survive_a_json_round_trip(content: Any) -> None:
    assert digest(msgspec.json.decode(msgspec.json.encode(content))) == digest(content)


@given(st.dictionaries(st.text(min_size=1), st.integers(), min_size=2, max_size=6))
def test_the_order_of_keys_does_not_matter(content: dict[str, int]) -> None:
    assert digest(dict(reversed(content.items()))) == digest(content)
