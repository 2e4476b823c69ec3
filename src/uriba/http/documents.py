"""Receipts and invoices as pages and PDFs, for the callers who may read the orders that they are of."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

from litestar import MediaType, Request, Response, get
from litestar.exceptions import ClientException, NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery

from uriba.access.authentication import Authenticator
from uriba.core.errors import DomainError
from uriba.core.extras import extra
from uriba.db import Database
from uriba.documents.content import Document, DocumentKind, PaperSize
from uriba.documents.lookup import DocumentSource, file_name, find_document
from uriba.http.authentication import caller_of

PRIVATE = {"cache-control": "private, no-store", "x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}
"""Documents are not cached, and their address, which may hold a guest's secret cart id, is not sent as a referrer."""

Choice = TypeVar("Choice", DocumentKind, PaperSize)


def documents(database: Database, authenticator: Authenticator) -> HTTPRouteHandler:
    """Return GET /documents/{orders|carts|returns}/{id}.{html|pdf}?kind=&lang=&paper=

    A document that does not exist and one that the caller may not read are both answered with 404.
    """

    @get("/documents/{source:str}/{name:str}")
    async def get_document(
        request: Request[Any, Any, Any],
        source: FromPath[str],
        name: FromPath[str],
        kind: FromQuery[str | None] = None,
        lang: FromQuery[str | None] = None,
        paper: FromQuery[str | None] = None,
    ) -> Response[bytes]:
        actor = await caller_of(request, authenticator)
        document_kind = _choice(DocumentKind, kind, "kind")
        paper_size = _choice(PaperSize, paper, "paper") or PaperSize.A4
        id, _, file_format = name.rpartition(".")
        if source not in {*DocumentSource} or file_format not in ("html", "pdf"):
            raise _not_found()
        try:
            async with database.reading() as session:
                document = await find_document(
                    session, DocumentSource(source), id, kind=document_kind, lang=lang, actor=actor
                )
        except DomainError as error:
            raise ClientException(str(error)) from error
        if document is None:
            raise _not_found()
        return await (_html_response if file_format == "html" else _pdf_response)(document, paper_size)

    return get_document


async def _html_response(document: Document, paper: PaperSize) -> Response[bytes]:
    with extra("documents"):
        from uriba.documents.html import content_security_policy, render_html
    page = render_html(document, paper).encode()
    return Response(
        page, media_type=MediaType.HTML, headers={**PRIVATE, "content-security-policy": content_security_policy(paper)}
    )


async def _pdf_response(document: Document, paper: PaperSize) -> Response[bytes]:
    """Render in a thread, because a long document takes a while."""
    with extra("documents"):
        from uriba.documents.pdf import render_pdf
    content = await asyncio.to_thread(render_pdf, document, paper)
    disposition = {"content-disposition": f'inline; filename="{file_name(document)}"'}
    return Response(content, media_type="application/pdf", headers={**PRIVATE, **disposition})


def _choice(choices: type[Choice], value: str | None, name: str) -> Choice | None:
    try:
        return None if value is None else choices(value)
    except ValueError:
        raise ClientException(f"The parameter {name} must be one of {', '.join(choices)}.") from None


def _not_found() -> NotFoundException:
    return NotFoundException("There is no such document.")
