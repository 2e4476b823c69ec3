"""Identifiers, cursors, text and quantities: input is decoded or refused, never a fault."""

from __future__ import annotations

from base64 import b64encode
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uriba.core import ids, pages, quantities, text
from uriba.core.errors import Code, DomainError, Invalid, InvalidQuantity, LimitExceeded, Refusals


@given(st.sampled_from(["Cart", "Order", "Variant"]), st.integers(1, 10**18 - 1))
def test_a_global_id_decodes_for_its_own_kind_only(kind: str, key: int) -> None:
    made = ids.global_id(kind, key)

    assert (ids.kind_of(made), ids.number(made, kind), ids.number(made, "Location")) == (kind, key, None)


@pytest.mark.parametrize("key", ["0" * 19, "9" * 19, "-1", "1.0", "", "²", "1 "])
def test_numbers_above_bigint_are_no_ids(key: str) -> None:
    made = b64encode(f"Variant:{key}".encode()).decode()

    assert ids.number(made, "Variant") is None


@given(st.text())
def test_any_text_can_be_decoded_as_an_id_without_a_fault(value: str) -> None:
    for kind in ("Cart", "Variant"):
        assert ids.uuid(value, kind) is None or ids.kind_of(value) == kind
        assert ids.number(value, kind) is None or ids.kind_of(value) == kind


def test_a_uuid_is_read_in_its_usual_form_only() -> None:
    key = uuid4()

    assert ids.uuid(ids.global_id("Cart", key), "Cart") == key
    assert ids.uuid(ids.global_id("Cart", key.hex), "Cart") is None
    assert ids.uuid(ids.global_id("Order", key), "Cart") is None


def test_new_ids_are_in_order() -> None:
    made = [ids.new_id() for _ in range(100)]

    assert made == sorted(made)


@given(st.text())
def test_any_text_is_a_valid_cursor_or_refused(value: str) -> None:
    try:
        found = pages.after_number(value)
    except Invalid as refused:
        assert refused.problems[0].path == ("after",)
    else:
        assert found is not None
        assert pages.after_number(pages.cursor(found)) == found


def test_a_page_is_built_from_one_row_more() -> None:
    page = pages.page([1, 2, 3], first=2, after=None, key=lambda row: row)

    assert (page.rows, page.more, page.begun) == ([1, 2], True, False)
    assert pages.after_number(page.cursors[-1]) == 2


@pytest.mark.parametrize("first", [-1, 101])
def test_pages_hold_at_most_a_hundred(first: int) -> None:
    with pytest.raises(Invalid):
        pages.check_first(first)


@pytest.mark.parametrize("value", ["a\x00b", "a\x1fb", "a\x7fb", "a\x85b", "a\ud800b", "a\rb"])
def test_control_characters_are_refused(value: str) -> None:
    with pytest.raises(Invalid):
        text.text(value, "name")


@pytest.mark.parametrize("value", ["", "   ", "\n\t", "x" * 201])
def test_refuses_empty_and_too_long_text(value: str) -> None:
    with pytest.raises(Invalid):
        text.text(value)


def test_text_is_trimmed_and_keeps_all_scripts() -> None:
    assert text.text("  売り場 — Çay ☕\t") == "売り場 — Çay ☕"
    assert text.optional_text("   ") is None


@pytest.mark.parametrize("value", [0, -1, 100_001])
def test_quantities_are_from_one_to_a_hundred_thousand(value: int) -> None:
    with pytest.raises(InvalidQuantity):
        quantities.quantity(value)


def test_refuses_one_row_above_the_limit() -> None:
    quantities.check_rows(1_000)

    with pytest.raises(LimitExceeded):
        quantities.check_rows(1_001)


def test_refusals_are_reported_together_in_order() -> None:
    refusals = Refusals()
    refusals.add(Code.INVALID, "First.", "rows", 0)
    refusals.caught(InvalidQuantity("Second.", "rows", 1, "quantity"))

    with pytest.raises(DomainError) as refused:
        refusals.raise_any()

    assert [(p.code, p.path) for p in refused.value.problems] == [
        (Code.INVALID, ("rows", "0")),
        (Code.INVALID_QUANTITY, ("rows", "1", "quantity")),
    ]
    assert str(refused.value) == "First."
