"""Following one subject: its present state, then its newest state after every change."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TypeVar

from uriba.core.errors import NotFound
from uriba.graphql.context import Info

T = TypeVar("T")


def not_found(what: str, path: str) -> NotFound:
    return NotFound(f"There is no such {what}.", path)


async def fresh(info: Info) -> None:
    """Before each event: the caller's key still holds, and nothing loaded before is shown again.

    Errors: `Unauthenticated` once the key has ended.
    """
    await info.context.authenticate()
    info.context.renew()


async def follow(
    info: Info, subject: str, read: Callable[[], Awaitable[tuple[T, int] | None]], *, missing: NotFound
) -> AsyncGenerator[T, None]:
    """`read`: the state, and how many of the subject's events are in it. No state is shown twice.

    Errors: `missing` where the subject is not the caller's at the beginning; it ends where that becomes so.
    """
    async with info.context.hub.live.watch(subject) as watch:
        await fresh(info)
        found = await read()
        if found is None:
            raise missing
        state, seen = found
        yield state
        async for change in watch.changes():
            if change.subject == subject and change.version <= seen:
                continue
            await fresh(info)
            found = await read()
            if found is None:
                return
            state, seen = found
            yield state
