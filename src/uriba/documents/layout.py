"""A document put into words: all that a page shows, as text, in the order in which it stands there. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from uriba.core.money import Money
from uriba.documents.content import Document, DocumentIssuer, DocumentKind, DocumentLine, DocumentTender
from uriba.documents.translations import (
    Translations,
    format_amount,
    format_count,
    format_day,
    format_rate,
    format_time,
    translations,
)


@dataclass(frozen=True, slots=True)
class LabelledValue:
    """A label and what stands at the right of it."""

    label: str
    value: str = ""
    strong: bool = False
    small: bool = False


@dataclass(frozen=True, slots=True)
class LineBlock:
    """An article: its name, units and price below it, and what was taken off."""

    entry: LabelledValue
    notes: Sequence[LabelledValue]


@dataclass(frozen=True, slots=True)
class PageContent:
    """The page. `code` is what a till scans."""

    lang: str
    title: str
    banner: str | None
    issuer: Sequence[str]
    facts: Sequence[LabelledValue]
    items: Sequence[LineBlock]
    sums: Sequence[LabelledValue]
    taxes: Sequence[LabelledValue]
    tenders: Sequence[LabelledValue]
    notes: Sequence[str]
    code: str
    code_label: str


def title(document: Document) -> str:
    """What the document is called."""
    said = translations(document.lang)
    match document.kind:
        case DocumentKind.GIFT_RECEIPT:
            return said.gift_receipt
        case DocumentKind.RETURN:
            return said.return_invoice if document.qualified else said.return_receipt
    if not document.settled or document.cancelled:
        return said.statement
    if document.kind is DocumentKind.INVOICE and document.recipient:
        return said.qualified_invoice if document.qualified else said.invoice
    return said.simplified_invoice if document.qualified else said.receipt


def notes(document: Document) -> list[str]:
    """The sentences at the foot."""
    said = translations(document.lang)
    found = []
    if document.japanese and (mark := next((line.mark for line in document.lines if line.mark), None)):
        found.append(said.reduced.format(mark))
    if document.kind is DocumentKind.GIFT_RECEIPT:
        return [said.gift]
    if document.kind is DocumentKind.RETURN:
        return found if document.taxes else [said.untaxed_return]
    if not document.settled and not document.cancelled:
        found.append(said.unsettled)
    elif document.japanese and document.issuer.registration_number is None and not document.cancelled:
        found.append(said.unregistered)
    if any(line.cancelled for line in document.lines):
        found.append(said.taxes_as_agreed)
    return found


def page_content(document: Document) -> PageContent:
    said, lang = translations(document.lang), document.lang
    return PageContent(
        lang=lang,
        title=title(document),
        banner=said.cancelled if document.cancelled else None,
        issuer=list(_issuer(document.issuer, said)),
        facts=list(_facts(document, said)),
        items=[_item(line, said, lang) for line in document.lines],
        sums=list(_sums(document, said)),
        taxes=list(_taxes(document, said)),
        tenders=list(_money(document, said)),
        notes=notes(document),
        code=document.number,
        code_label=said.code,
    )


def _issuer(issuer: DocumentIssuer, said: Translations) -> Iterator[str]:
    yield _plain(issuer.name)
    if issuer.place:
        yield _plain(issuer.place)
    if issuer.address:
        yield _plain(issuer.address)
    if issuer.phone:
        yield f"{said.phone} {_plain(issuer.phone)}"
    if issuer.registration_number:
        yield f"{said.registration} {_plain(issuer.registration_number)}"


def _facts(document: Document, said: Translations) -> Iterator[LabelledValue]:
    lang, zone = document.lang, document.zone
    if document.recipient:
        yield LabelledValue(said.recipient.format(_plain(document.recipient)), strong=True)
    yield LabelledValue(said.day, format_time(document.issued_at, zone, lang))
    if document.return_number:
        yield LabelledValue(said.return_number, document.return_number)
    yield LabelledValue(said.order, document.number)
    if document.sold_at is not None:
        yield LabelledValue(said.sold, format_day(document.sold_at, zone, lang))
    if document.exchange:
        back = document.kind is DocumentKind.RETURN
        yield LabelledValue(said.exchanged_for if back else said.exchange_of, document.exchange)
    if document.receipt:
        yield LabelledValue(said.receipt_number, _plain(document.receipt))


def _item(line: DocumentLine, said: Translations, lang: str) -> LineBlock:
    name = f"{_plain(line.name)} {line.mark or ''}".rstrip()
    units = said.units.format(format_count(line.quantity, lang))
    below = [LabelledValue(f"{line.sku}  {_price(line, units, lang)}", small=True)]
    shown = ""
    if line.total is not None:
        shown = format_amount(Money(line.total.minor + _minor(line.discount), line.total.currency), lang)
    if line.discount is not None and line.discount.minor:
        below.append(LabelledValue(said.discount, format_amount(line.discount, lang, less=True), small=True))
    if line.cancelled:
        below.append(LabelledValue(said.units_cancelled.format(format_count(line.cancelled, lang)), small=True))
    return LineBlock(LabelledValue(name, shown), below)


def _price(line: DocumentLine, units: str, lang: str) -> str:
    return units if line.unit is None else f"{format_count(line.quantity, lang)} × {format_amount(line.unit, lang)}"


def _sums(document: Document, said: Translations) -> Iterator[LabelledValue]:
    totals, lang = document.totals, document.lang
    if totals is None:
        return
    if totals.subtotal is not None:
        yield LabelledValue(said.subtotal, format_amount(totals.subtotal, lang))
    if totals.discount is not None and totals.discount.minor:
        yield LabelledValue(said.discount, format_amount(totals.discount, lang, less=True))
    for promotion in document.promotions:
        yield LabelledValue(_plain(promotion.name), f"({format_amount(promotion.amount, lang, less=True)})", small=True)
    back = document.kind is DocumentKind.RETURN
    if totals.shipping is not None and totals.shipping.minor:
        yield LabelledValue(said.shipping_back if back else said.shipping, format_amount(totals.shipping, lang))
    if totals.tax is not None and not document.prices_include_tax:
        yield LabelledValue(said.tax, format_amount(totals.tax, lang))
    yield LabelledValue(said.refund if back else said.total, format_amount(totals.total, lang), strong=True)


def _taxes(document: Document, said: Translations) -> Iterator[LabelledValue]:
    """For each rate its total and its tax."""
    lang = document.lang
    for tax in document.taxes:
        rate = f"{tax.mark or ''}{' ' if tax.mark else ''}{format_rate(tax.rate, lang)}"
        if document.prices_include_tax:
            yield LabelledValue(said.gross_of_rate.format(rate), format_amount(tax.gross, lang))
            yield LabelledValue(said.tax_inside, format_amount(tax.tax, lang), small=True)
        else:
            yield LabelledValue(said.net_of_rate.format(rate), format_amount(tax.taxable, lang))
            yield LabelledValue(said.tax, format_amount(tax.tax, lang), small=True)


def _money(document: Document, said: Translations) -> Iterator[LabelledValue]:
    """How it was paid, and what was let go of or given back since."""
    lang, totals = document.lang, document.totals
    for tender in document.tenders:
        yield from _tender(tender, said, lang)
    if totals is not None and _minor(totals.not_charged):
        assert totals.not_charged is not None
        yield LabelledValue(said.not_charged, format_amount(totals.not_charged, lang, less=True))
    if totals is not None and _minor(totals.refunded):
        assert totals.refunded is not None
        yield LabelledValue(said.refunded, format_amount(totals.refunded, lang, less=True))
    if document.points > 0:
        yield LabelledValue(said.points, format_count(document.points, lang))


def _tender(tender: DocumentTender, said: Translations, lang: str) -> Iterator[LabelledValue]:
    label = said.tenders.get(tender.method, _plain(tender.method))
    if tender.reference:
        label = f"{label} ({_plain(tender.reference)})"
    yield LabelledValue(label, format_amount(tender.amount, lang))
    if tender.tendered is not None and tender.change is not None:
        yield LabelledValue(said.tendered, format_amount(tender.tendered, lang), small=True)
        yield LabelledValue(said.change, format_amount(tender.change, lang), small=True)


def _minor(money: Money | None) -> int:
    return money.minor if money is not None else 0


def _plain(text: str) -> str:
    """On one line."""
    return " ".join(text.split())
