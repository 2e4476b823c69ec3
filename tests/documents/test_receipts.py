"""What stands on receipts, invoices and gift receipts, built from rows: as it was booked, nothing counted anew."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from document_support import NUMBER, brought_back, line, paid, printed, sold

from uriba.core.errors import Invalid
from uriba.core.money import Money
from uriba.documents import receipts
from uriba.documents.content import Document, DocumentKind, PaperSize
from uriba.documents.html import render_html
from uriba.documents.layout import PageContent, notes, page_content, title
from uriba.documents.pdf import render_pdf
from uriba.documents.translations import ENGLISH, JAPANESE, parse_language

RECEIPT, INVOICE, GIFT = DocumentKind.RECEIPT, DocumentKind.INVOICE, DocumentKind.GIFT_RECEIPT


def receipt(kind: DocumentKind = RECEIPT, lang: str | None = None, **given: object) -> Document:
    return receipts.order_document(sold(**given), kind=kind, lang=lang)


def shown(page: PageContent, part: str) -> list[tuple[str, str]]:
    return [(entry.label, entry.value) for entry in getattr(page, part)]


def test_a_qualified_simplified_invoice_has_all_that_the_law_asks_for() -> None:
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
    assert shown(page, "facts") == [("日付", "2026年11月23日 01:57"), ("注文番号", "100042"), ("レシート番号", "217-4")]
    assert [(item.entry.label, item.entry.value) for item in page.items] == [("Tea ※", "￥1,296"), ("Pot", "￥3,300")]
    assert shown(page, "taxes") == [
        ("10%対象計(税込)", "￥3,300"),
        ("内消費税等", "￥300"),
        ("※ 8%対象計(税込)", "￥1,287"),
        ("内消費税等", "￥95"),
    ]
    assert page.notes == ["※印は軽減税率対象です。"]


def test_tenders_show_cash_given_and_change() -> None:
    assert shown(page_content(receipt()), "tenders") == [
        ("現金", "￥587"),
        ("お預り", "￥1,000"),
        ("お釣り", "￥413"),
        ("カード", "￥4,000"),
    ]


def test_tenders_of_the_hubs_own_say_what_a_customer_knows_them_by() -> None:
    card = paid("GIFT_CARD", 4000) | {"reference": "****1234 0190b3c4-0000-7000-8000-000000000000"}
    points = paid("POINTS", 587) | {"reference": "587 points"}

    page = page_content(receipt(payments=[card, points], points=1_045))

    assert shown(page, "tenders") == [
        ("ギフトカード (****1234)", "￥4,000"),
        ("ポイント (587)", "￥587"),
        ("獲得ポイント", "1,045"),
    ]


def test_the_column_of_amounts_adds_up() -> None:
    page = page_content(receipt())

    (tea, _) = page.items
    assert [(note.label, note.value) for note in tea.notes] == [("TEA  2 × ￥648", ""), ("値引", "-￥9")]
    assert shown(page, "sums") == [("小計", "￥4,596"), ("値引", "-￥9"), ("合計", "￥4,587")]


def test_promotions_and_shipping_are_named() -> None:
    page = page_content(receipt(promotions=[{"name": "秋の  割引", "amount": 9}], shipping_minor=500))

    assert shown(page, "sums")[1:4] == [("値引", "-￥9"), ("秋の 割引", "(-￥9)"), ("送料", "￥500")]


def test_taxes_are_those_that_were_booked_even_where_they_look_wrong() -> None:
    (tax,) = receipt(taxes=[{"rate": "0.080000", "taxable": 1, "tax": 77}]).taxes

    assert (tax.rate, tax.gross, tax.tax) == (Decimal("0.08"), Money(78, "JPY"), Money(77, "JPY"))


def test_prices_without_tax_have_it_below_the_line() -> None:
    page = page_content(receipt(prices_include_tax=False))

    assert ("消費税等", "￥395") in shown(page, "sums")
    assert shown(page, "taxes")[:2] == [("10%対象計(税抜)", "￥3,000"), ("消費税等", "￥300")]


@pytest.mark.parametrize("number", [None, "", "T123"])
def test_without_a_registration_number_it_is_a_plain_receipt(number: str | None) -> None:
    document = receipt(issuer={"name": "Uriba", "registration_number": number, "address": None, "phone": None})
    page = page_content(document)

    assert (document.qualified, page.title, list(page.issuer)) == (False, "領収書", ["Uriba", "渋谷店"])
    assert page.notes[-1] == JAPANESE.unregistered
    assert bool(document.warnings) is bool(number)


def test_a_wrong_check_digit_is_told_to_the_retailer_and_printed() -> None:
    document = receipt(issuer={"name": "Uriba", "registration_number": "T7000012050003"})

    assert document.qualified
    assert len(document.warnings) == 1
    assert document.warnings[0] not in "".join(notes(document))


def test_before_the_system_began_nothing_was_a_qualified_invoice() -> None:
    # 14:59 UTC on 30 September is 23:59 in Tokyo.
    before, after = (datetime(2023, 9, 30, hour, 59, tzinfo=UTC) for hour in (14, 15))

    assert [receipt(placed_at=at).qualified for at in (before, after)] == [False, True]


def test_an_issuer_that_is_not_said_is_the_store_else_the_channel() -> None:
    store = receipt(issuer=None, place_address="1-2-3", place_phone="03")
    channel = receipt(issuer=None, place=None)

    assert (store.issuer.name, store.issuer.address, store.issuer.phone, store.issuer.place) == (
        "渋谷店",
        "1-2-3",
        "03",
        None,
    )
    assert (channel.issuer.name, channel.issuer.place) == ("Stores", None)


def test_an_invoice_names_who_bought() -> None:
    named, unnamed = receipt(INVOICE), receipt(INVOICE, recipient=None)

    assert (title(named), named.recipient) == ("適格請求書", "佐藤 花")
    assert shown(page_content(named), "facts")[0] == ("佐藤 花 様", "")
    assert title(unnamed) == "領収書(適格簡易請求書)"
    assert receipt(RECEIPT).recipient is None


def test_cancelled_units_are_shown_with_what_was_let_go_and_given_back() -> None:
    document = receipt(
        lines=[line("Tea", 2, 648, "0.080000", discount=9, cancelled=1), line("Pot", 1, 3300, "0.100000", cancelled=1)],
        payment_status="PARTIALLY_REFUNDED",
        refunded_minor=643,
        payments=[paid("CASH", 1287), paid("CARD", 3300, voided=3300)],
    )
    page = page_content(document)

    assert [entry.label for item in page.items for entry in item.notes if "キャンセル" in entry.label] == [
        "うち 1 点キャンセル"
    ] * 2
    assert shown(page, "tenders")[-2:] == [("キャンセル分(請求なし)", "-￥3,300"), ("その後の返金・交換", "-￥643")]
    assert page.notes == ["※印は軽減税率対象です。", JAPANESE.taxes_as_agreed]


def test_what_was_not_charged_yet_is_no_receipt() -> None:
    document = receipt(payment_status="AUTHORIZED")

    assert (document.qualified, title(document)) == (False, "ご注文明細")
    assert JAPANESE.unsettled in notes(document)


def test_a_cancelled_order_says_so_and_is_no_invoice() -> None:
    document = receipt(status="CANCELLED", payment_status="REFUNDED", lang="en")
    page = page_content(document)

    assert (document.qualified, page.title, page.banner) == (False, "Order statement", "CANCELLED")


def test_yen_is_japanese_unless_english_is_asked_for() -> None:
    document = receipt(lang="en")
    page = page_content(document)

    assert (receipt().lang, document.qualified) == ("ja", True)
    assert page.title == "Receipt (qualified simplified invoice)"
    assert shown(page, "taxes")[2:] == [("※ 8% rate, total", "¥1,287"), ("tax in it", "¥95")]
    assert page.notes == ["※ marks what is taxed at the reduced rate."]


def test_elsewhere_each_of_several_rates_has_a_letter() -> None:
    dollars = {
        "currency": "USD",
        "timezone": "UTC",
        "issuer": {"name": "Grocer", "registration_number": "US 12-345"},
    }
    document = receipt(**dollars)
    page = page_content(document)

    assert (document.lang, document.qualified, list(document.warnings)) == ("en", False, [])
    assert [item.entry.label for item in page.items] == ["Tea B", "Pot A"]
    assert [entry.label for entry in page.taxes if not entry.small] == ["A 10% rate, total", "B 8% rate, total"]
    assert (page.title, page.sums[-1].value, page.notes) == ("Receipt", "$45.87", [])
    assert page.facts[0].value == "November 22, 2026 16:57 UTC"
    assert "Registration no. US 12-345" in page.issuer


def test_one_rate_needs_no_letter() -> None:
    document = receipt(
        currency="USD", lines=[line("Tea", 1, 99, "0")], taxes=[{"rate": "0", "taxable": 99, "tax": 0}], issuer=None
    )

    assert [one.mark for one in (*document.lines, *document.taxes)] == [None, None]


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_a_gift_receipt_shows_no_amount_anywhere(lang: str) -> None:
    # Amounts that stand nowhere else: not in a number, a name or a date.
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
        taxes=[{"rate": "0.080000", "taxable": 20_714, "tax": 1_657}],
        promotions=[{"name": "222 off", "amount": 222}],
        payments=[paid("CASH", 22_371, tendered=30_000)],
        points=22_593,
        refunded_minor=7_457,
    )

    assert [(one.name, one.quantity) for one in document.lines] == [("Tea", 2)]
    assert (document.qualified, document.issuer.registration_number) == (False, None)
    assert document.number == "100042"
    for paper in PaperSize:
        for text in (repr(document), render_html(document, paper), printed(render_pdf(document, paper))):
            assert amounts(text) == set()
        assert "100042" in printed(render_pdf(document, paper))
    assert not any(money(text) for text in (sheet_text(document), printed(render_pdf(document, PaperSize.ROLL))))


AMOUNTS = (7_531, 9_753, 222, 22_371, 1_657, 20_714, 30_000, 7_457, 7_629, 22_593)


def amounts(text: str) -> set[int]:
    """Which of the amounts stand in a text, written in any way."""
    return {amount for amount in AMOUNTS if re.search(rf"(?<!\d)({amount}|{amount:,})(?!\d)", text)}


def money(text: str) -> bool:
    return any(sign in text for sign in "¥￥$円%")


def sheet_text(document: Document) -> str:
    return re.sub(r"<style>.*?</style>", "", render_html(document, PaperSize.A4), flags=re.S)


def test_a_receipt_shows_the_amounts_that_a_gift_receipt_does_not() -> None:
    document = receipt(lines=[line("Tea", 3, 7_531, "0.080000")])

    assert {7_531} <= amounts(sheet_text(document))
    assert money(printed(render_pdf(document, PaperSize.ROLL)))


def test_a_return_invoice_has_all_that_the_law_asks_for() -> None:
    document = receipts.return_document(brought_back(), lang=None)
    page = page_content(document)

    assert (document.qualified, page.title) == (True, "適格返還請求書")
    assert f"登録番号 {NUMBER}" in page.issuer
    assert shown(page, "facts") == [
        ("日付", "2026年12月1日 12:00"),
        ("返品番号", "100042-RABCDEF"),
        ("注文番号", "100042"),
        ("販売日", "2026年11月23日"),
    ]
    assert [(item.entry.label, item.entry.value) for item in page.items] == [("Tea ※", "￥643")]
    assert shown(page, "sums") == [("返品合計", "￥643")]
    assert shown(page, "taxes") == [("※ 8%対象計(税込)", "￥643"), ("内消費税等", "￥48")]
    assert shown(page, "tenders") == [("現金", "￥643")]


def test_a_return_shows_the_shipping_that_was_paid_back() -> None:
    taxes = [{"rate": "0.100000", "gross": 500, "tax": 45}, {"rate": "0.080000", "gross": 643, "tax": 48}]

    page = page_content(receipts.return_document(brought_back(taxes=taxes, refund_minor=1143), lang="en"))

    assert shown(page, "sums") == [("Shipping paid back", "¥500"), ("Total of the return", "¥1,143")]


def test_an_exchange_names_both_orders() -> None:
    back, new = (
        receipts.return_document(brought_back(exchange="100043"), lang="en"),
        receipt(lang="en", exchange="100041"),
    )

    assert ("Exchanged for order", "100043") in shown(page_content(back), "facts")
    assert ("In exchange for order", "100041") in shown(page_content(new), "facts")


def test_a_return_that_only_a_till_knows_of_is_no_invoice() -> None:
    document = receipts.return_document(brought_back(taxes=[]), lang=None)

    assert (document.qualified, title(document)) == (False, "返品レシート")
    assert [one.total for one in document.lines] == [None]
    assert notes(document) == [JAPANESE.untaxed_return]


@pytest.mark.parametrize(("said", "found"), [(None, None), ("ja", "ja"), ("ja-JP", "ja"), ("EN_gb", "en")])
def test_languages_are_known_by_their_first_part(said: str | None, found: str | None) -> None:
    assert parse_language(said) == found


@pytest.mark.parametrize("said", ["", "fr", "japanese", "-", "ja!"])
def test_other_languages_are_refused(said: str) -> None:
    with pytest.raises(Invalid):
        parse_language(said)


def test_both_languages_say_everything() -> None:
    assert ENGLISH._fields == JAPANESE._fields
    assert ENGLISH.tenders.keys() == JAPANESE.tenders.keys()
    assert all(said for words in (ENGLISH, JAPANESE) for said in words)
