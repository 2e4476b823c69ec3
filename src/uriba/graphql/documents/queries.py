"""Reads of documents."""

from __future__ import annotations

import strawberry

from uriba.core import fields
from uriba.documents.content import DocumentKind
from uriba.documents.lookup import DocumentSource, document_path, find_document
from uriba.graphql.context import Info
from uriba.graphql.documents.types import Document, document_of
from uriba.graphql.permissions import PUBLIC, query


@strawberry.type
class DocumentQueries:
    @query(
        PUBLIC,
        "A receipt, an invoice or a gift receipt of an order, or the invoice of a return. For whoever may see the "
        "order; a guest asks by the cart that became it.",
    )
    async def document(
        self,
        info: Info,
        order_id: strawberry.ID | None = None,
        cart_id: strawberry.ID | None = None,
        return_id: strawberry.ID | None = None,
        kind: DocumentKind | None = None,
        lang: str | None = None,
    ) -> Document | None:
        fields.exactly_one(orderId=order_id, cartId=cart_id, returnId=return_id)
        given = {DocumentSource.ORDER: order_id, DocumentSource.CART: cart_id, DocumentSource.RETURN: return_id}
        (subject, id), *_ = [(one, said) for one, said in given.items() if said is not None]
        async with info.context.reading() as session:
            found = await find_document(session, subject, id, kind=kind, lang=lang, actor=info.context.actor)
        return document_of(found, document_path(subject, id, found)) if found else None
