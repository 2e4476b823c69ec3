"""The live path: subscriptions wake when the feed grows, and read the newest state.

One reader per process follows the feed by position, woken by a hint or by its own clock. A subscriber keeps no backlog:
it is woken with the subjects that changed, and a slow one finds only the newest state.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import structlog

from uriba.core.actor import Actor
from uriba.db import Database, Row
from uriba.graphql.loaders import Loaders
from uriba.outbox import relay
from uriba.outbox.hints import KEYS, NUMBERED, Hints
from uriba.webhooks.feed_cache import READ_MAX, Tail

log = structlog.get_logger()

Match = Callable[[str], bool]


class Change(NamedTuple):
    """A subject, and the version that it has reached at least: the number of its events."""

    subject: str
    version: int


class Watch:
    """One subscriber's wishes: subjects that changed since it last looked, each once, in order of change."""

    def __init__(self, wanted: Match | None) -> None:
        self._wanted = wanted
        self._changed: dict[str, int] = {}
        self._woken = asyncio.Event()

    def tell(self, subject: str, version: int) -> None:
        if self._wanted is None or self._wanted(subject):
            self._changed[subject] = version
            self._woken.set()

    async def changes(self) -> AsyncIterator[Change]:
        """Subjects as they change, for ever. What the subscriber had seen before it was told may be among them."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            while self._changed:
                subject = next(iter(self._changed))
                yield Change(subject, self._changed.pop(subject))


class Live:
    """Follows the feed for all subscribers of this process."""

    def __init__(self, database: Database, hints: Hints, *, poll_s: float, keys_changed: Callable[[], None]) -> None:
        self._database = database
        self._hints = hints
        self._poll_s = poll_s
        self._keys_changed = keys_changed
        self._by_subject: dict[str, set[Watch]] = {}
        self._by_match: set[Watch] = set()
        self._look = asyncio.Event()
        self._position: int | None = None
        self._joining = asyncio.Lock()
        self._tail = Tail(database)
        self._readers: set[asyncio.Event] = set()
        self._shared: dict[Actor, Loaders] = {}
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def subscribers(self) -> int:
        """Who is told when the feed grows."""
        return len(self._by_match) + sum(len(watches) for watches in self._by_subject.values()) + self.readers

    @property
    def readers(self) -> int:
        """Who follows the feed itself."""
        return len(self._readers)

    def loaders(self, actor: Actor) -> Loaders:
        """Loaders for what is read because of the newest events, shared by all that read it under the same rights."""
        found = self._shared.get(actor)
        if found is None:
            found = self._shared[actor] = Loaders(self._database, actor)
        return found

    async def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._hints.follow({NUMBERED, KEYS}, self._hinted)),
            asyncio.create_task(self._follow()),
        ]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _hinted(self, channel: str) -> None:
        if channel == KEYS:
            self._keys_changed()
        self._look.set()

    @asynccontextmanager
    async def watch(self, *subjects: str) -> AsyncIterator[Watch]:
        """Be told of these subjects. Begin to watch before reading the present state: then nothing falls between."""
        watch = Watch(None)
        for subject in subjects:
            self._by_subject.setdefault(subject, set()).add(watch)
        try:
            await self._join()
            yield watch
        finally:
            for subject in subjects:
                self._by_subject[subject].discard(watch)
                if not self._by_subject[subject]:
                    del self._by_subject[subject]

    @asynccontextmanager
    async def watch_all(self, wanted: Match) -> AsyncIterator[Watch]:
        """Be told of every subject that matches."""
        watch = Watch(wanted)
        self._by_match.add(watch)
        try:
            await self._join()
            yield watch
        finally:
            self._by_match.discard(watch)

    async def _join(self) -> None:
        """The first subscriber has the feed followed from its end of now."""
        async with self._joining:
            if self._position is None:
                async with self._database.reading() as session:
                    self._position = await relay.end_of_feed(session)
                self._look.set()

    async def _follow(self) -> None:
        while True:
            try:
                await self._read()
            except Exception as error:
                log.warning("feed not read", error=str(error))
            try:
                async with asyncio.timeout(self._poll_s):
                    await self._look.wait()
            except TimeoutError:
                continue
            self._look.clear()

    async def _read(self) -> None:
        """Tell subscribers of all that is new in the feed; nobody reads it while there are none."""
        if not self.subscribers:
            self._position = None
            self._tail.let_go()
        if self._position is None:
            return
        while await self._tail.read_on():
            while rows := await self._tail.after(self._position, limit=READ_MAX):
                self._position = rows[-1]["position"]
                self._shared.clear()
                for row in rows:
                    self._tell(row)
            for woken in self._readers:
                woken.set()

    async def feed(self, position: int) -> AsyncGenerator[Sequence[Row], None]:
        """The feed after a position, for ever; most of it from memory, whoever many read it."""
        woken = asyncio.Event()
        self._readers.add(woken)
        try:
            await self._join()
            while True:
                woken.clear()
                while rows := await self._tail.after(position, limit=READ_MAX):
                    yield rows
                    position = rows[-1]["position"]
                await woken.wait()
        finally:
            self._readers.discard(woken)

    def _tell(self, row: Mapping[str, Any]) -> None:
        subject, version = row["subject"], row["version"]
        for followed in _followed(row):
            for watch in self._by_subject.get(followed, ()):
                watch.tell(subject, version)
        for watch in self._by_match:
            watch.tell(subject, version)


def _followed(row: Mapping[str, Any]) -> list[str]:
    """By following whom an event is heard: an order's are its cart's too, and so a guest follows the order."""
    subject: str = row["subject"]
    if not subject.startswith("Order:"):
        return [subject]
    cart = row["data"].get("cart")
    return [subject, f"Cart:{cart}"] if cart else [subject]
