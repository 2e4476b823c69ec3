"""Parsing of the lines and tenders that a cashier enters."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.till_folders import NOON, make_till
from uriba.till.errors import InvalidInput
from uriba.till.input_parsing import parse_lines, parse_tenders
from uriba.till.local_catalog import LocalCatalog
from uriba.till.protocol import EventLine, EventType, Tender
from uriba.till.till_folder import CATALOG_FILE


@pytest.fixture
def catalog(tmp_path: Path) -> LocalCatalog:
    return LocalCatalog(make_till(tmp_path) / CATALOG_FILE)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("TEA", EventLine("TEA", 1, "648")),
        ("TEA:3", EventLine("TEA", 3, "648")),
        ("TEA:3@600", EventLine("TEA", 3, "600")),
        ("TEA@600.50", EventLine("TEA", 1, "600.50")),
        ("4901234567894:2", EventLine("TEA", 2, "648")),
    ],
)
def test_a_sale_has_the_catalogs_price_unless_one_is_entered(catalog: LocalCatalog, text: str, line: EventLine) -> None:
    assert parse_lines([text], EventType.SALE, catalog, NOON) == (line,)


@pytest.mark.parametrize(
    ("text", "event_type", "message"),
    [
        ("TEE", EventType.SALE, "has no SKU or barcode TEE"),
        ("TE", EventType.SALE, "Similar: TEA"),
        ("TEA:0", EventType.SALE, "from 1 to 100,000"),
        ("TEA:-2", EventType.RECEIPT, "from 1 to 100,000"),
        ("TEA", EventType.COUNT, "Enter a quantity: TEA:12"),
        ("TEA:0", EventType.ADJUSTMENT, "not 0"),
    ],
)
def test_an_invalid_line_is_refused_with_a_message(
    catalog: LocalCatalog, text: str, event_type: EventType, message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        parse_lines([text], event_type, catalog, NOON)


def test_an_adjustment_may_be_negative_and_a_count_may_be_zero(catalog: LocalCatalog) -> None:
    adjustment = parse_lines(["TEA:-2", "POT:+1"], EventType.ADJUSTMENT, catalog, NOON)

    assert adjustment == (EventLine("TEA", -2), EventLine("POT", 1))
    assert parse_lines(["TEA:0"], EventType.COUNT, catalog, NOON) == (EventLine("TEA", 0),)


def test_an_unknown_sku_is_accepted_only_if_allowed(catalog: LocalCatalog) -> None:
    lines = parse_lines(["NEW:2@100"], EventType.SALE, catalog, NOON, allow_unknown=True)

    assert lines == (EventLine("NEW", 2, "100"),)


def test_one_tender_pays_the_total_unless_tenders_are_entered(catalog: LocalCatalog) -> None:
    lines = parse_lines(["TEA:2", "POT"], EventType.SALE, catalog, NOON)

    assert parse_tenders([], lines, method="CARD") == (Tender("CARD", "4596"),)
    assert parse_tenders(["cash:4000", "CARD:596"], lines, method="CASH") == (
        Tender("CASH", "4000"),
        Tender("CARD", "596"),
    )
    with pytest.raises(InvalidInput, match=r"The tenders add up to 4000, but the lines cost 4596\."):
        parse_tenders(["CASH:4000"], lines, method="CASH")
