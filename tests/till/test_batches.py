"""Batches: they keep the limits, and the simulated network faults lose nothing."""

from __future__ import annotations

from random import Random

from tests.support.till_folders import EPOCH, make_entry
from uriba.till.batches import BYTES_MAX, encode, simulate_bad_network, split_into_batches
from uriba.till.journal import JournalEntry


def sequences(batches: list[list[JournalEntry]]) -> list[list[int]]:
    return [[entry.event.sequence for entry in batch] for batch in batches]


def test_a_batch_has_at_most_a_thousand_events() -> None:
    batches = list(split_into_batches([make_entry(n) for n in range(1, 2_002)]))

    assert [len(batch) for batch in batches] == [1_000, 1_000, 1]


def test_a_batch_stays_below_the_hubs_limit_of_bytes() -> None:
    large = [make_entry(n, receipt="x" * 1_000_000) for n in range(1, 6)]

    batches = list(split_into_batches(large))

    assert sequences(batches) == [[1, 2, 3], [4, 5]]
    assert all(sum(len(encode(entry.event)) for entry in batch) < BYTES_MAX for batch in batches)


def test_an_event_above_the_limit_is_a_batch_of_its_own() -> None:
    batches = list(split_into_batches([make_entry(1), make_entry(2, receipt="x" * BYTES_MAX), make_entry(3)]))

    assert sequences(batches) == [[1], [2], [3]]


def test_a_batch_has_one_epoch_and_one_clock_offset() -> None:
    entries = [
        make_entry(1),
        make_entry(2, clock_offset_s=2400),
        make_entry(3, clock_offset_s=2400),
        make_entry(1, epoch=EPOCH + 1),
    ]

    assert sequences(list(split_into_batches(entries))) == [[1], [2, 3], [1]]


def test_duplicating_and_shuffling_lose_and_invent_nothing() -> None:
    entries = [make_entry(n) for n in range(1, 101)]

    sent = simulate_bad_network(entries, Random(1), duplicate=0.2, shuffle=True)

    assert {entry.key for entry in sent} == {entry.key for entry in entries}
    assert 110 < len(sent) < 130
    assert [entry.key for entry in sent] != sorted(entry.key for entry in sent)


def test_there_are_no_faults_by_default() -> None:
    entries = [make_entry(n) for n in range(1, 101)]

    assert simulate_bad_network(entries, Random(1)) == entries
