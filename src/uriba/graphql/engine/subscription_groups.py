"""Subscription groups: subscriptions that are alike share one execution.

Subscriptions are alike that have the same document and variables and the same rights. The execution of their group
follows the changes; every state that it yields is encoded once and passed to all members. Each member reads the present
state for itself. A slow member keeps only the newest state of each subject; one that would keep too many subjects reads
the present state again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import Any, NamedTuple

from uriba.core.actor import Actor, Role

PENDING_SUBJECTS_MAX = 1_000
"""Subjects whose states wait for a slow member; with more it has to resync."""

TRACKED_SUBJECTS_MAX = 10_000
"""Subjects of which a member or a group remembers the version that it has sent."""

START_TIMEOUT_S = 30.0
"""How long a new member waits until its group watches for changes."""


class SubjectVersion(NamedTuple):
    """The subject that a state is of, and how many of the subject's events are in the state."""

    subject: str
    version: int


@dataclass(frozen=True, slots=True)
class Update:
    """A state, encoded."""

    state: SubjectVersion
    payload: bytes


class ResyncRequired(Exception):
    """A member missed states: it has to read the present state again."""


class GroupFailed(Exception):
    """The execution of the group ended with an error, which is logged."""


class GroupMember:
    """One subscriber's place in a group."""

    def __init__(self, group: SubscriptionGroup) -> None:
        self._group = group
        self._pending: dict[str, Update] = {}
        self._sent: dict[str, tuple[int, int]] = {}
        self._overflowed = False
        self._wake = asyncio.Event()

    def receive(self, update: Update) -> None:
        """Keep the state until the subscriber takes it, in place of an older one of the same subject."""
        self._pending[update.state.subject] = update
        if len(self._pending) > PENDING_SUBJECTS_MAX:
            self._pending.clear()
            self._overflowed = True
        self._wake.set()

    def wake(self) -> None:
        self._wake.set()

    def record_sent(self, state: SubjectVersion, payload: bytes) -> None:
        """Remember what was sent, so that no older state follows it, and the same state not again."""
        if len(self._sent) < TRACKED_SUBJECTS_MAX or state.subject in self._sent:
            self._sent[state.subject] = state.version, hash(payload)

    async def payloads(self) -> AsyncIterator[bytes]:
        """Yield encoded states as subjects change; end where the group's execution ends.

        Errors: `ResyncRequired`, `GroupFailed`.
        """
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._pending:
                update = self._pending.pop(next(iter(self._pending)))
                if self._is_new(update):
                    self.record_sent(update.state, update.payload)
                    yield update.payload
            if self._overflowed:
                raise ResyncRequired
            if self._group.ended:
                self._group.raise_if_failed()
                return

    def _is_new(self, update: Update) -> bool:
        version, digest = self._sent.get(update.state.subject, (-1, 0))
        return update.state.version > version or (update.state.version == version and hash(update.payload) != digest)

    def leave(self) -> None:
        self._group.remove(self)


class SubscriptionGroup:
    """Members that share one execution. The execution sets `started` once it watches, and publishes its states."""

    def __init__(self, on_end: Callable[[SubscriptionGroup], None]) -> None:
        self.members: set[GroupMember] = set()
        self.started = asyncio.Event()
        self.ended = False
        self.task: asyncio.Task[None] | None = None
        self._failed = False
        self._on_end = on_end

    def publish(self, state: SubjectVersion, payload: bytes) -> None:
        update = Update(state, payload)
        for member in self.members:
            member.receive(update)

    def end(self, *, failed: bool) -> None:
        """End the group: members send what they have received, and end too."""
        self.ended, self._failed = True, failed
        self.started.set()
        self._on_end(self)
        for member in self.members:
            member.wake()

    def raise_if_failed(self) -> None:
        """Errors: `GroupFailed`."""
        if self._failed:
            raise GroupFailed

    def remove(self, member: GroupMember) -> None:
        """Remove a member; without members the group's execution is cancelled."""
        self.members.discard(member)
        if not self.members and not self.ended and self.task is not None:
            self.ended = True
            self._on_end(self)
            self.task.cancel()


class SubscriptionGroups:
    """All groups of one process."""

    def __init__(self) -> None:
        self._groups: dict[Hashable, SubscriptionGroup] = {}
        self._running: set[asyncio.Task[None]] = set()

    @property
    def member_count(self) -> int:
        return sum(len(group.members) for group in self._groups.values())

    async def join(self, key: Hashable, run: Callable[[SubscriptionGroup], Coroutine[Any, Any, None]]) -> GroupMember:
        """Become a member of the group with this key; return once the group watches for changes.

        `run` executes a new group's subscription.
        """
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = SubscriptionGroup(lambda ended: self._forget(key, ended))
            group.task = asyncio.create_task(run(group))
            self._running.add(group.task)
            group.task.add_done_callback(self._running.discard)
        member = GroupMember(group)
        group.members.add(member)
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await group.started.wait()
        except BaseException:
            member.leave()
            raise
        return member

    def _forget(self, key: Hashable, group: SubscriptionGroup) -> None:
        if self._groups.get(key) is group:
            del self._groups[key]


def group_actor(actor: Actor, *, same_for_all_shoppers: bool) -> Actor:
    """Return the actor whose rights a group executes under.

    It is an anonymous one where all shoppers see the same, so that they share a group.
    """
    if actor.works_here or not same_for_all_shoppers:
        return actor
    return Actor(role=Role.ANONYMOUS, channel_id=actor.channel_id)


def rights_of(actor: Actor) -> tuple[Hashable, ...]:
    """Return everything about an actor that decides what it may see."""
    return actor.role, actor.customer_id, actor.location_id, actor.channel_id, actor.scopes
