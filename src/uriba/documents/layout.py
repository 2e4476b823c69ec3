"""The texts of a document's page in the order in which they are shown, in the document's language. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from uriba.core.money import Money
from uriba.documents.content import Document, DocumentIssuer, DocumentKind, DocumentLine, DocumentTender
from uriba.documents.translations import (
    Translations,
    format_amount,
    format_day,
    format_quantity,
    format_rate,
    format_time,
    tender_label,
    translations,
)


@dataclass(frozen=True, slots=True)
class LabelledValue:
    """A label on the left and a value on the right."""

    label: str
    value: str = ""
    strong: bool = False
    small: bool = False


@dataclass(frozen=True, slots=True)
class LineBlock:
    """A line of the document: its name and amount, and below them SKU, units, price, discount and cancelled units."""

    heading: LabelledValue
    details: Sequence[LabelledValue]


@dataclass(frozen=True, slots=True)
class PageContent:
    """The texts of a page. `code` is the content of the QR code."""

    lang: str
    title: str
    banner: str | None
    issuer: Sequence[str]
    header: Sequence[LabelledValue]
    lines: Sequence[LineBlock]
    totals: Sequence[LabelledValue]
    taxes: Sequence[LabelledValue]
    tenders: Sequence[LabelledValue]
    notes: Sequence[str]
    code: str
    code_label: str


def title(document: Document) -> str:
    """Return the title of a document."""
    texts = translations(document.lang)
    match document.kind:
        case DocumentKind.GIFT_RECEIPT:
            return texts.gift_receipt
        case DocumentKind.RETURN:
            return texts.return_invoice if document.qualified else texts.return_receipt
    if not document.settled or document.cancelled:
        return texts.statement
    if document.kind is DocumentKind.INVOICE and document.recipient:
        return texts.qualified_invoice if document.qualified else texts.invoice
    return texts.simplified_invoice if document.qualified else texts.receipt


def notes(document: Document) -> list[str]:
    """Return the sentences at the end of a document."""
    texts = translations(document.lang)
    if document.kind is DocumentKind.GIFT_RECEIPT:
        return [texts.gift]
    notes = []
    if document.japanese and (mark := next((line.mark for line in document.lines if line.mark), None)):
        notes.append(texts.reduced_rate.format(mark))
    if document.kind is DocumentKind.RETURN:
        return notes if document.taxes else [texts.untaxed_return]
    if not document.settled and not document.cancelled:
        notes.append(texts.unsettled)
    elif document.japanese and document.issuer.registration_number is None and not document.cancelled:
        notes.append(texts.unregistered)
    if any(line.cancelled_quantity for line in document.lines):
        notes.append(texts.taxes_as_placed)
    return notes


def page_content(document: Document) -> PageContent:
    """Return the texts of a document's page."""
    texts = translations(document.lang)
    return PageContent(
        lang=document.lang,
        title=title(document),
        banner=texts.cancelled if document.cancelled else None,
        issuer=list(_issuer(document.issuer, texts)),
        header=list(_header(document, texts)),
        lines=[_line(line, texts, document.lang) for line in document.lines],
        totals=list(_totals(document, texts)),
        taxes=list(_taxes(document, texts)),
        tenders=list(_tenders(document, texts)),
        notes=notes(document),
        code=document.order_number,
        code_label=texts.code,
    )


def _issuer(issuer: DocumentIssuer, texts: Translations) -> Iterator[str]:
    yield _one_line(issuer.name)
    if issuer.store:
        yield _one_line(issuer.store)
    if issuer.address:
        yield _one_line(issuer.address)
    if issuer.phone:
        yield f"{texts.phone} {_one_line(issuer.phone)}"
    if issuer.registration_number:
        yield f"{texts.registration_number} {_one_line(issuer.registration_number)}"


def _header(document: Document, texts: Translations) -> Iterator[LabelledValue]:
    """Yield the recipient, the time and the numbers."""
    lang, zone = document.lang, document.timezone
    if document.recipient:
        yield LabelledValue(texts.recipient.format(_one_line(document.recipient)), strong=True)
    yield LabelledValue(texts.date, format_time(document.issued_at, zone, lang))
    if document.return_number:
        yield LabelledValue(texts.return_number, document.return_number)
    yield LabelledValue(texts.order_number, document.order_number)
    if document.sold_at is not None:
        yield LabelledValue(texts.date_of_sale, format_day(document.sold_at, zone, lang))
    if document.exchange_number:
        is_return = document.kind is DocumentKind.RETURN
        yield LabelledValue(texts.exchanged_for if is_return else texts.exchanged_from, document.exchange_number)
    if document.receipt_number:
        yield LabelledValue(texts.receipt_number, _one_line(document.receipt_number))


def _line(line: DocumentLine, texts: Translations, lang: str) -> LineBlock:
    name = f"{_one_line(line.name)} {line.mark or ''}".rstrip()
    details = [LabelledValue(f"{line.sku}  {_units_and_price(line, texts, lang)}", small=True)]
    before_discount = ""
    if line.total is not None:
        before_discount = format_amount(Money(line.total.minor + _minor(line.discount), line.total.currency), lang)
    if line.discount is not None and line.discount.minor:
        details.append(LabelledValue(texts.discount, format_amount(line.discount, lang, negative=True), small=True))
    if line.cancelled_quantity:
        cancelled = texts.units_cancelled.format(format_quantity(line.cancelled_quantity, lang))
        details.append(LabelledValue(cancelled, small=True))
    return LineBlock(LabelledValue(name, before_discount), details)


def _units_and_price(line: DocumentLine, texts: Translations, lang: str) -> str:
    units = format_quantity(line.quantity, lang)
    return texts.units.format(units) if line.unit_price is None else f"{units} × {format_amount(line.unit_price, lang)}"


def _totals(document: Document, texts: Translations) -> Iterator[LabelledValue]:
    totals, lang = document.totals, document.lang
    if totals is None:
        return
    if totals.subtotal is not None:
        yield LabelledValue(texts.subtotal, format_amount(totals.subtotal, lang))
    if totals.discount is not None and totals.discount.minor:
        yield LabelledValue(texts.discount, format_amount(totals.discount, lang, negative=True))
    for promotion in document.promotions:
        amount = f"({format_amount(promotion.amount, lang, negative=True)})"
        yield LabelledValue(_one_line(promotion.name), amount, small=True)
    is_return = document.kind is DocumentKind.RETURN
    if totals.shipping is not None and totals.shipping.minor:
        label = texts.shipping_refunded if is_return else texts.shipping
        yield LabelledValue(label, format_amount(totals.shipping, lang))
    if totals.tax is not None and not document.prices_include_tax:
        yield LabelledValue(texts.tax, format_amount(totals.tax, lang))
    label = texts.return_total if is_return else texts.total
    yield LabelledValue(label, format_amount(totals.total, lang), strong=True)


def _taxes(document: Document, texts: Translations) -> Iterator[LabelledValue]:
    """Yield the total and the tax of each rate."""
    lang = document.lang
    for tax in document.taxes:
        rate = f"{tax.mark or ''}{' ' if tax.mark else ''}{format_rate(tax.rate, lang)}"
        if document.prices_include_tax:
            yield LabelledValue(texts.gross_of_rate.format(rate), format_amount(tax.gross, lang))
            yield LabelledValue(texts.tax_included, format_amount(tax.tax, lang), small=True)
        else:
            yield LabelledValue(texts.net_of_rate.format(rate), format_amount(tax.taxable, lang))
            yield LabelledValue(texts.tax, format_amount(tax.tax, lang), small=True)


def _tenders(document: Document, texts: Translations) -> Iterator[LabelledValue]:
    """Yield the tenders, the amounts that were not charged or were refunded since, and the points earned."""
    lang, totals = document.lang, document.totals
    for tender in document.tenders:
        yield from _tender(tender, texts, lang)
    if totals is not None and totals.not_charged is not None and totals.not_charged.minor:
        yield LabelledValue(texts.not_charged, format_amount(totals.not_charged, lang, negative=True))
    if totals is not None and totals.refunded is not None and totals.refunded.minor:
        yield LabelledValue(texts.refunded, format_amount(totals.refunded, lang, negative=True))
    if document.points_earned > 0:
        yield LabelledValue(texts.points_earned, format_quantity(document.points_earned, lang))


def _tender(tender: DocumentTender, texts: Translations, lang: str) -> Iterator[LabelledValue]:
    label = _one_line(tender_label(tender.method, lang))
    if tender.reference:
        label = f"{label} ({_one_line(tender.reference)})"
    yield LabelledValue(label, format_amount(tender.amount, lang))
    if tender.tendered is not None and tender.change is not None:
        yield LabelledValue(texts.tendered, format_amount(tender.tendered, lang), small=True)
        yield LabelledValue(texts.change, format_amount(tender.change, lang), small=True)


def _minor(money: Money | None) -> int:
    return money.minor if money is not None else 0


def _one_line(text: str) -> str:
    """Return the text on one line, with single spaces."""
    return " ".join(text.split())
