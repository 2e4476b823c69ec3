"""Rendered documents: self-contained HTML, PDF with readable text, and the QR code."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from io import BytesIO
from typing import Any

import pytest
import segno
from pypdf import PdfReader

from tests.support.documents import line, order_record, payment, pdf_text
from uriba.documents import receipts
from uriba.documents.content import Document, DocumentKind, PaperSize
from uriba.documents.html import content_security_policy, render_html
from uriba.documents.pdf import render_pdf, text_width, wrap_text
from uriba.documents.qr_code import QUIET_ZONE, qr_code

MM = 72 / 25.4
HOSTILE_TEXT = "<script>alert(1)</script> \"quoted\" & 'so' </style> {{ 7 * 7 }}"


def receipt(**changes: Any) -> Document:
    return receipts.order_document(order_record(**changes), kind=DocumentKind.RECEIPT, lang=None)


@pytest.mark.parametrize("paper", PaperSize)
def test_the_text_of_a_japanese_pdf_is_readable(paper: PaperSize) -> None:
    text = pdf_text(render_pdf(receipt(), paper))

    for expected in (
        "領収書(適格簡易請求書)",
        "売り場商店株式会社",
        "登録番号 T7000012050002",
        "2026年11月23日 01:57",
        "Tea ※ ￥1,296",
        "値引 -￥9",
        "合計 ￥4,587",
        "※ 8%対象計(税込) ￥1,287",
        "内消費税等 ￥95",
        "お釣り ￥413",
        "※印は軽減税率対象です。",
        "返品用番号 100042",
    ):
        assert expected in text


def test_a_pdf_uses_standard_fonts_only() -> None:
    fonts = {
        font
        for found in PdfReader(BytesIO(render_pdf(receipt(), PaperSize.A4))).pages
        for font in (str(one.get_object()["/BaseFont"]) for one in found["/Resources"]["/Font"].values())  # type: ignore[index, union-attr]
    }

    assert fonts <= {"/Helvetica", "/Helvetica-Bold", "/HeiseiKakuGo-W5-UniJIS-UCS2-H", "/HeiseiKakuGo-W5"}


def test_the_same_document_gives_the_same_bytes() -> None:
    document = receipt()

    assert render_pdf(document, PaperSize.ROLL) == render_pdf(document, PaperSize.ROLL)


def test_a_roll_is_80_mm_wide_and_as_long_as_its_content() -> None:
    short, long = (
        PdfReader(BytesIO(render_pdf(receipt(lines=[line("Tea", 1, 1, "0.1")] * n), PaperSize.ROLL))) for n in (1, 99)
    )

    assert len(short.pages) == len(long.pages) == 1
    assert float(short.pages[0].mediabox.width) == pytest.approx(80 * MM, abs=0.1)
    assert float(long.pages[0].mediabox.height) > 5 * float(short.pages[0].mediabox.height)


def test_a_long_document_has_several_pages_of_a4() -> None:
    names = [f"Article {n:03}" for n in range(200)]

    found = PdfReader(BytesIO(render_pdf(receipt(lines=[line(name, 1, 1, "0.1") for name in names]), PaperSize.A4)))

    texts = [sheet.extract_text() for sheet in found.pages]
    assert len(texts) > 5
    assert [name for name in names if name not in "\n".join(texts)] == []
    # A line's name and its price stay on one page.
    assert [text for text in texts if text.count("Article") != text.count("ARTICLE")] == []
    assert {(float(s.mediabox.width), float(s.mediabox.height)) for s in found.pages} == {(595.2756, 841.8898)}


def test_prints_text_of_many_scripts() -> None:
    names = ["Crème brûlée", "煎茶 100g", "고추장 500g", "Чай", "寿司 🍣", "髙島屋"]

    text = pdf_text(render_pdf(receipt(lines=[line(name, 1, 1, "0.1") for name in names]), PaperSize.A4))

    assert [name for name in names if name.replace("🍣", "〓") not in text] == []


@pytest.mark.parametrize("size", [8.5, 10])
def test_wrapped_lines_fit_and_keep_the_text(size: float) -> None:
    text = "Organic whole-bean coffee 1kg 有機栽培コーヒー豆 一キログラム入り とても長い名前の商品です"

    lines = wrap_text(text, 90, size)

    assert all(text_width(one, size) <= 90 for one in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_a_very_long_name_is_cut_off() -> None:
    assert len(wrap_text("あ" * 5_000, 90, 8.5)) == 12


def test_html_escapes_all_texts() -> None:
    document = receipt(
        issuer={"name": HOSTILE_TEXT, "registration_number": None, "address": HOSTILE_TEXT, "phone": HOSTILE_TEXT},
        store=f"In {HOSTILE_TEXT}",
        receipt_number=HOSTILE_TEXT,
        lines=[line(HOSTILE_TEXT, 1, 1, "0.1")],
        promotions=[{"name": HOSTILE_TEXT, "amount_minor": 1}],
        payments=[payment(HOSTILE_TEXT, 1) | {"reference": HOSTILE_TEXT}],
    )

    page = render_html(document, PaperSize.A4)

    assert "<script" not in page
    assert "49" not in page.partition("<svg")[0].partition("</style>")[2]
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 9
    assert page.count("<style>") == page.count("</style>") == 1


@pytest.mark.parametrize("paper", PaperSize)
def test_html_refers_to_no_other_file(paper: PaperSize) -> None:
    page = render_html(receipt(), paper)

    assert page.startswith('<!doctype html>\n<html lang="ja">')
    assert not re.search(r"\b(src|href|url|@import|style=|on\w+=)", page.replace("no-referrer", ""))
    assert ("size: 80mm" in page) is (paper is PaperSize.ROLL)


@pytest.mark.parametrize("paper", PaperSize)
def test_the_policy_allows_the_pages_style_sheet_only(paper: PaperSize) -> None:
    style = render_html(receipt(), paper).partition("<style>")[2].partition("</style>")[0]

    digest = b64encode(sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in content_security_policy(paper)
    assert content_security_policy(paper).startswith("default-src 'none';")
    assert "unsafe" not in content_security_policy(paper)


def test_the_code_has_the_number_and_a_quiet_zone() -> None:
    drawn = qr_code("100042")

    dark = {(bar.x + n - QUIET_ZONE, bar.y - QUIET_ZONE) for bar in drawn.bars for n in range(bar.length)}
    matrix = segno.make_qr("100042", error="m").matrix
    assert dark == {(x, y) for y, row in enumerate(matrix) for x, module in enumerate(row) if module}
    assert drawn.size == len(matrix) + 2 * QUIET_ZONE
    assert f'viewBox="0 0 {drawn.size} {drawn.size}"' in render_html(receipt(), PaperSize.A4)
