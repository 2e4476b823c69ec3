"""Documents, found: by the order, by the cart that became it, or by the return that they are of."""

from __future__ import annotations

from enum import StrEnum
from urllib.parse import quote

from uriba.core import ids
from uriba.core.actor import Actor
from uriba.core.errors import Invalid
from uriba.db import Session
from uriba.documents import queries, receipts
from uriba.documents.content import Document, DocumentKind
from uriba.documents.translations import parse_language


class DocumentSource(StrEnum):
    """What a document is of, as its address names it."""

    ORDER = "orders"
    CART = "carts"
    RETURN = "returns"


async def find_document(
    session: Session, subject: DocumentSource, id: str, *, kind: DocumentKind | None, lang: str | None, actor: Actor
) -> Document | None:
    """The document, or None where there is nothing, or nothing for this caller.

    `kind`: RECEIPT of an order and RETURN of a return where none is said; `lang`: the issuer's, where none is said.
    Errors: `Invalid` for a kind that there is none of, and for a language that there are no words in.
    """
    said = parse_language(lang)
    if (kind is DocumentKind.RETURN) != (subject is DocumentSource.RETURN) and kind is not None:
        raise Invalid("An order has a RECEIPT, an INVOICE and a GIFT_RECEIPT, a return has a RETURN.", "kind")
    if subject is DocumentSource.RETURN:
        return_id = ids.uuid(id, "Return")
        row = await queries.return_by_id(session, return_id, actor=actor) if return_id else None
        return receipts.return_document(row, lang=said) if row else None
    key = ids.uuid(id, "Cart" if subject is DocumentSource.CART else "Order")
    read = queries.order_by_cart if subject is DocumentSource.CART else queries.order_by_id
    row = await read(session, key, actor=actor) if key else None
    return receipts.order_document(row, kind=kind or DocumentKind.RECEIPT, lang=said) if row else None


def document_path(subject: DocumentSource, id: str, document: Document) -> str:
    """Where the page of a document is, below the hub's own address; .pdf in the place of .html is the same to print."""
    return f"/documents/{subject}/{quote(id, safe='')}.html?kind={document.kind}&lang={document.lang}"
