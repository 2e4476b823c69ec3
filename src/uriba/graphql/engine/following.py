"""Following: the present state first, then the newest state after every change.

A subscription says how to watch, how to read what is there, and how to read what changed. Whoever asks for it reads
the present state and joins the group of those who follow the same; the group's own execution watches.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Generic, NamedTuple, TypeVar

from uriba.core.errors import NotFound
from uriba.graphql.context import Info
from uriba.graphql.engine import streams
from uriba.graphql.engine.live import Change, Watch
from uriba.graphql.engine.sharing import SHOWN_MAX, Seen

T = TypeVar("T")


class State(NamedTuple, Generic[T]):
    """What is shown of a subject, and how many of its events are in that."""

    subject: str
    version: int
    value: T


class Over(Exception):
    """There is nothing left to follow."""


def not_found(what: str, path: str) -> NotFound:
    return NotFound(f"There is no such {what}.", path)


async def follow(
    info: Info,
    *,
    watch: AbstractAsyncContextManager[Watch],
    present: Callable[[], AsyncIterator[State[T]]],
    newest: Callable[[Change], AsyncIterator[State[T]]],
    everyone: bool = False,
) -> AsyncGenerator[T, None]:
    """`newest` raises `Over` where there is nothing left to follow. `everyone`: every shopper sees the same."""
    context = info.context
    if context.group is None:
        context.member = await context.hub.groups.join(context, everyone=everyone, run=streams.runner(info))
        states = present()
    else:
        states = _changes(info, watch, newest)
    async with aclosing(states):  # type: ignore[type-var]
        async for state in states:
            context.seen = Seen(state.subject, state.version)
            yield state.value


async def _changes(
    info: Info, watch: AbstractAsyncContextManager[Watch], newest: Callable[[Change], AsyncIterator[State[T]]]
) -> AsyncGenerator[State[T], None]:
    """What a group is told: of each subject its newest state, none twice."""
    assert info.context.group is not None
    told: dict[str, int] = {}
    async with watch as watching:
        info.context.group.opened.set()
        async for change in watching.changes():
            if change.version <= told.get(change.subject, 0):
                continue
            info.context.renew()
            try:
                async for state in newest(change):
                    if state.subject == change.subject:
                        if len(told) >= SHOWN_MAX:
                            told.clear()
                        told[change.subject] = state.version
                    yield state
            except Over:
                return


async def follow_one(
    info: Info, subject: str, read: Callable[[], Awaitable[tuple[T, int] | None]], *, missing: NotFound
) -> AsyncGenerator[T, None]:
    """Follow one subject. `read`: its state, and how many of its events are in it.

    Errors: `missing` where the subject is not the caller's at the beginning; it ends where that becomes so.
    """

    async def present() -> AsyncIterator[State[T]]:
        found = await read()
        if found is None:
            raise missing
        yield State(subject, found[1], found[0])

    async def newest(change: Change) -> AsyncIterator[State[T]]:
        found = await read()
        if found is None:
            raise Over
        yield State(subject, found[1], found[0])

    async with aclosing(
        follow(info, watch=info.context.hub.live.watch(subject), present=present, newest=newest)
    ) as values:
        async for value in values:
            yield value
