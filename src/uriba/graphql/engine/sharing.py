"""Subscriptions that are alike share one execution: an event is read, answered and encoded once for all of them.

Alike are those with the same document and variables, asked for under the same rights. Their group follows the changes;
each member reads the present state for itself, then takes what the group has. A member that is slow keeps the newest
state of each subject, and of many subjects none: then it reads the present state again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog

from uriba.core.actor import Actor, Role

if TYPE_CHECKING:
    from uriba.graphql.context import Context

log = structlog.get_logger()

WAITING_MAX = 1_000
"""Subjects that wait for a slow member; with more it begins anew."""

SHOWN_MAX = 10_000
"""Subjects of which a member remembers what it has shown."""

OPENING_S = 30.0


class Operation(NamedTuple):
    """What a client asked for. `key`: the same for all who ask for the same."""

    query: str
    variables: dict[str, Any] | None
    name: str | None
    key: Hashable


class Seen(NamedTuple):
    """What a state is about, and how many of the subject's events are in it."""

    subject: str
    version: int


@dataclass(frozen=True, slots=True)
class News:
    """One answer, encoded."""

    seen: Seen
    payload: bytes


class Resync(Exception):
    """A member missed something: it reads the present state again."""


class Failed(Exception):
    """The group could not go on; the log has why."""


class Member:
    """One subscriber's place in a group."""

    def __init__(self, group: Group) -> None:
        self._group = group
        self._waiting: dict[str, News] = {}
        self._shown: dict[str, tuple[int, int]] = {}
        self._missed = False
        self._woken = asyncio.Event()

    def tell(self, news: News) -> None:
        self._waiting[news.seen.subject] = news
        if len(self._waiting) > WAITING_MAX:
            self._waiting.clear()
            self._missed = True
        self._woken.set()

    def wake(self) -> None:
        self._woken.set()

    def note(self, seen: Seen, payload: bytes) -> None:
        """What was shown, so that nothing older is shown after it, and nothing twice."""
        if len(self._shown) < SHOWN_MAX or seen.subject in self._shown:
            self._shown[seen.subject] = seen.version, hash(payload)

    async def news(self) -> AsyncIterator[bytes]:
        """Answers as subjects change; it ends where there is nothing left to follow.

        Errors: `Resync`, `Failed`.
        """
        while True:
            await self._woken.wait()
            self._woken.clear()
            while self._waiting:
                news = self._waiting.pop(next(iter(self._waiting)))
                if self._is_new(news):
                    self.note(news.seen, news.payload)
                    yield news.payload
            if self._missed:
                raise Resync
            if self._group.ended:
                self._group.check()
                return

    def _is_new(self, news: News) -> bool:
        version, digest = self._shown.get(news.seen.subject, (-1, 0))
        return news.seen.version > version or (news.seen.version == version and hash(news.payload) != digest)

    def leave(self) -> None:
        self._group.leave(self)


class Group:
    """Those who follow the same. Its own execution opens it once it watches, and tells what it answers."""

    def __init__(self, leave: Callable[[Group], None]) -> None:
        self.members: set[Member] = set()
        self.opened = asyncio.Event()
        self.ended = False
        self.task: asyncio.Task[None] | None = None
        self._failed = False
        self._leave = leave

    def tell(self, seen: Seen, payload: bytes) -> None:
        news = News(seen, payload)
        for member in self.members:
            member.tell(news)

    def end(self, *, failed: bool) -> None:
        """Nothing comes any more; members show what they have, and end too."""
        self.ended, self._failed = True, failed
        self.opened.set()
        self._leave(self)
        for member in self.members:
            member.wake()

    def check(self) -> None:
        """Errors: `Failed`."""
        if self._failed:
            raise Failed

    def leave(self, member: Member) -> None:
        self.members.discard(member)
        if not self.members and not self.ended and self.task is not None:
            self.ended = True
            self._leave(self)
            self.task.cancel()


class Groups:
    """All groups of one process."""

    def __init__(self) -> None:
        self._groups: dict[Hashable, Group] = {}
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def members(self) -> int:
        return sum(len(group.members) for group in self._groups.values())

    async def join(self, context: Context, *, everyone: bool, run: Callable[[Group, Actor], Any]) -> Member:
        """Become a member of the group that follows the same. What changes from now on is told.

        `everyone`: what is followed is the same for every shopper. `run` executes the group's own subscription.
        """
        assert context.operation is not None
        actor = followed_as(context.actor, everyone=everyone)
        key = (context.operation.key, context.channel_code, *_rights(actor))
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group(lambda ended: self._drop(key, ended))
            group.task = asyncio.create_task(run(group, actor))
            self._ending.add(group.task)
            group.task.add_done_callback(self._ending.discard)
        member = Member(group)
        group.members.add(member)
        try:
            async with asyncio.timeout(OPENING_S):
                await group.opened.wait()
        except BaseException:
            member.leave()
            raise
        return member

    def _drop(self, key: Hashable, group: Group) -> None:
        if self._groups.get(key) is group:
            del self._groups[key]


def followed_as(actor: Actor, *, everyone: bool) -> Actor:
    """Under whose rights a group follows: what is the same for every shopper is followed as nobody."""
    return actor if actor.works_here or not everyone else Actor(role=Role.ANONYMOUS, channel_id=actor.channel_id)


def _rights(actor: Actor) -> tuple[Hashable, ...]:
    """What decides what a caller sees."""
    return actor.role, actor.customer_id, actor.location_id, actor.channel_id, actor.scopes
