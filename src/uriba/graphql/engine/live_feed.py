"""The live feed: notifies the subscriptions of a process of subjects that changed.

One reader per process follows the feed by position, woken by a hint or by its poll interval. A watch keeps no backlog:
a subscription that is slow finds each changed subject once, with its newest version.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

import structlog

from uriba.db import Database, Row
from uriba.outbox import relay
from uriba.outbox.feed_cache import READ_MAX, FeedCache
from uriba.outbox.hints import KEYS, NUMBERED, Hints

log = structlog.get_logger()

SubjectFilter = Callable[[str], bool]


def _do_nothing() -> None:
    pass


def _own_subject(row: Row) -> Iterable[str]:
    return (row["subject"],)


class Change(NamedTuple):
    """A subject that changed, and the version that it has reached at least: the number of its events."""

    subject: str
    version: int


class SubjectWatch:
    """The subjects that changed since the watcher last looked, each once, in order of change."""

    def __init__(self, matches: SubjectFilter | None) -> None:
        self._matches = matches
        self._changed: dict[str, int] = {}
        self._wake = asyncio.Event()

    def notify(self, subject: str, version: int) -> None:
        if self._matches is None or self._matches(subject):
            self._changed[subject] = version
            self._wake.set()

    async def changes(self) -> AsyncIterator[Change]:
        """Yield subjects as they change, without end; some may have changed before the watcher read them."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._changed:
                subject = next(iter(self._changed))
                yield Change(subject, self._changed.pop(subject))


class LiveFeed:
    """Follows the feed for all subscriptions of this process.

    `subjects_of`: the subjects whose watches an event notifies; by default its own subject only. `on_events` is called
    before watches are notified of new events, `on_keys_changed` for every hint that a key was revoked.
    """

    def __init__(
        self,
        database: Database,
        hints: Hints,
        *,
        poll_s: float,
        on_keys_changed: Callable[[], None] = _do_nothing,
        on_events: Callable[[], None] = _do_nothing,
        subjects_of: Callable[[Row], Iterable[str]] = _own_subject,
    ) -> None:
        self._database = database
        self._hints = hints
        self._poll_s = poll_s
        self._on_keys_changed = on_keys_changed
        self._on_events = on_events
        self._subjects_of = subjects_of
        self._by_subject: dict[str, set[SubjectWatch]] = {}
        self._by_filter: set[SubjectWatch] = set()
        self._readers: set[asyncio.Event] = set()
        self._wake = asyncio.Event()
        self._position: int | None = None
        self._starting = asyncio.Lock()
        self._cache = FeedCache(database)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def watcher_count(self) -> int:
        """Number of watches (one that watches several subjects counts for each) and of readers."""
        return len(self._by_filter) + sum(len(watches) for watches in self._by_subject.values()) + self.reader_count

    @property
    def reader_count(self) -> int:
        """Number of those who read the feed itself."""
        return len(self._readers)

    async def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._hints.follow({NUMBERED, KEYS}, self._on_hint)),
            asyncio.create_task(self._follow()),
        ]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _on_hint(self, channel: str) -> None:
        if channel == KEYS:
            self._on_keys_changed()
        self._wake.set()

    @asynccontextmanager
    async def watch(self, *subjects: str) -> AsyncIterator[SubjectWatch]:
        """Watch these subjects. Begin to watch before reading their present state, so that no change is missed."""
        watch = SubjectWatch(None)
        for subject in subjects:
            self._by_subject.setdefault(subject, set()).add(watch)
        try:
            await self._ensure_position()
            yield watch
        finally:
            for subject in subjects:
                self._by_subject[subject].discard(watch)
                if not self._by_subject[subject]:
                    del self._by_subject[subject]

    @asynccontextmanager
    async def watch_matching(self, matches: SubjectFilter) -> AsyncIterator[SubjectWatch]:
        """Watch every subject for which `matches` is true."""
        watch = SubjectWatch(matches)
        self._by_filter.add(watch)
        try:
            await self._ensure_position()
            yield watch
        finally:
            self._by_filter.discard(watch)

    async def read_from(self, position: int) -> AsyncGenerator[Sequence[Row], None]:
        """Yield the events after a position, in batches, without end; mostly from the cache that all readers share."""
        wake = asyncio.Event()
        self._readers.add(wake)
        try:
            await self._ensure_position()
            while True:
                wake.clear()
                while rows := await self._cache.after(position, limit=READ_MAX):
                    yield rows
                    position = rows[-1]["position"]
                await wake.wait()
        finally:
            self._readers.discard(wake)

    async def _ensure_position(self) -> None:
        """Have the first watcher set the position: the present end of the feed."""
        async with self._starting:
            if self._position is None:
                async with self._database.reading() as session:
                    self._position = await relay.end_of_feed(session)
                self._wake.set()

    async def _follow(self) -> None:
        while True:
            try:
                await self._read_new()
            except Exception as error:
                log.warning("feed not read", error=str(error))
            try:
                async with asyncio.timeout(self._poll_s):
                    await self._wake.wait()
            except TimeoutError:
                continue
            self._wake.clear()

    async def _read_new(self) -> None:
        """Notify of all new events; without watchers the feed is not read."""
        if not self.watcher_count:
            self._position = None
            self._cache.clear()
        if self._position is None:
            return
        while await self._cache.read_new():
            while rows := await self._cache.after(self._position, limit=READ_MAX):
                self._position = rows[-1]["position"]
                self._on_events()
                for row in rows:
                    self._notify(row)
            for wake in self._readers:
                wake.set()

    def _notify(self, row: Row) -> None:
        subject, version = row["subject"], row["version"]
        for watched in self._subjects_of(row):
            for watch in self._by_subject.get(watched, ()):
                watch.notify(subject, version)
        for watch in self._by_filter:
            watch.notify(subject, version)
