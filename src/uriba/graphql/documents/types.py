"""Types of documents: the same that stands on paper, as data."""

from __future__ import annotations

from datetime import datetime

import strawberry

from uriba.core.money import Money as Amount
from uriba.documents import content as paper
from uriba.documents.content import DocumentKind, PaperSize
from uriba.documents.html import render_html as html
from uriba.documents.layout import notes, title
from uriba.documents.translations import translations
from uriba.graphql.scalars import DecimalString, Money, money_of

strawberry.enum(
    DocumentKind,
    description="RECEIPT, GIFT_RECEIPT (without any amount) and INVOICE (a receipt that names who bought) of an order; "
    "RETURN of goods that came back.",
)
DocumentPaper = strawberry.enum(PaperSize, name="DocumentPaper", description="A4, or a till's roll of 80 mm.")


@strawberry.type(description="Who sold.")
class DocumentIssuer:
    name: str
    registration_number: str | None = strawberry.field(description="Of tax; in Japan T and 13 digits.")
    address: str | None
    phone: str | None
    place: str | None = strawberry.field(description="The store, where it has another name.")


@strawberry.type(description="Units of an article; without amounts on a gift receipt.")
class DocumentLine:
    name: str
    sku: str
    quantity: int
    cancelled_quantity: int = strawberry.field(description="Units of these that were never handed over.")
    unit_price: Money | None
    discount: Money | None
    total: Money | None = strawberry.field(description="After the discount.")
    rate: DecimalString | None
    mark: str | None = strawberry.field(description="Of its rate: ※ is Japan's reduced one.")


@strawberry.type(description="What a promotion took off.")
class DocumentPromotion:
    name: str
    amount: Money


@strawberry.type(description="What a rate comes to. Gross is taxable and tax, as they were booked.")
class DocumentTax:
    rate: DecimalString
    mark: str | None
    gross: Money
    taxable: Money
    tax: Money


@strawberry.type(description="Money by one tender.")
class DocumentTender:
    method: str
    label: str = strawberry.field(description="In the document's language.")
    amount: Money
    tendered: Money | None = strawberry.field(description="Cash that was handed over.")
    change: Money | None
    reference: str | None


@strawberry.type(description="Sums. Of a return: what was paid back.")
class DocumentTotals:
    subtotal: Money | None
    discount: Money | None
    shipping: Money | None
    tax: Money | None
    total: Money
    not_charged: Money | None = strawberry.field(description="Let go of, because goods were cancelled.")
    refunded: Money | None = strawberry.field(description="Given back since.")


@strawberry.type(description="A receipt, an invoice or a gift receipt.")
class Document:
    source: strawberry.Private[paper.Document]
    kind: DocumentKind
    lang: str
    title: str
    number: str = strawberry.field(description="The order's: what the code on it says, and what tills find it by.")
    return_number: str | None
    receipt: str | None = strawberry.field(description="The number that a till printed.")
    issued_at: datetime = strawberry.field(description="When it was sold, or came back.")
    sold_at: datetime | None = strawberry.field(description="When goods that came back were sold.")
    exchange: str | None = strawberry.field(
        description="The number of the order that goods which came back were exchanged for, or these from."
    )
    timezone: str = strawberry.field(description="In which its times are printed.")
    issuer: DocumentIssuer
    recipient: str | None
    qualified: bool = strawberry.field(description="It is an invoice of Japan's qualified invoice system.")
    lines: list[DocumentLine]
    promotions: list[DocumentPromotion]
    totals: DocumentTotals | None
    taxes: list[DocumentTax]
    tenders: list[DocumentTender]
    points: int = strawberry.field(description="Earned with it, less those that went back.")
    notes: list[str] = strawberry.field(description="The sentences at its foot.")
    warnings: list[str] = strawberry.field(description="For the retailer: what is wrong with the issuer's number.")
    url: str = strawberry.field(description="Its page, below the hub's address; .pdf in place of .html to print it.")

    @strawberry.field(description="The page, whole in itself.")
    def html(self, paper: DocumentPaper = PaperSize.A4) -> str:  # type: ignore[valid-type]
        return html(self.source, paper)


def document_of(found: paper.Document, url: str) -> Document:
    said = translations(found.lang)
    return Document(
        source=found,
        kind=found.kind,
        lang=found.lang,
        title=title(found),
        number=found.number,
        return_number=found.return_number,
        receipt=found.receipt,
        issued_at=found.issued_at,
        sold_at=found.sold_at,
        exchange=found.exchange,
        timezone=found.zone,
        issuer=_issuer(found.issuer),
        recipient=found.recipient,
        qualified=found.qualified,
        lines=[_line(line) for line in found.lines],
        promotions=[DocumentPromotion(name=p.name, amount=_money(p.amount)) for p in found.promotions],
        totals=_totals(found.totals) if found.totals else None,
        taxes=[_tax(tax) for tax in found.taxes],
        tenders=[_tender(tender, said.tenders.get(tender.method, tender.method)) for tender in found.tenders],
        points=found.points,
        notes=notes(found),
        warnings=list(found.warnings),
        url=url,
    )


def _issuer(issuer: paper.DocumentIssuer) -> DocumentIssuer:
    return DocumentIssuer(
        name=issuer.name,
        registration_number=issuer.registration_number,
        address=issuer.address,
        phone=issuer.phone,
        place=issuer.place,
    )


def _line(line: paper.DocumentLine) -> DocumentLine:
    return DocumentLine(
        name=line.name,
        sku=line.sku,
        quantity=line.quantity,
        cancelled_quantity=line.cancelled,
        unit_price=_some(line.unit),
        discount=_some(line.discount),
        total=_some(line.total),
        rate=None if line.rate is None else DecimalString(f"{line.rate.normalize():f}"),
        mark=line.mark,
    )


def _tax(tax: paper.DocumentTax) -> DocumentTax:
    return DocumentTax(
        rate=DecimalString(f"{tax.rate.normalize():f}"),
        mark=tax.mark,
        gross=_money(tax.gross),
        taxable=_money(tax.taxable),
        tax=_money(tax.tax),
    )


def _tender(tender: paper.DocumentTender, label: str) -> DocumentTender:
    return DocumentTender(
        method=tender.method,
        label=label,
        amount=_money(tender.amount),
        tendered=_some(tender.tendered),
        change=_some(tender.change),
        reference=tender.reference,
    )


def _totals(totals: paper.DocumentTotals) -> DocumentTotals:
    return DocumentTotals(
        subtotal=_some(totals.subtotal),
        discount=_some(totals.discount),
        shipping=_some(totals.shipping),
        tax=_some(totals.tax),
        total=_money(totals.total),
        not_charged=_some(totals.not_charged),
        refunded=_some(totals.refunded),
    )


def _some(amount: Amount | None) -> Money | None:
    return None if amount is None else _money(amount)


def _money(amount: Amount) -> Money:
    return money_of(amount.minor, amount.currency)
