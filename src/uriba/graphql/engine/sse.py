"""Responses as server-sent events: the "distinct connections" mode of the GraphQL over SSE protocol (graphql-sse).

One POST carries one operation: a `next` event for each response, then `complete`. Comments keep idle connections open.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress

import msgspec

from uriba.graphql.engine.responses import OperationError

MEDIA_TYPE = "text/event-stream"
HEARTBEAT_S = 12.0
HEARTBEAT = b":\n\n"
COMPLETE = b"event: complete\ndata:\n\n"

_encode = msgspec.json.Encoder().encode


async def event_stream(responses: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    """Yield the events of an operation's responses; an `OperationError` becomes a response that has errors only."""
    async with aclosing(responses):
        try:
            async for payload in with_heartbeats(responses):
                yield HEARTBEAT if payload is None else b"event: next\ndata: %b\n\n" % payload
        except OperationError as failed:
            body = _encode({"errors": [error.formatted for error in failed.errors]})
            yield b"event: next\ndata: %b\n\n" % body
    yield COMPLETE


async def with_heartbeats(responses: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes | None]:
    """Yield the responses, and None whenever there was none for `HEARTBEAT_S`."""
    following: asyncio.Task[bytes] | None = None
    try:
        while True:
            following = following or asyncio.ensure_future(anext(responses))
            done, _ = await asyncio.wait({following}, timeout=HEARTBEAT_S)
            if not done:
                yield None
                continue
            ended, following = following, None
            try:
                yield ended.result()
            except StopAsyncIteration:
                return
    finally:
        if following is not None:
            following.cancel()
            with suppress(asyncio.CancelledError, StopAsyncIteration, OperationError):
                await following
