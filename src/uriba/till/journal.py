"""The journal: what happened at this till, on disk before anybody gets a receipt.

A file of lines, only ever added to. A line is a checksum and a record; a record is on disk when `write` returns. A
crash can leave the last line torn: its event was never printed, so it never happened, and the line is cut off.
Compaction writes the file anew without what the hub has, and puts it in the old one's place.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self
from zlib import crc32

import msgspec

from uriba.till import disk
from uriba.till.errors import JournalDamaged, NotOpened
from uriba.till.events import Event, Problem, Range, Status

FORGETTABLE_MAX = 1_000
"""Records that the hub has made superfluous, before the journal is written anew."""


class Began(msgspec.Struct, frozen=True, tag="began", tag_field="record"):
    """An epoch, from `next_sequence` on; everything of it up to `acknowledged` is safe with the hub."""

    epoch: int
    next_sequence: int = 1
    acknowledged: int = 0


class Entry(msgspec.Struct, frozen=True, tag="event", tag_field="record"):
    """An event; `clock_s`: how far the till's clock had been set ahead when it happened."""

    epoch: int
    clock_s: float
    event: Event

    @property
    def place(self) -> Place:
        return self.epoch, self.event.sequence


class Verdict(msgspec.Struct, frozen=True, tag="verdict", tag_field="record", omit_defaults=True):
    """What the hub made of an event."""

    epoch: int
    sequence: int
    status: Status
    errors: list[Problem] = []
    warnings: list[Problem] = []


class Unsendable(msgspec.Struct, frozen=True, tag="unsendable", tag_field="record"):
    """An event that no hub can read: a fault of this till, for people to mend."""

    epoch: int
    sequence: int
    reason: str


class Heard(msgspec.Struct, frozen=True, tag="heard", tag_field="record"):
    """How far the hub says it has an epoch."""

    epoch: int
    acknowledged: int
    missing: list[Range] = []

    def misses(self, sequence: int) -> bool:
        """Whether it is in a gap; gaps are in order."""
        at = bisect_right(self.missing, sequence, key=lambda gap: gap.first) - 1
        return at >= 0 and sequence <= self.missing[at].last


Record = Began | Entry | Verdict | Unsendable | Heard
Place = tuple[int, int]
"""Epoch and sequence."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Record).decode


class Journal:
    """All records that are not forgotten yet, and what follows from them. Open it with `Journal.open`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None
        self._forget()

    def _forget(self) -> None:
        self.epoch = 0
        self.next_sequence = 1
        self.entries: dict[Place, Entry] = {}
        self.verdicts: dict[Place, Verdict] = {}
        self.unsendable: dict[Place, Unsendable] = {}
        self.heard: dict[int, Heard] = {}
        self.torn = b""
        self._superfluous = 0

    @classmethod
    def begin(cls, path: Path, epoch: int) -> Journal:
        """A journal with a new epoch; where there is one already, the epoch is added. Errors: `JournalDamaged`."""
        if not path.exists():
            disk.replace(path, line_of(Began(epoch)))
            return cls.open(path)
        journal = cls.open(path)
        journal.write(Began(epoch))
        return journal

    @classmethod
    def read(cls, path: Path) -> Journal:
        """Look at a journal, whoever is writing it. Errors: `NotOpened`, `JournalDamaged`."""
        journal = cls(path)
        journal._load()
        return journal

    @classmethod
    def open(cls, path: Path) -> Journal:
        """Write in a journal; the caller is alone in the folder. A torn last line is cut off, into `journal.torn`.

        Errors: `NotOpened`, `JournalDamaged`.
        """
        journal = cls.read(path)
        journal._file = os.open(path, os.O_RDWR | os.O_APPEND)
        if journal.torn:
            disk.replace(path.with_name("journal.torn"), journal.torn)
            os.ftruncate(journal._file, path.stat().st_size - len(journal.torn))
            os.fsync(journal._file)
        return journal

    def write(self, *records: Record) -> None:
        """Have the records on disk, in this order, before anything else happens."""
        assert self._file is not None
        disk.write(self._file, b"".join(line_of(record) for record in records))
        for record in records:
            self._apply(record)

    @property
    def pending(self) -> list[Entry]:
        """What the hub has not said anything about yet, oldest first."""
        return [e for place, e in self.entries.items() if not self.is_safe(place) and place not in self.unsendable]

    @property
    def parked(self) -> list[tuple[Entry, Verdict]]:
        """What the hub has kept, but not applied."""
        found = ((place, verdict) for place, verdict in self.verdicts.items() if verdict.status is Status.PARKED)
        return [(self.entries[place], verdict) for place, verdict in found if place in self.entries]

    @property
    def lost(self) -> list[Place]:
        """Places that the hub misses and that this journal no longer has: of each gap, the first thousand."""
        return [
            (heard.epoch, sequence)
            for heard in self.heard.values()
            for gap in heard.missing
            for sequence in range(gap.first, min(gap.last, gap.first + 999) + 1)
            if (heard.epoch, sequence) not in self.entries
        ]

    def is_safe(self, place: Place) -> bool:
        """Whether the hub has it: by its own verdict, or because it acknowledged everything up to there."""
        epoch, sequence = place
        heard = self.heard.get(epoch)
        if heard is None:
            return place in self.verdicts
        if heard.misses(sequence):
            return False
        return sequence <= heard.acknowledged or place in self.verdicts

    def compact(self) -> None:
        """Write the journal anew, without what the hub has."""
        assert self._file is not None
        disk.replace(self.path, b"".join(line_of(record) for record in self._kept()))
        self.close()
        self._forget()
        self._load()
        self._file = os.open(self.path, os.O_RDWR | os.O_APPEND)

    def compact_if_worthwhile(self) -> None:
        if self._superfluous > FORGETTABLE_MAX:
            self.compact()

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _load(self) -> None:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            sentence = f"There is no journal at {self.path}. Open the till (uriba till open): it begins a new epoch."
            raise NotOpened(sentence) from None
        whole = 0
        for record, end in read_lines(content, self.path):
            self._apply(record)
            whole = end
        self.torn = content[whole:]

    def _apply(self, record: Record) -> None:
        match record:
            case Began(epoch, next_sequence, acknowledged):
                self.epoch, self.next_sequence = epoch, next_sequence
                self.heard[epoch] = Heard(epoch, acknowledged)
            case Entry():
                self.entries[record.place] = record
                if record.epoch == self.epoch:
                    self.next_sequence = max(self.next_sequence, record.event.sequence + 1)
            case Verdict():
                self.verdicts[record.epoch, record.sequence] = record
                self._superfluous += 1
            case Unsendable():
                self.unsendable[record.epoch, record.sequence] = record
            case Heard():
                self.heard[record.epoch] = record

    def _kept(self) -> Iterator[Record]:
        now = self.heard[self.epoch]
        yield from (heard for heard in self.heard.values() if heard is not now)
        yield from (Began(self.epoch, self.next_sequence, now.acknowledged), now)
        for place, entry in self.entries.items():
            verdict = self.verdicts.get(place)
            if verdict is not None and verdict.status is Status.PARKED:
                yield from (entry, verdict)
            elif place in self.unsendable:
                yield from (entry, self.unsendable[place])
            elif not self.is_safe(place):
                yield entry


def line_of(record: Record) -> bytes:
    content = _encode(record)
    return b"%08x %s\n" % (crc32(content), content)


def read_lines(content: bytes, path: Path) -> Iterable[tuple[Record, int]]:
    """The records of a file, each with where its line ends; a torn last line is left out.

    Errors: `JournalDamaged` where a line before the last is not whole.
    """
    end = 0
    lines = content.split(b"\n")
    for number, line in enumerate(lines, 1):
        end += len(line) + 1
        record = _record(line) if end <= len(content) else None
        if record is not None:
            yield record, end
        elif any(later for later in lines[number:]):
            raise JournalDamaged(
                f"Line {number} of {path} is damaged, and lines follow it. Keep a copy of the file for its events, "
                "move it away, and open the till again: it begins a new epoch."
            )


def _record(line: bytes) -> Record | None:
    checksum, _, content = line.partition(b" ")
    if checksum != b"%08x" % crc32(content):
        return None
    try:
        record: Record = _decode(content)
    except msgspec.MsgspecError:
        return None
    return record
