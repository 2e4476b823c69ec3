"""Resolvers of subscriptions: first the present state, then the newest state after every change.

A subscription says which subjects to watch, how to read the present states, and how to read what a change concerns. The
caller's own execution reads the present state and joins a group (`subscription_groups`); the group's execution watches
for changes and yields their states to all members.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any, Generic, NamedTuple, TypeVar

import strawberry

from uriba.core.errors import NotFound
from uriba.graphql.engine.live_feed import Change, SubjectWatch
from uriba.graphql.engine.operation import OperationContext
from uriba.graphql.engine.responses import group_runner
from uriba.graphql.engine.subscription_groups import (
    TRACKED_SUBJECTS_MAX,
    SubjectVersion,
    SubscriptionGroup,
    group_actor,
    rights_of,
)

T = TypeVar("T")

Info = strawberry.Info[Any, Any]


class State(NamedTuple, Generic[T]):
    """A state to send, the subject that it is of, and how many of the subject's events are in it."""

    subject: str
    version: int
    value: T


class SubscriptionEnded(Exception):
    """The subject does not exist for the caller any more."""


def not_found(noun: str, path: str) -> NotFound:
    return NotFound(f"There is no such {noun}.", path)


async def subscribe(
    info: Info,
    *,
    watch: AbstractAsyncContextManager[SubjectWatch],
    present: Callable[[], AsyncIterator[State[T]]],
    changed: Callable[[Change], AsyncIterator[State[T]]],
    same_for_all_shoppers: bool = False,
) -> AsyncGenerator[T, None]:
    """Yield the present states; in a group's own execution the states of every change.

    `changed` raises `SubscriptionEnded` where there is nothing more to send.
    """
    context: OperationContext = info.context
    operation = context.operation
    assert operation is not None
    if operation.group is not None:
        states = _changed_states(context, operation.group, watch, changed)
    else:
        actor = group_actor(context.actor, same_for_all_shoppers=same_for_all_shoppers)
        key = (operation.request.key, context.channel_code, *rights_of(actor))
        operation.member = await context.groups.join(key, group_runner(info.schema, context.for_group(actor)))
        states = present()  # type: ignore[assignment]
    async with aclosing(states):
        async for state in states:
            operation.version = SubjectVersion(state.subject, state.version)
            yield state.value


async def _changed_states(
    context: OperationContext,
    group: SubscriptionGroup,
    watch: AbstractAsyncContextManager[SubjectWatch],
    changed: Callable[[Change], AsyncIterator[State[T]]],
) -> AsyncGenerator[State[T], None]:
    """Yield the newest state of each subject that changes, no version twice."""
    sent: dict[str, int] = {}
    async with watch as watching:
        group.started.set()
        async for change in watching.changes():
            if change.version <= sent.get(change.subject, 0):
                continue
            context.reset_loaders()
            try:
                async for state in changed(change):
                    if state.subject == change.subject:
                        if len(sent) >= TRACKED_SUBJECTS_MAX:
                            sent.clear()
                        sent[change.subject] = state.version
                    yield state
            except SubscriptionEnded:
                return


async def subscribe_to_one(
    info: Info, subject: str, read: Callable[[], Awaitable[tuple[T, int] | None]], *, missing: NotFound
) -> AsyncGenerator[T, None]:
    """Yield one subject's state. `read` returns the state and how many of the subject's events are in it.

    Errors: `missing` where `read` finds nothing at first; the subscription ends where it finds nothing later.
    """

    async def present() -> AsyncIterator[State[T]]:
        found = await read()
        if found is None:
            raise missing
        yield State(subject, found[1], found[0])

    async def changed(change: Change) -> AsyncIterator[State[T]]:
        found = await read()
        if found is None:
            raise SubscriptionEnded
        yield State(subject, found[1], found[0])

    context: OperationContext = info.context
    states = subscribe(info, watch=context.live_feed.watch(subject), present=present, changed=changed)
    async with aclosing(states):
        async for value in states:
            yield value
