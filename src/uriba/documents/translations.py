"""The texts of documents in English and Japanese, and the format of amounts, rates, quantities and times."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime
from babel.numbers import format_currency, format_decimal, format_percent

from uriba.core.errors import Invalid
from uriba.core.money import Money

LANGUAGES = ("en", "ja")


def parse_language(tag: str | None) -> str | None:
    """Return the language of a tag: "ja" for "ja-JP". Errors: `Invalid` for a language without translations."""
    if tag is None:
        return None
    language = tag.replace("_", "-").partition("-")[0].lower()
    if language not in LANGUAGES:
        raise Invalid(f"Documents are available in {' and '.join(LANGUAGES)}.", "lang")
    return language


class Translations(NamedTuple):
    """The texts of one language. Braces stand for a value."""

    receipt: str
    simplified_invoice: str
    invoice: str
    qualified_invoice: str
    statement: str
    gift_receipt: str
    return_receipt: str
    return_invoice: str
    order_number: str
    receipt_number: str
    return_number: str
    date: str
    date_of_sale: str
    exchanged_for: str
    exchanged_from: str
    phone: str
    registration_number: str
    recipient: str
    units: str
    discount: str
    units_cancelled: str
    subtotal: str
    shipping: str
    shipping_refunded: str
    tax: str
    total: str
    return_total: str
    gross_of_rate: str
    net_of_rate: str
    tax_included: str
    tendered: str
    change: str
    not_charged: str
    refunded: str
    points_earned: str
    reduced_rate: str
    cancelled: str
    unsettled: str
    unregistered: str
    taxes_as_placed: str
    untaxed_return: str
    gift: str
    code: str
    tenders: dict[str, str]


ENGLISH = Translations(
    receipt="Receipt",
    simplified_invoice="Receipt (qualified simplified invoice)",
    invoice="Invoice",
    qualified_invoice="Qualified invoice",
    statement="Order statement",
    gift_receipt="Gift receipt",
    return_receipt="Return receipt",
    return_invoice="Qualified return invoice",
    order_number="Order",
    receipt_number="Receipt",
    return_number="Return",
    date="Date",
    date_of_sale="Date of sale",
    exchanged_for="Exchanged for order",
    exchanged_from="Exchanged from order",
    phone="Tel.",
    registration_number="Registration no.",
    recipient="For {}",
    units="Quantity {}",
    discount="Discount",
    units_cancelled="{} of these cancelled",
    subtotal="Subtotal",
    shipping="Shipping",
    shipping_refunded="Shipping refunded",
    tax="Tax",
    total="Total",
    return_total="Return total",
    gross_of_rate="{} rate, total including tax",
    net_of_rate="{} rate, total excluding tax",
    tax_included="Tax included",
    tendered="Cash tendered",
    change="Change",
    not_charged="Not charged (cancelled)",
    refunded="Refunded or exchanged since",
    points_earned="Points earned",
    reduced_rate="{} marks items taxed at the reduced rate.",
    cancelled="CANCELLED",
    unsettled="Payment has not been taken yet. This is not a receipt.",
    unregistered="The issuer has no registration number, so this is not a qualified invoice.",
    taxes_as_placed="Totals and taxes are those of the order as it was placed, before units were cancelled.",
    untaxed_return="See the receipt of the till that accepted the return for the amounts.",
    gift="Any till can find the order by this number.",
    code="Number for returns",
    tenders={
        "CASH": "Cash",
        "CARD": "Card",
        "STRIPE": "Card",
        "TEST": "Test payment",
        "GIFT_CARD": "Gift card",
        "POINTS": "Points",
        "EXCHANGE": "Returned goods",
        "UNSPECIFIED": "Paid",
    },
)

JAPANESE = Translations(
    receipt="領収書",
    simplified_invoice="領収書(適格簡易請求書)",
    invoice="領収明細書",
    qualified_invoice="適格請求書",
    statement="ご注文明細",
    gift_receipt="ギフトレシート",
    return_receipt="返品レシート",
    return_invoice="適格返還請求書",
    order_number="注文番号",
    receipt_number="レシート番号",
    return_number="返品番号",
    date="日付",
    date_of_sale="販売日",
    exchanged_for="交換後の注文番号",
    exchanged_from="交換元の注文番号",
    phone="電話",
    registration_number="登録番号",
    recipient="{} 様",
    units="{} 点",
    discount="値引",
    units_cancelled="うち {} 点キャンセル",
    subtotal="小計",
    shipping="送料",
    shipping_refunded="送料返金",
    tax="消費税等",
    total="合計",
    return_total="返品合計",
    gross_of_rate="{}対象計(税込)",
    net_of_rate="{}対象計(税抜)",
    tax_included="内消費税等",
    tendered="お預り",
    change="お釣り",
    not_charged="キャンセル分(請求なし)",
    refunded="その後の返金・交換",
    points_earned="獲得ポイント",
    reduced_rate="{}印は軽減税率対象です。",
    cancelled="キャンセル済",
    unsettled="お支払いは未確定です。領収書ではありません。",
    unregistered="発行者の登録番号がないため、適格請求書ではありません。",
    taxes_as_placed="合計と消費税等はご注文時のもので、キャンセル前の金額です。",
    untaxed_return="金額は返品を受け付けたレジのレシートをご覧ください。",
    gift="この番号でどのレジからもご注文を確認できます。",
    code="返品用番号",
    tenders={
        "CASH": "現金",
        "CARD": "カード",
        "STRIPE": "カード",
        "TEST": "テスト決済",
        "GIFT_CARD": "ギフトカード",
        "POINTS": "ポイント",
        "EXCHANGE": "交換充当",
        "UNSPECIFIED": "お支払い",
    },
)


def translations(lang: str) -> Translations:
    """Return the texts of a language."""
    return JAPANESE if lang == "ja" else ENGLISH


def tender_label(method: str, lang: str) -> str:
    """Return the name of a payment method; an unknown method is its own name."""
    return translations(lang).tenders.get(method, method)


def format_amount(money: Money, lang: str, *, negative: bool = False) -> str:
    """Return an amount such as "¥1,296"; `negative`: "-¥1,296", for amounts that are subtracted."""
    value = Decimal(money.amount)
    return format_currency(-value if negative else value, money.currency, locale=lang)


def format_rate(rate: Decimal, lang: str) -> str:
    """Return a rate such as "8%"."""
    return format_percent(rate, "#,##0.####%", locale=lang)


def format_quantity(units: int, lang: str) -> str:
    """Return a whole number such as "1,045"."""
    return format_decimal(units, locale=lang)


def format_day(at: datetime, zone: str, lang: str) -> str:
    """Return the day of a time in a zone."""
    return format_date(at.astimezone(ZoneInfo(zone)).date(), "long", locale=lang)


def format_time(at: datetime, zone: str, lang: str) -> str:
    """Return the day and time of day in a zone, with the zone's name if it is UTC."""
    time = format_datetime(at, "HH:mm", tzinfo=ZoneInfo(zone), locale=lang)
    return f"{format_day(at, zone, lang)} {time}" + (" UTC" if zone == "UTC" else "")
