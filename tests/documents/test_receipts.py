"""The content of receipts, invoices and gift receipts, made from stored orders and returns."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tests.support.documents import NUMBER, line, order_record, payment, pdf_text, return_record
from uriba.core.errors import Invalid
from uriba.core.money import Money
from uriba.documents import receipts
from uriba.documents.content import Document, DocumentKind, PaperSize
from uriba.documents.html import render_html
from uriba.documents.layout import PageContent, notes, page_content, title
from uriba.documents.pdf import render_pdf
from uriba.documents.translations import ENGLISH, JAPANESE, parse_language

RECEIPT, INVOICE, GIFT = DocumentKind.RECEIPT, DocumentKind.INVOICE, DocumentKind.GIFT_RECEIPT


def receipt(kind: DocumentKind = RECEIPT, lang: str | None = None, **changes: object) -> Document:
    return receipts.order_document(order_record(**changes), kind=kind, lang=lang)


def labels_and_values(page: PageContent, part: str) -> list[tuple[str, str]]:
    return [(entry.label, entry.value) for entry in getattr(page, part)]


def test_a_qualified_simplified_invoice_has_all_that_the_law_requires() -> None:
    document = receipt()
    page = page_content(document)

    assert (document.qualified, page.title) == (True, "領収書(適格簡易請求書)")
    assert list(page.issuer) == [
        "売り場商店株式会社",
        "渋谷店",
        "東京都渋谷区神宮前1-2-3",
        "電話 03-1234-5678",
        f"登録番号 {NUMBER}",
    ]
    assert labels_and_values(page, "header") == [
        ("日付", "2026年11月23日 01:57"),
        ("注文番号", "100042"),
        ("レシート番号", "217-4"),
    ]
    assert [(line.heading.label, line.heading.value) for line in page.lines] == [
        ("Tea ※", "￥1,296"),
        ("Pot", "￥3,300"),
    ]
    assert labels_and_values(page, "taxes") == [
        ("10%対象計(税込)", "￥3,300"),
        ("内消費税等", "￥300"),
        ("※ 8%対象計(税込)", "￥1,287"),
        ("内消費税等", "￥95"),
    ]
    assert page.notes == ["※印は軽減税率対象です。"]


def test_tenders_show_cash_tendered_and_change() -> None:
    assert labels_and_values(page_content(receipt()), "tenders") == [
        ("現金", "￥587"),
        ("お預り", "￥1,000"),
        ("お釣り", "￥413"),
        ("カード", "￥4,000"),
    ]


def test_gift_cards_and_points_have_the_reference_that_customers_know() -> None:
    card = payment("GIFT_CARD", 4000) | {"reference": "****1234 0190b3c4-0000-7000-8000-000000000000"}
    points = payment("POINTS", 587) | {"reference": "587 points"}

    page = page_content(receipt(payments=[card, points], points=1_045))

    assert labels_and_values(page, "tenders") == [
        ("ギフトカード (****1234)", "￥4,000"),
        ("ポイント (587)", "￥587"),
        ("獲得ポイント", "1,045"),
    ]


def test_the_amounts_of_lines_and_totals_agree() -> None:
    page = page_content(receipt())

    (tea, _) = page.lines
    assert [(note.label, note.value) for note in tea.details] == [("TEA  2 × ￥648", ""), ("値引", "-￥9")]
    assert labels_and_values(page, "totals") == [("小計", "￥4,596"), ("値引", "-￥9"), ("合計", "￥4,587")]


def test_promotions_and_shipping_are_named() -> None:
    page = page_content(receipt(promotions=[{"name": "秋の  割引", "amount_minor": 9}], shipping_minor=500))

    assert labels_and_values(page, "totals")[1:4] == [("値引", "-￥9"), ("秋の 割引", "(-￥9)"), ("送料", "￥500")]


def test_taxes_are_the_stored_ones_even_if_they_are_wrong() -> None:
    (tax,) = receipt(taxes=[{"rate": "0.080000", "taxable_minor": 1, "tax_minor": 77}]).taxes

    assert (tax.rate, tax.gross, tax.tax) == (Decimal("0.08"), Money(78, "JPY"), Money(77, "JPY"))


def test_prices_without_tax_show_the_tax_in_the_totals() -> None:
    page = page_content(receipt(prices_include_tax=False))

    assert ("消費税等", "￥395") in labels_and_values(page, "totals")
    assert labels_and_values(page, "taxes")[:2] == [("10%対象計(税抜)", "￥3,000"), ("消費税等", "￥300")]


@pytest.mark.parametrize("number", [None, "", "T123"])
def test_without_a_registration_number_it_is_a_plain_receipt(number: str | None) -> None:
    document = receipt(issuer={"name": "Uriba", "registration_number": number, "address": None, "phone": None})
    page = page_content(document)

    assert (document.qualified, page.title, list(page.issuer)) == (False, "領収書", ["Uriba", "渋谷店"])
    assert page.notes[-1] == JAPANESE.unregistered
    assert bool(document.warnings) is bool(number)


def test_a_wrong_check_digit_is_printed_and_warned_of() -> None:
    document = receipt(issuer={"name": "Uriba", "registration_number": "T7000012050003"})

    assert document.qualified
    assert len(document.warnings) == 1
    assert document.warnings[0] not in "".join(notes(document))


def test_older_sales_have_no_qualified_invoice() -> None:
    # 14:59 UTC on 30 September is 23:59 in Tokyo.
    before, after = (datetime(2023, 9, 30, hour, 59, tzinfo=UTC) for hour in (14, 15))

    assert [receipt(placed_at=at).qualified for at in (before, after)] == [False, True]


def test_without_an_issuer_it_is_the_store_or_the_channel() -> None:
    store = receipt(issuer=None, store_address="1-2-3", store_phone="03")
    channel = receipt(issuer=None, store=None)

    assert (store.issuer.name, store.issuer.address, store.issuer.phone, store.issuer.store) == (
        "渋谷店",
        "1-2-3",
        "03",
        None,
    )
    assert (channel.issuer.name, channel.issuer.store) == ("Stores", None)


def test_an_invoice_names_the_buyer() -> None:
    named, unnamed = receipt(INVOICE), receipt(INVOICE, recipient=None)

    assert (title(named), named.recipient) == ("適格請求書", "佐藤 花")
    assert labels_and_values(page_content(named), "header")[0] == ("佐藤 花 様", "")
    assert title(unnamed) == "領収書(適格簡易請求書)"
    assert receipt(RECEIPT).recipient is None


def test_cancelled_units_are_shown_with_the_amounts_not_charged_and_refunded() -> None:
    document = receipt(
        lines=[line("Tea", 2, 648, "0.080000", discount=9, cancelled=1), line("Pot", 1, 3300, "0.100000", cancelled=1)],
        payment_status="PARTIALLY_REFUNDED",
        refunded_minor=643,
        payments=[payment("CASH", 1287), payment("CARD", 3300, voided=3300)],
    )
    page = page_content(document)

    assert [entry.label for line in page.lines for entry in line.details if "キャンセル" in entry.label] == [
        "うち 1 点キャンセル"
    ] * 2
    assert labels_and_values(page, "tenders")[-2:] == [
        ("キャンセル分(請求なし)", "-￥3,300"),
        ("その後の返金・交換", "-￥643"),
    ]
    assert page.notes == ["※印は軽減税率対象です。", JAPANESE.taxes_as_placed]


def test_an_unpaid_order_has_a_statement() -> None:
    document = receipt(payment_status="AUTHORIZED")

    assert (document.qualified, title(document)) == (False, "ご注文明細")
    assert JAPANESE.unsettled in notes(document)


def test_a_cancelled_order_has_a_statement_with_a_banner() -> None:
    document = receipt(status="CANCELLED", payment_status="REFUNDED", lang="en")
    page = page_content(document)

    assert (document.qualified, page.title, page.banner) == (False, "Order statement", "CANCELLED")


def test_yen_orders_are_japanese_unless_english_is_requested() -> None:
    document = receipt(lang="en")
    page = page_content(document)

    assert (receipt().lang, document.qualified) == ("ja", True)
    assert page.title == "Receipt (qualified simplified invoice)"
    assert labels_and_values(page, "taxes")[2:] == [
        ("※ 8% rate, total including tax", "¥1,287"),
        ("Tax included", "¥95"),
    ]
    assert page.notes == ["※ marks items taxed at the reduced rate."]


def test_outside_japan_each_of_several_rates_has_a_letter() -> None:
    dollars = {
        "currency": "USD",
        "timezone": "UTC",
        "issuer": {"name": "Grocer", "registration_number": "US 12-345"},
    }
    document = receipt(**dollars)
    page = page_content(document)

    assert (document.lang, document.qualified, list(document.warnings)) == ("en", False, [])
    assert [line.heading.label for line in page.lines] == ["Tea B", "Pot A"]
    assert [entry.label for entry in page.taxes if not entry.small] == [
        "A 10% rate, total including tax",
        "B 8% rate, total including tax",
    ]
    assert (page.title, page.totals[-1].value, page.notes) == ("Receipt", "$45.87", [])
    assert page.header[0].value == "November 22, 2026 16:57 UTC"
    assert "Registration no. US 12-345" in page.issuer


def test_a_single_rate_has_no_letter() -> None:
    document = receipt(
        currency="USD",
        lines=[line("Tea", 1, 99, "0")],
        taxes=[{"rate": "0", "taxable_minor": 99, "tax_minor": 0}],
        issuer=None,
    )

    assert [one.mark for one in (*document.lines, *document.taxes)] == [None, None]


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_a_gift_receipt_shows_no_amount_anywhere(lang: str) -> None:
    # Amounts that occur nowhere else: not in a number, a name or a date.
    document = receipt(
        GIFT,
        lang,
        lines=[
            line("Tea", 3, 7_531, "0.080000", discount=222, cancelled=1),
            line("Pot", 1, 9_753, "0.100000", cancelled=1),
        ],
        subtotal_minor=22_371,
        total_minor=22_371,
        tax_minor=1_657,
        taxes=[{"rate": "0.080000", "taxable_minor": 20_714, "tax_minor": 1_657}],
        promotions=[{"name": "222 off", "amount_minor": 222}],
        payments=[payment("CASH", 22_371, tendered=30_000)],
        points=22_593,
        refunded_minor=7_457,
    )

    assert [(one.name, one.quantity) for one in document.lines] == [("Tea", 2)]
    assert (document.qualified, document.issuer.registration_number) == (False, None)
    assert document.order_number == "100042"
    for paper in PaperSize:
        for text in (repr(document), render_html(document, paper), pdf_text(render_pdf(document, paper))):
            assert amounts_in(text) == set()
        assert "100042" in pdf_text(render_pdf(document, paper))
    assert not any(
        has_money_sign(text) for text in (html_text(document), pdf_text(render_pdf(document, PaperSize.ROLL)))
    )


AMOUNTS = (7_531, 9_753, 222, 22_371, 1_657, 20_714, 30_000, 7_457, 7_629, 22_593)


def amounts_in(text: str) -> set[int]:
    """Return the amounts that occur in a text, with or without separators."""
    return {amount for amount in AMOUNTS if re.search(rf"(?<!\d)({amount}|{amount:,})(?!\d)", text)}


def has_money_sign(text: str) -> bool:
    return any(sign in text for sign in "¥￥$円%")


def html_text(document: Document) -> str:
    return re.sub(r"<style>.*?</style>", "", render_html(document, PaperSize.A4), flags=re.S)


def test_a_receipt_shows_amounts() -> None:
    document = receipt(lines=[line("Tea", 3, 7_531, "0.080000")])

    assert {7_531} <= amounts_in(html_text(document))
    assert has_money_sign(pdf_text(render_pdf(document, PaperSize.ROLL)))


def test_a_return_invoice_has_all_that_the_law_requires() -> None:
    document = receipts.return_document(return_record(), lang=None)
    page = page_content(document)

    assert (document.qualified, page.title) == (True, "適格返還請求書")
    assert f"登録番号 {NUMBER}" in page.issuer
    assert labels_and_values(page, "header") == [
        ("日付", "2026年12月1日 12:00"),
        ("返品番号", "100042-RABCDEF"),
        ("注文番号", "100042"),
        ("販売日", "2026年11月23日"),
    ]
    assert [(line.heading.label, line.heading.value) for line in page.lines] == [("Tea ※", "￥643")]
    assert labels_and_values(page, "totals") == [("返品合計", "￥643")]
    assert labels_and_values(page, "taxes") == [("※ 8%対象計(税込)", "￥643"), ("内消費税等", "￥48")]
    assert labels_and_values(page, "tenders") == [("現金", "￥643")]


def test_a_return_shows_refunded_shipping() -> None:
    taxes = [
        {"rate": "0.100000", "gross_minor": 500, "tax_minor": 45},
        {"rate": "0.080000", "gross_minor": 643, "tax_minor": 48},
    ]

    page = page_content(receipts.return_document(return_record(taxes=taxes, refund_minor=1143), lang="en"))

    assert labels_and_values(page, "totals") == [("Shipping refunded", "¥500"), ("Return total", "¥1,143")]


def test_an_exchange_names_both_orders() -> None:
    back, new = (
        receipts.return_document(return_record(exchange_number="100043"), lang="en"),
        receipt(lang="en", exchange_number="100041"),
    )

    assert ("Exchanged for order", "100043") in labels_and_values(page_content(back), "header")
    assert ("Exchanged from order", "100041") in labels_and_values(page_content(new), "header")


def test_a_return_without_stored_taxes_has_a_plain_receipt() -> None:
    document = receipts.return_document(return_record(taxes=[]), lang=None)

    assert (document.qualified, title(document)) == (False, "返品レシート")
    assert [one.total for one in document.lines] == [None]
    assert notes(document) == [JAPANESE.untaxed_return]


@pytest.mark.parametrize(("tag", "language"), [(None, None), ("ja", "ja"), ("ja-JP", "ja"), ("EN_gb", "en")])
def test_parses_the_language_of_a_tag(tag: str | None, language: str | None) -> None:
    assert parse_language(tag) == language


@pytest.mark.parametrize("tag", ["", "fr", "japanese", "-", "ja!"])
def test_refuses_other_languages(tag: str) -> None:
    with pytest.raises(Invalid):
        parse_language(tag)


def test_both_languages_have_all_texts() -> None:
    assert ENGLISH._fields == JAPANESE._fields
    assert ENGLISH.tenders.keys() == JAPANESE.tenders.keys()
    assert all(text for texts in (ENGLISH, JAPANESE) for text in texts)
