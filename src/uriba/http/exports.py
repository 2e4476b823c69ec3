"""Bulk exports over HTTP, for staff and apps.

An export is sent in chunks while it is read. One that fails ends its connection early, so that no client takes a part
for the whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from litestar import Request, get
from litestar.background_tasks import BackgroundTask
from litestar.exceptions import ClientException, NotAuthorizedException, NotFoundException, PermissionDeniedException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.response import Stream

from uriba.access.authentication import Authenticator
from uriba.core.errors import Denied, DomainError, NotFound, NotInstalled, Unauthenticated
from uriba.db import Database
from uriba.exports import snapshot
from uriba.exports.requests import ExportFormat, ExportTable, parse_request, require_reader
from uriba.exports.snapshot import CURSOR_KEY, Export
from uriba.http.authentication import caller_of

CONCURRENT_EXPORTS_MAX = 2
"""Exports that a process reads at a time, because each keeps a connection until its client has read it. Others wait."""

CHUNK_TIMEOUT_S = 25.0
"""How long a chunk waits for its client; shorter than PostgreSQL leaves a transaction idle."""

EXPORT_TIMEOUT_S = 3600.0
"""How long an export may take: its snapshot keeps PostgreSQL from removing dead rows."""

MEDIA_TYPES: Mapping[ExportFormat, str] = {
    ExportFormat.CSV: "text/csv; header=present",
    ExportFormat.PARQUET: "application/vnd.apache.parquet",
}


def exports(database: Database, authenticator: Authenticator) -> HTTPRouteHandler:
    """Return GET /exports/{products|prices|stock|orders}.{csv|parquet}?location=&channel=&since=&until="""
    slots = asyncio.Semaphore(CONCURRENT_EXPORTS_MAX)

    @get("/exports/{name:str}")
    async def get_export(request: Request[Any, Any, Any], name: FromPath[str]) -> Stream:
        await _authorize(request, authenticator)
        export = await _begin(database, name, dict(request.query_params))
        chunks = _chunks(export, slots)
        headers = {
            CURSOR_KEY: export.cursor,
            "cache-control": "private, no-store",
            "content-disposition": f'attachment; filename="{name}"',
            "x-accel-buffering": "no",
            "x-content-type-options": "nosniff",
        }
        # A client that disconnects leaves the generator suspended: closing it returns the connection at once.
        return Stream(
            chunks,
            media_type=MEDIA_TYPES[export.request.format],
            headers=headers,
            background=BackgroundTask(chunks.aclose),
        )

    return get_export


async def _authorize(request: Request[Any, Any, Any], authenticator: Authenticator) -> None:
    actor = await caller_of(request, authenticator)
    try:
        require_reader(actor)
    except Unauthenticated as error:
        raise NotAuthorizedException(str(error)) from error
    except Denied as error:
        raise PermissionDeniedException(str(error)) from error


async def _begin(database: Database, name: str, filters: Mapping[str, str]) -> Export:
    table, _, file_format = name.partition(".")
    if table not in {*ExportTable} or file_format not in {*ExportFormat}:
        raise NotFoundException("There is no such export.")
    try:
        async with database.reading() as session:
            request = await parse_request(session, ExportTable(table), ExportFormat(file_format), filters)
            return await snapshot.begin(database, session, request)
    except NotInstalled:
        raise
    except NotFound as error:
        raise NotFoundException(str(error)) from error
    except DomainError as error:
        raise ClientException(str(error)) from error


async def _chunks(export: Export, slots: asyncio.Semaphore) -> AsyncGenerator[bytes]:
    """Yield the chunks of an export; while the client takes one, the next is read."""
    ready: asyncio.Queue[bytes | None] = asyncio.Queue(1)
    reading = asyncio.create_task(_read(export, slots, ready))
    try:
        while (chunk := await _next(ready, reading)) is not None:
            yield chunk
    finally:
        reading.cancel()
        await asyncio.wait({reading})


async def _read(export: Export, slots: asyncio.Semaphore, ready: asyncio.Queue[bytes | None]) -> None:
    """Read an export into the queue.

    Errors: `TimeoutError` for a client that does not take a chunk, or not all of them, in time.
    """
    async with slots, asyncio.timeout(EXPORT_TIMEOUT_S), aclosing(export.chunks()) as chunks:
        async for chunk in chunks:
            async with asyncio.timeout(CHUNK_TIMEOUT_S):
                await ready.put(chunk)
    await ready.put(None)


async def _next(ready: asyncio.Queue[bytes | None], reading: asyncio.Task[None]) -> bytes | None:
    """Return the next chunk, None after the last one.

    Errors: those that ended the reading.
    """
    waiting = asyncio.create_task(ready.get())
    try:
        await asyncio.wait({waiting, reading}, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            reading.result()
        return await waiting
    finally:
        waiting.cancel()
