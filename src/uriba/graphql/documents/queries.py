"""The query of documents."""

from __future__ import annotations

import strawberry

from uriba.documents.content import DocumentKind
from uriba.documents.lookup import choose_source, document_path, find_document
from uriba.graphql.context import Info
from uriba.graphql.documents.build import build_document
from uriba.graphql.documents.types import Document
from uriba.graphql.permissions import PUBLIC, query


@strawberry.type
class DocumentQueries:
    @query(
        PUBLIC,
        "A receipt, an invoice or a gift receipt of an order, or the invoice of a return. Give exactly one id. For "
        "callers that may see the order; a guest gives the id of the cart that became the order.",
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
        source, id = choose_source(order_id=order_id, cart_id=cart_id, return_id=return_id)
        async with info.context.reading() as session:
            document = await find_document(session, source, id, kind=kind, lang=lang, actor=info.context.actor)
        return build_document(document, document_path(source, id, document)) if document else None
