"""The journal: an append-only file in which the till records every event before it prints a receipt.

Each line is a CRC-32 checksum and a record as JSON. A record is on disk when `append` returns. A crash can leave the
last line incomplete (torn); no receipt was printed for it, so opening the journal removes that line. Compaction
rewrites the file without the records that the hub has made obsolete, and replaces the old file atomically.
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

from uriba.till import durable_files
from uriba.till.errors import JournalDamaged, TillNotOpened
from uriba.till.protocol import EventStatus, SequenceRange, TillEvent, UserError

OBSOLETE_RECORDS_MAX = 1_000
"""With more obsolete records than this, the journal is compacted after a sync."""

LISTED_PER_GAP_MAX = 1_000

EventKey = tuple[int, int]
"""Epoch and sequence."""

# The tags and field names of the records are the file format: existing journals must stay readable.


class EpochStarted(msgspec.Struct, frozen=True, tag="began", tag_field="record"):
    """The current epoch and its next sequence. The hub has acknowledged its events up to `acknowledged`."""

    epoch: int
    next_sequence: int = 1
    acknowledged: int = 0


class JournalEntry(msgspec.Struct, frozen=True, tag="event", tag_field="record"):
    """An event. `clock_offset_s` is how many seconds the till's clock was set ahead when it happened."""

    epoch: int
    clock_offset_s: float = msgspec.field(name="clock_s")
    event: TillEvent

    @property
    def key(self) -> EventKey:
        return self.epoch, self.event.sequence


class Verdict(msgspec.Struct, frozen=True, tag="verdict", tag_field="record", omit_defaults=True):
    """The hub's verdict on an event."""

    epoch: int
    sequence: int
    status: EventStatus
    errors: list[UserError] = []
    warnings: list[UserError] = []


class UnsendableEvent(msgspec.Struct, frozen=True, tag="unsendable", tag_field="record"):
    """An event that the hub cannot parse: a fault of this till's program. It is not sent again."""

    epoch: int
    sequence: int
    reason: str


class EpochProgress(msgspec.Struct, frozen=True, tag="heard", tag_field="record"):
    """The hub's last answer about an epoch: `acknowledged`, and the gaps in ascending order."""

    epoch: int
    acknowledged: int
    missing: list[SequenceRange] = []

    def is_missing(self, sequence: int) -> bool:
        """Return whether the sequence is in one of the gaps."""
        at = bisect_right(self.missing, sequence, key=lambda gap: gap.first) - 1
        return at >= 0 and sequence <= self.missing[at].last


Record = EpochStarted | JournalEntry | Verdict | UnsendableEvent | EpochProgress

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Record).decode


class Journal:
    """The records of a journal file, and the state that follows from them. Get one from `open` or `read`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None
        self._reset()

    def _reset(self) -> None:
        self.epoch = 0
        self.next_sequence = 1
        self.entries: dict[EventKey, JournalEntry] = {}
        self.verdicts: dict[EventKey, Verdict] = {}
        self.unsendable: dict[EventKey, UnsendableEvent] = {}
        self.progress: dict[int, EpochProgress] = {}
        self.torn_line = b""
        self._obsolete_records = 0

    @classmethod
    def start_epoch(cls, path: Path, epoch: int) -> Journal:
        """Open a journal with a new epoch. Create the file, or add the epoch to the existing one.

        Errors: `JournalDamaged`.
        """
        if not path.exists():
            durable_files.replace_file(path, encode_line(EpochStarted(epoch)))
            return cls.open(path)
        journal = cls.open(path)
        journal.append(EpochStarted(epoch))
        return journal

    @classmethod
    def read(cls, path: Path) -> Journal:
        """Read a journal without locking it; another process may be appending. Errors: `TillNotOpened`,
        `JournalDamaged`."""
        journal = cls(path)
        journal._load()
        return journal

    @classmethod
    def open(cls, path: Path) -> Journal:
        """Open a journal for appending; the caller holds the folder's lock.

        A torn last line is cut off and kept in the file `journal.torn`. Errors: `TillNotOpened`, `JournalDamaged`.
        """
        journal = cls.read(path)
        journal._descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
        if journal.torn_line:
            durable_files.replace_file(path.with_name("journal.torn"), journal.torn_line)
            os.ftruncate(journal._descriptor, path.stat().st_size - len(journal.torn_line))
            os.fsync(journal._descriptor)
        return journal

    def append(self, *records: Record) -> None:
        """Append the records in this order. They are on disk when this returns."""
        assert self._descriptor is not None
        durable_files.write_and_fsync(self._descriptor, b"".join(encode_line(record) for record in records))
        for record in records:
            self._apply(record)

    @property
    def pending(self) -> list[JournalEntry]:
        """The events that the hub does not have yet and that can be sent, oldest first."""
        return [
            entry for key, entry in self.entries.items() if not self.is_with_hub(key) and key not in self.unsendable
        ]

    @property
    def parked(self) -> list[tuple[JournalEntry, Verdict]]:
        """The events that the hub keeps but has not applied."""
        found = ((key, verdict) for key, verdict in self.verdicts.items() if verdict.status is EventStatus.PARKED)
        return [(self.entries[key], verdict) for key, verdict in found if key in self.entries]

    @property
    def lost_events(self) -> list[EventKey]:
        """The events that the hub reports as missing and this journal no longer has; at most 1,000 of each gap."""
        return [
            (progress.epoch, sequence)
            for progress in self.progress.values()
            for gap in progress.missing
            for sequence in range(gap.first, min(gap.last, gap.first + LISTED_PER_GAP_MAX - 1) + 1)
            if (progress.epoch, sequence) not in self.entries
        ]

    def is_with_hub(self, key: EventKey) -> bool:
        """Return whether the hub has the event: it is acknowledged or has a verdict, and the hub does not miss it."""
        epoch, sequence = key
        progress = self.progress.get(epoch)
        if progress is None:
            return key in self.verdicts
        if progress.is_missing(sequence):
            return False
        return sequence <= progress.acknowledged or key in self.verdicts

    def compact(self) -> None:
        """Rewrite the journal without obsolete records."""
        assert self._descriptor is not None
        content = b"".join(encode_line(record) for record in self._records_to_keep())
        durable_files.replace_file(self.path, content)
        self.close()
        self._reset()
        self._load()
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND)

    def compact_if_due(self) -> None:
        if self._obsolete_records > OBSOLETE_RECORDS_MAX:
            self.compact()

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _load(self) -> None:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            message = f"There is no journal at {self.path}. Run uriba till open: it starts a new epoch."
            raise TillNotOpened(message) from None
        complete = 0
        for record, end in decode_lines(content, self.path):
            self._apply(record)
            complete = end
        self.torn_line = content[complete:]

    def _apply(self, record: Record) -> None:
        match record:
            case EpochStarted(epoch, next_sequence, acknowledged):
                self.epoch, self.next_sequence = epoch, next_sequence
                self.progress[epoch] = EpochProgress(epoch, acknowledged)
            case JournalEntry():
                self.entries[record.key] = record
                if record.epoch == self.epoch:
                    self.next_sequence = max(self.next_sequence, record.event.sequence + 1)
            case Verdict():
                self.verdicts[record.epoch, record.sequence] = record
                self._obsolete_records += 1
            case UnsendableEvent():
                self.unsendable[record.epoch, record.sequence] = record
            case EpochProgress():
                self.progress[record.epoch] = record

    def _records_to_keep(self) -> Iterator[Record]:
        current = self.progress[self.epoch]
        yield from (progress for progress in self.progress.values() if progress is not current)
        yield from (EpochStarted(self.epoch, self.next_sequence, current.acknowledged), current)
        for key, entry in self.entries.items():
            verdict = self.verdicts.get(key)
            if verdict is not None and verdict.status is EventStatus.PARKED:
                yield from (entry, verdict)
            elif key in self.unsendable:
                yield from (entry, self.unsendable[key])
            elif not self.is_with_hub(key):
                yield entry


def encode_line(record: Record) -> bytes:
    content = _encode(record)
    return b"%08x %s\n" % (crc32(content), content)


def decode_lines(content: bytes, path: Path) -> Iterable[tuple[Record, int]]:
    """Yield each record with the position where its line ends. A torn last line is left out.

    Errors: `JournalDamaged` if a line other than the last one is incomplete or does not match its checksum.
    """
    end = 0
    lines = content.split(b"\n")
    for number, line in enumerate(lines, 1):
        end += len(line) + 1
        record = _decode_line(line) if end <= len(content) else None
        if record is not None:
            yield record, end
        elif any(later for later in lines[number:]):
            raise JournalDamaged(
                f"Line {number} of {path} is damaged, and other lines follow it. Keep a copy of the file, because it "
                "holds events. Then move it away and run uriba till open: it starts a new epoch."
            )


def _decode_line(line: bytes) -> Record | None:
    checksum, _, content = line.partition(b" ")
    if checksum != b"%08x" % crc32(content):
        return None
    try:
        record: Record = _decode(content)
    except msgspec.MsgspecError:
        return None
    return record
