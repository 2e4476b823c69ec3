"""Batches: dividing journal entries into requests, and simulating a network that repeats and reorders them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

import msgspec

from uriba.till.journal import JournalEntry

EVENTS_MAX = 1_000
BYTES_MAX = 3_500_000
"""Limit for the events as JSON: below the hub's 4 MB, which leaves room for the rest of the request."""

encode = msgspec.json.Encoder().encode


def split_into_batches(
    entries: Sequence[JournalEntry], *, events_max: int = EVENTS_MAX, bytes_max: int = BYTES_MAX
) -> Iterator[list[JournalEntry]]:
    """Divide the entries, in their order, into batches.

    A batch ends when it is full, and where the epoch or the clock offset changes: a request states both only once.
    An event that is larger than the limit is a batch of its own.
    """
    batch: list[JournalEntry] = []
    batch_bytes = 0
    for entry in entries:
        event_bytes = len(encode(entry.event)) + 1
        full = len(batch) == events_max or batch_bytes + event_bytes > bytes_max
        if batch and (full or _epoch_and_offset(entry) != _epoch_and_offset(batch[0])):
            yield batch
            batch, batch_bytes = [], 0
        batch.append(entry)
        batch_bytes += event_bytes
    if batch:
        yield batch


def simulate_bad_network(
    entries: Sequence[JournalEntry], random: Random, *, duplicate: float = 0, shuffle: bool = False
) -> list[JournalEntry]:
    """Return the entries with the share `duplicate` of them repeated, and in random order if `shuffle` is set.

    Entries of one epoch and clock offset stay together, so that they still fill few batches.
    """
    sent = list(entries)
    for entry in entries:
        if random.random() < duplicate:
            sent.insert(random.randrange(len(sent) + 1), entry)
    if shuffle:
        random.shuffle(sent)
    return sorted(sent, key=_epoch_and_offset)


def _epoch_and_offset(entry: JournalEntry) -> tuple[int, float]:
    return entry.epoch, entry.clock_offset_s
