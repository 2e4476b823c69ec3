"""Bulk exports over HTTP, for staff and apps: piece by piece, and never half of one that looks whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, Protocol

from litestar import Request, get
from litestar.background_tasks import BackgroundTask
from litestar.exceptions import ClientException, NotAuthorizedException, NotFoundException, PermissionDeniedException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.response import Stream

from uriba.core.actor import Actor
from uriba.core.errors import Denied, DomainError, NotFound, Unauthenticated
from uriba.db import Database
from uriba.exports import snapshot
from uriba.exports.requests import ExportFormat, ExportTable, parse_request, require_reader
from uriba.exports.snapshot import CURSOR_KEY, Export

AT_ONCE_MAX = 2
"""Exports that a process writes at a time: each keeps a connection for as long as its reader takes. Others wait."""

STALLED_S = 25.0
"""How long a piece waits for its reader: less than PostgreSQL leaves a transaction idle."""

LASTS_MAX_S = 3600.0
"""How long an export may take: its snapshot keeps PostgreSQL from clearing away what has changed since."""

MEDIA_TYPES: Mapping[ExportFormat, str] = {
    ExportFormat.CSV: "text/csv; header=present",
    ExportFormat.PARQUET: "application/vnd.apache.parquet",
}


class Identify(Protocol):
    """Who calls. Errors: `Unauthenticated`."""

    async def __call__(self, authorization: object, *, address: str) -> Actor: ...


def exports(database: Database, identify: Identify) -> HTTPRouteHandler:
    """GET /exports/{products|prices|stock|orders}.{csv|parquet}?location=&channel=&since=&until="""
    turns = asyncio.Semaphore(AT_ONCE_MAX)

    @get("/exports/{name:str}")
    async def export(request: Request[Any, Any, Any], name: FromPath[str]) -> Stream:
        await _check(request, identify)
        found = await _begun(database, name, dict(request.query_params))
        pieces = _in_turn(found, turns)
        headers = {
            CURSOR_KEY: found.cursor,
            "cache-control": "private, no-store",
            "content-disposition": f'attachment; filename="{name}"',
            "x-accel-buffering": "no",
            "x-content-type-options": "nosniff",
        }
        # A reader who hangs up leaves the pieces where they were: closing them gives the connection back at once.
        return Stream(
            pieces,
            media_type=MEDIA_TYPES[found.request.format],
            headers=headers,
            background=BackgroundTask(pieces.aclose),
        )

    return export


async def _check(request: Request[Any, Any, Any], identify: Identify) -> None:
    address = request.client.host if request.client else ""
    try:
        require_reader(await identify(request.headers.get("authorization"), address=address))
    except Unauthenticated as error:
        raise NotAuthorizedException(str(error)) from error
    except Denied as error:
        raise PermissionDeniedException(str(error)) from error


async def _begun(database: Database, name: str, filters: Mapping[str, str]) -> Export:
    table, _, file_format = name.partition(".")
    if table not in {*ExportTable} or file_format not in {*ExportFormat}:
        raise NotFoundException("There is no such export.")
    try:
        async with database.reading() as session:
            request = await parse_request(session, ExportTable(table), ExportFormat(file_format), filters)
            return await snapshot.begin(database, session, request)
    except NotFound as error:
        raise NotFoundException(str(error)) from error
    except DomainError as error:
        raise ClientException(str(error)) from error


async def _in_turn(export: Export, turns: asyncio.Semaphore) -> AsyncGenerator[bytes]:
    """The pieces as their reader takes them, while the next one is written."""
    ready: asyncio.Queue[bytes | None] = asyncio.Queue(1)
    writing = asyncio.create_task(_write(export, turns, ready))
    try:
        while (piece := await _next(ready, writing)) is not None:
            yield piece
    finally:
        writing.cancel()
        await asyncio.wait({writing})


async def _write(export: Export, turns: asyncio.Semaphore, ready: asyncio.Queue[bytes | None]) -> None:
    """Errors: `TimeoutError` for a reader who takes nothing any more: what is kept for it is given up."""
    async with turns, asyncio.timeout(LASTS_MAX_S), aclosing(export.chunks()) as pieces:
        async for piece in pieces:
            async with asyncio.timeout(STALLED_S):
                await ready.put(piece)
    await ready.put(None)


async def _next(ready: asyncio.Queue[bytes | None], writing: asyncio.Task[None]) -> bytes | None:
    """The next piece; None after the last. Errors: what ended the writing."""
    waiting = asyncio.create_task(ready.get())
    try:
        await asyncio.wait({waiting, writing}, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            writing.result()
        return await waiting
    finally:
        waiting.cancel()
