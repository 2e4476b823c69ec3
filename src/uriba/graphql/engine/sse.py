"""Answers as server-sent events: the "distinct connections" mode of the GraphQL over SSE protocol (graphql-sse).

One POST, one operation: `next` events with its answers, then `complete`. Comments keep idle connections open.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress

import msgspec

from uriba.graphql.engine.streams import Refused

MEDIA_TYPE = "text/event-stream"
HEARTBEAT_S = 12.0
HEARTBEAT = b":\n\n"
COMPLETE = b"event: complete\ndata:\n\n"

_encode = msgspec.json.Encoder().encode


async def events(answers: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    """Frames of an operation's answers; a refusal is an answer with errors alone."""
    async with aclosing(answers):
        try:
            async for payload in beating(answers):
                yield HEARTBEAT if payload is None else b"event: next\ndata: %b\n\n" % payload
        except Refused as refused:
            body = _encode({"errors": [error.formatted for error in refused.errors]})
            yield b"event: next\ndata: %b\n\n" % body
    yield COMPLETE


async def beating(answers: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes | None]:
    """Answers, and None whenever there was none for a while."""
    following: asyncio.Task[bytes] | None = None
    try:
        while True:
            following = following or asyncio.ensure_future(anext(answers))
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
            with suppress(asyncio.CancelledError, StopAsyncIteration, Refused):
                await following
