"""The types of documents: the content of the printed page as data."""

from __future__ import annotations

from datetime import datetime

import strawberry

from uriba.core.extras import extra
from uriba.documents import content as document_content
from uriba.documents.content import DocumentKind, PaperSize
from uriba.graphql.scalars import DecimalString, Money

strawberry.enum(
    DocumentKind,
    description="RECEIPT, GIFT_RECEIPT (without amounts) and INVOICE (a receipt that names the buyer) of an order; "
    "RETURN of a return.",
)
DocumentPaper = strawberry.enum(PaperSize, name="DocumentPaper", description="A4, or the 80 mm roll of a till.")


@strawberry.type(description="The seller.")
class DocumentIssuer:
    name: str
    registration_number: str | None = strawberry.field(description="For tax; in Japan T and 13 digits.")
    address: str | None
    phone: str | None
    place: str | None = strawberry.field(description="The name of the store, if it differs from `name`.")


@strawberry.type(description="Units of a variant; without amounts on a gift receipt.")
class DocumentLine:
    name: str
    sku: str
    quantity: int
    cancelled_quantity: int = strawberry.field(description="How many of these units were cancelled.")
    unit_price: Money | None
    discount: Money | None
    total: Money | None = strawberry.field(description="After the discount.")
    rate: DecimalString | None
    mark: str | None = strawberry.field(description="The mark of its tax rate: ※ is Japan's reduced rate.")


@strawberry.type(description="The amount that a promotion took off.")
class DocumentPromotion:
    name: str
    amount: Money


@strawberry.type(description="The totals of a tax rate, as stored with the order. `gross` is `taxable` plus `tax`.")
class DocumentTax:
    rate: DecimalString
    mark: str | None
    gross: Money
    taxable: Money
    tax: Money


@strawberry.type(description="The amount of a tender.")
class DocumentTender:
    method: str
    label: str = strawberry.field(description="The method in the document's language.")
    amount: Money
    tendered: Money | None = strawberry.field(description="Cash that the customer handed over.")
    change: Money | None
    reference: str | None


@strawberry.type(description="The sums of an order, or of a return's refund.")
class DocumentTotals:
    subtotal: Money | None
    discount: Money | None
    shipping: Money | None
    tax: Money | None
    total: Money
    not_charged: Money | None = strawberry.field(description="Not charged because goods were cancelled.")
    refunded: Money | None = strawberry.field(description="Refunded since.")


@strawberry.type(description="A receipt, an invoice or a gift receipt.")
class Document:
    content: strawberry.Private[document_content.Document]
    kind: DocumentKind
    lang: str
    title: str
    number: str = strawberry.field(
        description="The order's number. It is in the QR code, and tills find the order by it."
    )
    return_number: str | None
    receipt: str | None = strawberry.field(description="The receipt number that a till printed.")
    issued_at: datetime = strawberry.field(description="The time of the sale or of the return.")
    sold_at: datetime | None = strawberry.field(description="On a return: the time of the sale.")
    exchange: str | None = strawberry.field(
        description="On a return: the number of the order that its goods were exchanged for. On an order: the number "
        "of the order that its goods were exchanged from."
    )
    timezone: str = strawberry.field(description="The time zone of the printed times.")
    issuer: DocumentIssuer
    recipient: str | None
    qualified: bool = strawberry.field(description="Whether it is an invoice of Japan's qualified invoice system.")
    lines: list[DocumentLine]
    promotions: list[DocumentPromotion]
    totals: DocumentTotals | None
    taxes: list[DocumentTax]
    tenders: list[DocumentTender]
    points: int = strawberry.field(description="The points earned, less those that were taken back.")
    notes: list[str] = strawberry.field(description="The sentences at the end.")
    warnings: list[str] = strawberry.field(
        description="For the retailer: problems of the issuer's registration number."
    )
    url: str = strawberry.field(description="The path of its page on the hub; with .pdf instead of .html, of its PDF.")

    @strawberry.field(description="The page, with its style sheet and without scripts.")
    def html(self, paper: DocumentPaper = PaperSize.A4) -> str:  # type: ignore[valid-type]
        with extra("documents"):
            from uriba.documents.html import render_html
        return render_html(self.content, paper)
