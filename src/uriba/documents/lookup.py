"""Finding a document by its order, by the cart that became the order, or by its return; and its path over HTTP."""

from __future__ import annotations

from enum import StrEnum
from urllib.parse import quote

from uriba.core import fields, ids
from uriba.core.actor import Actor
from uriba.core.errors import Invalid
from uriba.db import Session
from uriba.documents import queries, receipts
from uriba.documents.content import Document, DocumentKind
from uriba.documents.translations import parse_language


class DocumentSource(StrEnum):
    """The kinds of object that documents are found by, as named in paths."""

    ORDER = "orders"
    CART = "carts"
    RETURN = "returns"


def choose_source(*, order_id: str | None, cart_id: str | None, return_id: str | None) -> tuple[DocumentSource, str]:
    """Return the source and the id that the caller gave. Errors: `Invalid` unless exactly one id is given."""
    fields.exactly_one(orderId=order_id, cartId=cart_id, returnId=return_id)
    if order_id is not None:
        return DocumentSource.ORDER, order_id
    if cart_id is not None:
        return DocumentSource.CART, cart_id
    assert return_id is not None
    return DocumentSource.RETURN, return_id


async def find_document(
    session: Session, source: DocumentSource, id: str, *, kind: DocumentKind | None, lang: str | None, actor: Actor
) -> Document | None:
    """Return the document, or None if it does not exist or the actor may not see it.

    `kind`: by default RECEIPT of an order and RETURN of a return. `lang`: by default that of the issuer.
    Errors: `Invalid` for a kind that the source does not have, and for an unknown language.
    """
    language = parse_language(lang)
    if (kind is DocumentKind.RETURN) != (source is DocumentSource.RETURN) and kind is not None:
        raise Invalid("An order has a RECEIPT, an INVOICE and a GIFT_RECEIPT; a return has a RETURN.", "kind")
    if source is DocumentSource.RETURN:
        return_id = ids.uuid(id, "Return")
        order_return = await queries.return_by_id(session, return_id, actor=actor) if return_id else None
        return receipts.return_document(order_return, lang=language) if order_return else None
    key = ids.uuid(id, "Cart" if source is DocumentSource.CART else "Order")
    read = queries.order_by_cart if source is DocumentSource.CART else queries.order_by_id
    order = await read(session, key, actor=actor) if key else None
    return receipts.order_document(order, kind=kind or DocumentKind.RECEIPT, lang=language) if order else None


def document_path(source: DocumentSource, id: str, document: Document) -> str:
    """Return the path of a document's page on the hub; with .pdf instead of .html it is that of the PDF."""
    return f"/documents/{source}/{quote(id, safe='')}.html?kind={document.kind}&lang={document.lang}"


def file_name(document: Document) -> str:
    """Return a file name for the PDF of a document, such as "gift-receipt-100042.pdf"."""
    kind = document.kind.lower().replace("_", "-")
    return f"{kind}-{document.return_number or document.order_number}.pdf"
