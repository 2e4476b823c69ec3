"""What documents say, in English and in Japanese; amounts, rates and times as each language writes them."""

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


def parse_language(said: str | None) -> str | None:
    """The language that is asked for: "ja-JP" is ja. Errors: `Invalid` for one that there are no words in."""
    if said is None:
        return None
    found = said.replace("_", "-").partition("-")[0].lower()
    if found not in LANGUAGES:
        raise Invalid(f"Documents are written in {' and '.join(LANGUAGES)}.", "lang")
    return found


class Translations(NamedTuple):
    """The words of one language."""

    receipt: str
    simplified_invoice: str
    invoice: str
    qualified_invoice: str
    statement: str
    gift_receipt: str
    return_receipt: str
    return_invoice: str
    order: str
    receipt_number: str
    return_number: str
    day: str
    sold: str
    exchanged_for: str
    exchange_of: str
    phone: str
    registration: str
    recipient: str
    units: str
    discount: str
    units_cancelled: str
    subtotal: str
    shipping: str
    shipping_back: str
    tax: str
    total: str
    refund: str
    gross_of_rate: str
    net_of_rate: str
    tax_inside: str
    tendered: str
    change: str
    not_charged: str
    refunded: str
    points: str
    reduced: str
    cancelled: str
    unsettled: str
    unregistered: str
    taxes_as_agreed: str
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
    order="Order",
    receipt_number="Receipt",
    return_number="Return",
    day="Date",
    sold="Sold",
    exchanged_for="Exchanged for order",
    exchange_of="In exchange for order",
    phone="Tel.",
    registration="Registration no.",
    recipient="For {}",
    units="Quantity {}",
    discount="Discount",
    units_cancelled="{} of them cancelled",
    subtotal="Subtotal",
    shipping="Shipping",
    shipping_back="Shipping paid back",
    tax="Tax",
    total="Total",
    refund="Total of the return",
    gross_of_rate="{} rate, total",
    net_of_rate="{} rate, total without tax",
    tax_inside="tax in it",
    tendered="Cash given",
    change="Change",
    not_charged="Not charged (cancelled)",
    refunded="Paid back or exchanged since",
    points="Points earned",
    reduced="{} marks what is taxed at the reduced rate.",
    cancelled="CANCELLED",
    unsettled="Not yet charged. This is no receipt.",
    unregistered="The issuer has no registration number: this is no qualified invoice.",
    taxes_as_agreed="Totals and taxes are those of the order as it was placed, before units were cancelled.",
    untaxed_return="The till that took the goods back has printed the amounts.",
    gift="Any till finds the order by this number.",
    code="Number for returns",
    tenders={
        "CASH": "Cash",
        "CARD": "Card",
        "STRIPE": "Card",
        "TEST": "Test payment",
        "GIFT_CARD": "Gift card",
        "POINTS": "Points",
        "EXCHANGE": "Goods brought back",
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
    order="注文番号",
    receipt_number="レシート番号",
    return_number="返品番号",
    day="日付",
    sold="販売日",
    exchanged_for="交換後の注文番号",
    exchange_of="交換元の注文番号",
    phone="電話",
    registration="登録番号",
    recipient="{} 様",
    units="{} 点",
    discount="値引",
    units_cancelled="うち {} 点キャンセル",
    subtotal="小計",
    shipping="送料",
    shipping_back="送料返金",
    tax="消費税等",
    total="合計",
    refund="返品合計",
    gross_of_rate="{}対象計(税込)",
    net_of_rate="{}対象計(税抜)",
    tax_inside="内消費税等",
    tendered="お預り",
    change="お釣り",
    not_charged="キャンセル分(請求なし)",
    refunded="その後の返金・交換",
    points="獲得ポイント",
    reduced="{}印は軽減税率対象です。",
    cancelled="キャンセル済",
    unsettled="お支払いは未確定です。領収書ではありません。",
    unregistered="発行者の登録番号がないため、適格請求書ではありません。",
    taxes_as_agreed="合計と消費税等はご注文時のもので、キャンセル前の金額です。",
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
    return JAPANESE if lang == "ja" else ENGLISH


def format_amount(money: Money, lang: str, *, less: bool = False) -> str:
    """¥1,296; `less`: with a minus, for what is taken off."""
    value = Decimal(money.amount)
    return format_currency(-value if less else value, money.currency, locale=lang)


def format_rate(rate: Decimal, lang: str) -> str:
    return format_percent(rate, "#,##0.####%", locale=lang)


def format_count(units: int, lang: str) -> str:
    return format_decimal(units, locale=lang)


def format_day(at: datetime, zone: str, lang: str) -> str:
    return format_date(at.astimezone(ZoneInfo(zone)).date(), "long", locale=lang)


def format_time(at: datetime, zone: str, lang: str) -> str:
    """Day and time of day in a zone; UTC is named."""
    time = format_datetime(at, "HH:mm", tzinfo=ZoneInfo(zone), locale=lang)
    return f"{format_day(at, zone, lang)} {time}" + (" UTC" if zone == "UTC" else "")
