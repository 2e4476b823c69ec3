"""Receipts and invoices as pages and as PDF, under the same keys and the same rights as the orders they are of."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol, TypeVar

from litestar import MediaType, Request, Response, get
from litestar.exceptions import ClientException, NotAuthorizedException, NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery

from uriba.core.actor import Actor
from uriba.core.errors import DomainError, Unauthenticated
from uriba.core.text import has_control
from uriba.db import Database
from uriba.documents.content import Document, DocumentKind, PaperSize
from uriba.documents.html import content_security_policy, render_html
from uriba.documents.lookup import DocumentSource, file_name, find_document
from uriba.documents.pdf import render_pdf

PRIVATE = {"cache-control": "private, no-store", "x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}
"""Nobody between keeps them, and a cart's id, which is a guest's secret, goes nowhere with a link."""


Choice = TypeVar("Choice", DocumentKind, PaperSize)


class Identify(Protocol):
    """Who calls. Errors: `Unauthenticated`."""

    async def __call__(self, authorization: object, *, address: str) -> Actor: ...


def documents(database: Database, identify: Identify) -> HTTPRouteHandler:
    """GET /documents/{orders|carts|returns}/{id}.{html|pdf}?kind=&lang=&paper=

    What there is not, and what is not the caller's, are answered alike.
    """

    @get("/documents/{source:str}/{name:str}")
    async def show(
        request: Request[Any, Any, Any],
        source: FromPath[str],
        name: FromPath[str],
        kind: FromQuery[str | None] = None,
        lang: FromQuery[str | None] = None,
        paper: FromQuery[str | None] = None,
    ) -> Response[bytes]:
        actor = await _caller(request, identify)
        wanted, chosen = _chosen(DocumentKind, kind, "kind"), _chosen(PaperSize, paper, "paper") or PaperSize.A4
        key, _, form = name.rpartition(".")
        if source not in {*DocumentSource} or form not in ("html", "pdf") or has_control(key):
            raise _nothing()
        try:
            async with database.reading() as session:
                found = await find_document(session, DocumentSource(source), key, kind=wanted, lang=lang, actor=actor)
        except DomainError as error:
            raise ClientException(str(error)) from error
        if found is None:
            raise _nothing()
        return await (_page if form == "html" else _print)(found, chosen)

    return show


async def _caller(request: Request[Any, Any, Any], identify: Identify) -> Actor:
    address = request.client.host if request.client else ""
    try:
        return await identify(request.headers.get("authorization"), address=address)
    except Unauthenticated as error:
        raise NotAuthorizedException(str(error)) from error


async def _page(document: Document, paper: PaperSize) -> Response[bytes]:
    page = render_html(document, paper).encode()
    return Response(
        page, media_type=MediaType.HTML, headers={**PRIVATE, "content-security-policy": content_security_policy(paper)}
    )


async def _print(document: Document, paper: PaperSize) -> Response[bytes]:
    """A long one takes a while to draw; meanwhile others are served."""
    drawn = await asyncio.to_thread(render_pdf, document, paper)
    disposition = {"content-disposition": f'inline; filename="{file_name(document)}"'}
    return Response(drawn, media_type="application/pdf", headers={**PRIVATE, **disposition})


def _chosen(choices: type[Choice], said: str | None, name: str) -> Choice | None:
    try:
        return None if said is None else choices(said)
    except ValueError:
        raise ClientException(f"The {name} is one of {', '.join(choices)}.") from None


def _nothing() -> NotFoundException:
    return NotFoundException("There is no such document.")
