"""Ringing up: a person guesses it right, and is told how where not."""

from __future__ import annotations

from pathlib import Path

import pytest
from simulated import NOON, make_till

from uriba.till import ringing
from uriba.till.errors import Unsellable
from uriba.till.events import Kind, Line, Tender
from uriba.till.shelf import Shelf


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(make_till(tmp_path) / "shelf.json")


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("TEA", Line("TEA", 1, "648")),
        ("TEA:3", Line("TEA", 3, "648")),
        ("TEA:3@600", Line("TEA", 3, "600")),
        ("TEA@600.50", Line("TEA", 1, "600.50")),
        ("4901234567894:2", Line("TEA", 2, "648")),
    ],
)
def test_a_sale_has_the_shelfs_price_unless_another_is_said(shelf: Shelf, said: str, line: Line) -> None:
    assert ringing.lines_of([said], Kind.SALE, shelf, NOON) == (line,)


@pytest.mark.parametrize(
    ("said", "kind", "sentence"),
    [
        ("TEE", Kind.SALE, "knows no SKU or barcode TEE"),
        ("TE", Kind.SALE, "Similar: TEA"),
        ("TEA:0", Kind.SALE, "from 1 to 100,000"),
        ("TEA:-2", Kind.RECEIPT, "from 1 to 100,000"),
        ("TEA", Kind.COUNT, "Say how many: TEA:12"),
        ("TEA:0", Kind.ADJUSTMENT, "not 0"),
    ],
)
def test_says_what_is_wrong_with_a_line(shelf: Shelf, said: str, kind: Kind, sentence: str) -> None:
    with pytest.raises(Unsellable, match=sentence):
        ringing.lines_of([said], kind, shelf, NOON)


def test_adjustments_go_both_ways_and_counts_may_be_nothing(shelf: Shelf) -> None:
    assert ringing.lines_of(["TEA:-2", "POT:+1"], Kind.ADJUSTMENT, shelf, NOON) == (Line("TEA", -2), Line("POT", 1))
    assert ringing.lines_of(["TEA:0"], Kind.COUNT, shelf, NOON) == (Line("TEA", 0),)


def test_what_the_till_does_not_know_is_sold_only_anyway(shelf: Shelf) -> None:
    assert ringing.lines_of(["NEW:2@100"], Kind.SALE, shelf, NOON, anyway=True) == (Line("NEW", 2, "100"),)


def test_tenders_are_the_total_by_one_method_unless_said(shelf: Shelf) -> None:
    lines = ringing.lines_of(["TEA:2", "POT"], Kind.SALE, shelf, NOON)

    assert ringing.tenders_of([], lines, method="CARD") == (Tender("CARD", "4596"),)
    assert ringing.tenders_of(["cash:4000", "CARD:596"], lines, method="CASH") == (
        Tender("CASH", "4000"),
        Tender("CARD", "596"),
    )
    with pytest.raises(Unsellable, match=r"The tenders are 4000, the lines are 4596\."):
        ringing.tenders_of(["CASH:4000"], lines, method="CASH")
