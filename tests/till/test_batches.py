"""Batches: bounded, of one epoch and one clock, and disturbed only as asked."""

from __future__ import annotations

from random import Random

from simulated import EPOCH, entry

from uriba.till.batches import BYTES_MAX, batches, disturbed, encode
from uriba.till.journal import Entry


def sequences(found: list[list[Entry]]) -> list[list[int]]:
    return [[e.event.sequence for e in batch] for batch in found]


def test_a_batch_has_a_thousand_events_at_most() -> None:
    found = list(batches([entry(n) for n in range(1, 2_002)]))

    assert [len(batch) for batch in found] == [1_000, 1_000, 1]


def test_a_batch_stays_below_the_hubs_limit_of_bytes() -> None:
    large = [entry(n, receipt="x" * 1_000_000) for n in range(1, 6)]

    found = list(batches(large))

    assert sequences(found) == [[1, 2, 3], [4, 5]]
    assert all(sum(len(encode(e.event)) for e in batch) < BYTES_MAX for batch in found)


def test_an_event_that_is_too_large_by_itself_goes_alone() -> None:
    found = list(batches([entry(1), entry(2, receipt="x" * BYTES_MAX), entry(3)]))

    assert sequences(found) == [[1], [2], [3]]


def test_a_batch_has_one_epoch_and_one_setting_of_the_clock() -> None:
    entries = [entry(1), entry(2, clock_s=2400), entry(3, clock_s=2400), entry(1, epoch=EPOCH + 1)]

    assert sequences(list(batches(entries))) == [[1], [2, 3], [1]]


def test_shuffling_loses_nothing_and_invents_nothing() -> None:
    entries = [entry(n) for n in range(1, 101)]

    sent = disturbed(entries, Random(1), duplicate=0.2, shuffle=True)

    assert {e.place for e in sent} == {e.place for e in entries}
    assert 110 < len(sent) < 130
    assert [e.place for e in sent] != sorted(e.place for e in sent)


def test_nothing_is_disturbed_unless_asked() -> None:
    entries = [entry(n) for n in range(1, 101)]

    assert disturbed(entries, Random(1)) == entries
