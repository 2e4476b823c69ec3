"""A document put into words: all that a page shows, as text, in the order in which it stands there. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from uriba.core.money import Money
from uriba.documents.content import Document, DocumentKind, Issuer, Line, Tender
from uriba.documents.translations import Words, amount, count, day, moment, percent, words


@dataclass(frozen=True, slots=True)
class Entry:
    """A label and what stands at the right of it."""

    label: str
    value: str = ""
    strong: bool = False
    small: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """An article: its name, units and price below it, and what was taken off."""

    entry: Entry
    notes: Sequence[Entry]


@dataclass(frozen=True, slots=True)
class Sheet:
    """The page. `code` is what a till scans."""

    lang: str
    title: str
    banner: str | None
    issuer: Sequence[str]
    facts: Sequence[Entry]
    items: Sequence[Item]
    sums: Sequence[Entry]
    taxes: Sequence[Entry]
    tenders: Sequence[Entry]
    notes: Sequence[str]
    code: str
    code_label: str


def title(document: Document) -> str:
    """What the document is called."""
    said = words(document.lang)
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
    said = words(document.lang)
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


def sheet(document: Document) -> Sheet:
    said, lang = words(document.lang), document.lang
    return Sheet(
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


def _issuer(issuer: Issuer, said: Words) -> Iterator[str]:
    yield _plain(issuer.name)
    if issuer.place:
        yield _plain(issuer.place)
    if issuer.address:
        yield _plain(issuer.address)
    if issuer.phone:
        yield f"{said.phone} {_plain(issuer.phone)}"
    if issuer.registration_number:
        yield f"{said.registration} {_plain(issuer.registration_number)}"


def _facts(document: Document, said: Words) -> Iterator[Entry]:
    lang, zone = document.lang, document.zone
    if document.recipient:
        yield Entry(said.recipient.format(_plain(document.recipient)), strong=True)
    yield Entry(said.day, moment(document.issued_at, zone, lang))
    if document.return_number:
        yield Entry(said.return_number, document.return_number)
    yield Entry(said.order, document.number)
    if document.sold_at is not None:
        yield Entry(said.sold, day(document.sold_at, zone, lang))
    if document.exchange:
        back = document.kind is DocumentKind.RETURN
        yield Entry(said.exchanged_for if back else said.exchange_of, document.exchange)
    if document.receipt:
        yield Entry(said.receipt_number, _plain(document.receipt))


def _item(line: Line, said: Words, lang: str) -> Item:
    name = f"{_plain(line.name)} {line.mark or ''}".rstrip()
    units = said.units.format(count(line.quantity, lang))
    below = [Entry(f"{line.sku}  {_price(line, units, lang)}", small=True)]
    shown = ""
    if line.total is not None:
        shown = amount(Money(line.total.minor + _minor(line.discount), line.total.currency), lang)
    if line.discount is not None and line.discount.minor:
        below.append(Entry(said.discount, amount(line.discount, lang, less=True), small=True))
    if line.cancelled:
        below.append(Entry(said.units_cancelled.format(count(line.cancelled, lang)), small=True))
    return Item(Entry(name, shown), below)


def _price(line: Line, units: str, lang: str) -> str:
    return units if line.unit is None else f"{count(line.quantity, lang)} × {amount(line.unit, lang)}"


def _sums(document: Document, said: Words) -> Iterator[Entry]:
    totals, lang = document.totals, document.lang
    if totals is None:
        return
    if totals.subtotal is not None:
        yield Entry(said.subtotal, amount(totals.subtotal, lang))
    if totals.discount is not None and totals.discount.minor:
        yield Entry(said.discount, amount(totals.discount, lang, less=True))
    for promotion in document.promotions:
        yield Entry(_plain(promotion.name), f"({amount(promotion.amount, lang, less=True)})", small=True)
    back = document.kind is DocumentKind.RETURN
    if totals.shipping is not None and totals.shipping.minor:
        yield Entry(said.shipping_back if back else said.shipping, amount(totals.shipping, lang))
    if totals.tax is not None and not document.prices_include_tax:
        yield Entry(said.tax, amount(totals.tax, lang))
    yield Entry(said.refund if back else said.total, amount(totals.total, lang), strong=True)


def _taxes(document: Document, said: Words) -> Iterator[Entry]:
    """For each rate its total and its tax."""
    lang = document.lang
    for tax in document.taxes:
        rate = f"{tax.mark or ''}{' ' if tax.mark else ''}{percent(tax.rate, lang)}"
        if document.prices_include_tax:
            yield Entry(said.gross_of_rate.format(rate), amount(tax.gross, lang))
            yield Entry(said.tax_inside, amount(tax.tax, lang), small=True)
        else:
            yield Entry(said.net_of_rate.format(rate), amount(tax.taxable, lang))
            yield Entry(said.tax, amount(tax.tax, lang), small=True)


def _money(document: Document, said: Words) -> Iterator[Entry]:
    """How it was paid, and what was let go of or given back since."""
    lang, totals = document.lang, document.totals
    for tender in document.tenders:
        yield from _tender(tender, said, lang)
    if totals is not None and _minor(totals.not_charged):
        assert totals.not_charged is not None
        yield Entry(said.not_charged, amount(totals.not_charged, lang, less=True))
    if totals is not None and _minor(totals.refunded):
        assert totals.refunded is not None
        yield Entry(said.refunded, amount(totals.refunded, lang, less=True))
    if document.points > 0:
        yield Entry(said.points, count(document.points, lang))


def _tender(tender: Tender, said: Words, lang: str) -> Iterator[Entry]:
    label = said.tenders.get(tender.method, _plain(tender.method))
    if tender.reference:
        label = f"{label} ({_plain(tender.reference)})"
    yield Entry(label, amount(tender.amount, lang))
    if tender.tendered is not None and tender.change is not None:
        yield Entry(said.tendered, amount(tender.tendered, lang), small=True)
        yield Entry(said.change, amount(tender.change, lang), small=True)


def _minor(money: Money | None) -> int:
    return money.minor if money is not None else 0


def _plain(text: str) -> str:
    """On one line."""
    return " ".join(text.split())
