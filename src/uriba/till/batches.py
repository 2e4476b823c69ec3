"""Batches: how pending events are put together for sending. Pure, but for the dice of shuffling."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

import msgspec

from uriba.till.journal import Entry

EVENTS_MAX = 1_000
BYTES_MAX = 3_500_000
"""Of the events as JSON: below the 4 MB that the hub takes, with room for the rest of the request."""

encode = msgspec.json.Encoder().encode


def batches(
    entries: Sequence[Entry], *, events_max: int = EVENTS_MAX, bytes_max: int = BYTES_MAX
) -> Iterator[list[Entry]]:
    """The entries in their order, cut where a batch is full, or where the epoch or the setting of the clock changes:
    both are said once for a batch. An event that is too large by itself goes alone.
    """
    batch: list[Entry] = []
    size = 0
    for entry in entries:
        more = len(encode(entry.event)) + 1
        full = len(batch) == events_max or size + more > bytes_max
        if batch and (full or _setting(entry) != _setting(batch[0])):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += more
    if batch:
        yield batch


def disturbed(entries: Sequence[Entry], dice: Random, *, duplicate: float = 0, shuffle: bool = False) -> list[Entry]:
    """The entries as a bad network would deliver them: some twice, all in any order. Batches stay few: the entries of
    one epoch and setting of the clock stay together.
    """
    sent = list(entries)
    for entry in entries:
        if dice.random() < duplicate:
            sent.insert(dice.randrange(len(sent) + 1), entry)
    if shuffle:
        dice.shuffle(sent)
    return sorted(sent, key=_setting)


def _setting(entry: Entry) -> tuple[int, float]:
    return entry.epoch, entry.clock_s
