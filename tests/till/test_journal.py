"""The journal: records survive crashes, kills and torn writes; damage is refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.till_folders import EPOCH, make_entry, make_till
from uriba.till import till_folder
from uriba.till.errors import JournalDamaged, TillInUse, TillNotOpened
from uriba.till.journal import EpochProgress, EpochStarted, Journal, UnsendableEvent, Verdict, encode_line
from uriba.till.protocol import EventStatus, SequenceRange, UserError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def sequences(journal: Journal) -> list[int]:
    return [entry.event.sequence for entry in journal.pending]


def test_an_event_is_still_there_after_a_restart(path: Path) -> None:
    with Journal.start_epoch(path, EPOCH) as journal:
        journal.append(make_entry(1), make_entry(2))

    reopened = Journal.read(path)

    assert (reopened.epoch, reopened.next_sequence, sequences(reopened)) == (EPOCH, 3, [1, 2])
    assert reopened.entries[EPOCH, 2] == make_entry(2)


@pytest.mark.parametrize("keep", [1, 20, -1])
def test_a_torn_last_line_is_cut_off(path: Path, keep: int) -> None:
    with Journal.start_epoch(path, EPOCH) as journal:
        journal.append(make_entry(1))
    torn_line = encode_line(make_entry(2))[:keep]
    with path.open("ab") as file:
        file.write(torn_line)

    with Journal.open(path) as journal:
        journal.append(make_entry(2, quantity=5))

    reopened = Journal.read(path)
    assert sequences(reopened) == [1, 2]
    assert reopened.entries[EPOCH, 2].event.lines[0].quantity == 5
    assert path.with_name("journal.torn").read_bytes() == torn_line


def test_zero_bytes_at_the_end_are_cut_off(path: Path) -> None:
    """Some file systems leave them after a power failure."""
    with Journal.start_epoch(path, EPOCH) as journal:
        journal.append(make_entry(1))
    with path.open("ab") as file:
        file.write(bytes(512))

    with Journal.open(path) as journal:
        assert journal.next_sequence == 2

    assert not Journal.read(path).torn_line


def test_a_journal_with_a_damaged_line_in_the_middle_is_refused(path: Path) -> None:
    with Journal.start_epoch(path, EPOCH) as journal:
        journal.append(make_entry(1), make_entry(2))
    path.write_bytes(path.read_bytes().replace(b'"e1"', b'"f1"'))

    with pytest.raises(JournalDamaged, match=r"Line 2 of .* is damaged"):
        Journal.open(path)


def test_opening_without_a_journal_says_how_to_start_one(path: Path) -> None:
    with pytest.raises(TillNotOpened, match="starts a new epoch"):
        Journal.open(path)


def test_events_that_the_hub_has_are_not_pending(path: Path) -> None:
    with Journal.start_epoch(path, EPOCH) as journal:
        journal.append(*[make_entry(n) for n in range(1, 8)])

        journal.append(
            Verdict(EPOCH, 5, EventStatus.APPLIED),
            Verdict(EPOCH, 6, EventStatus.PARKED, [UserError("NOT_FOUND", "There is no such SKU.")]),
            UnsendableEvent(EPOCH, 7, "no date"),
            EpochProgress(EPOCH, 2, [SequenceRange(3, 4)]),
        )

        assert sequences(journal) == [3, 4]
        assert [entry.event.sequence for entry, _ in journal.parked] == [6]


def test_an_event_that_the_hub_misses_is_pending_again(path: Path) -> None:
    """A hub that was restored from a backup reports gaps."""
    with Journal.start_epoch(path, EPOCH) as journal:
        journal.append(make_entry(1), make_entry(2), make_entry(3))
        journal.append(*[Verdict(EPOCH, n, EventStatus.APPLIED) for n in (1, 2, 3)], EpochProgress(EPOCH, 3))

        journal.append(EpochProgress(EPOCH, 1, [SequenceRange(2, 2), SequenceRange(9, 9)]))

        assert sequences(journal) == [2]
        assert journal.lost_events == [(EPOCH, 9)]


def test_the_file_format_has_not_changed(path: Path) -> None:
    """Journals of existing tills must stay readable."""
    event = (
        b'{"eventId":"e1","sequence":1,"type":"RECEIPT","occurredAt":"2026-05-04T03:00:01Z",'
        b'"lines":[{"sku":"TEA","quantity":1}]}'
    )
    path.write_bytes(
        b'4e55ba86 {"record":"began","epoch":7,"next_sequence":1,"acknowledged":0}\n'
        b'58e62533 {"record":"event","epoch":7,"clock_s":0,"event":' + event + b"}\n"
        b'b18145ae {"record":"verdict","epoch":7,"sequence":1,"status":"APPLIED"}\n'
        b'3cd3baa9 {"record":"heard","epoch":7,"acknowledged":1,"missing":[]}\n'
    )

    with Journal.open(path) as journal:
        assert journal.entries == {(EPOCH, 1): make_entry(1)}
        assert (journal.next_sequence, journal.progress[EPOCH].acknowledged) == (2, 1)
        assert path.read_bytes() == b"".join(
            encode_line(record)
            for record in (
                EpochStarted(EPOCH),
                make_entry(1),
                Verdict(EPOCH, 1, EventStatus.APPLIED),
                EpochProgress(EPOCH, 1),
            )
        )


def test_compaction_keeps_what_the_hub_does_not_have(path: Path) -> None:
    with Journal.start_epoch(path, EPOCH) as journal:
        journal.append(*[make_entry(n) for n in range(1, 7)])
        journal.append(
            *[Verdict(EPOCH, n, EventStatus.APPLIED) for n in (1, 2, 3)],
            Verdict(EPOCH, 4, EventStatus.PARKED, [UserError("NOT_FOUND", "There is no such SKU.")]),
            UnsendableEvent(EPOCH, 5, "no date"),
            EpochProgress(EPOCH, 4),
        )

        journal.compact()
        journal.append(make_entry(7))

    reopened = Journal.read(path)
    assert [sequence for _, sequence in reopened.entries] == [4, 5, 6, 7]
    assert (sequences(reopened), reopened.next_sequence, reopened.progress[EPOCH].acknowledged) == ([6, 7], 8, 4)
    assert [verdict.errors[0].code for _, verdict in reopened.parked] == ["NOT_FOUND"]


def test_a_sequence_is_never_used_again_after_compaction(path: Path) -> None:
    with Journal.start_epoch(path, EPOCH) as journal:
        journal.append(make_entry(1), Verdict(EPOCH, 1, EventStatus.APPLIED), EpochProgress(EPOCH, 1))
        journal.compact()

    reopened = Journal.read(path)

    assert (reopened.entries, reopened.next_sequence) == ({}, 2)


def test_an_older_epochs_events_stay_pending_after_a_new_epoch_starts(path: Path) -> None:
    with Journal.start_epoch(path, EPOCH) as journal:
        journal.append(make_entry(1), make_entry(2))
    with Journal.start_epoch(path, EPOCH + 1) as journal:
        journal.append(make_entry(1, epoch=EPOCH + 1))
        journal.compact()

    reopened = Journal.read(path)

    assert (reopened.epoch, reopened.next_sequence) == (EPOCH + 1, 2)
    assert {entry.key for entry in reopened.pending} == {(EPOCH, 1), (EPOCH, 2), (EPOCH + 1, 1)}


def test_a_second_command_is_refused_while_one_is_running(tmp_path: Path) -> None:
    make_till(tmp_path)

    with till_folder.open_till(tmp_path):
        with pytest.raises(TillInUse, match="Another command"):
            with till_folder.open_till(tmp_path):
                pass

        assert till_folder.read_till(tmp_path).journal.epoch == EPOCH


@pytest.mark.engines
def test_every_printed_receipt_is_in_the_journal_of_a_killed_till(tmp_path: Path) -> None:
    make_till(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-m", "uriba.till", "run", "--every", "0", "--sync-every", "0", "--folder", str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    printed = [process.stdout.readline() for _ in range(25)]
    process.send_signal(signal.SIGKILL)
    printed += process.stdout.readlines()
    process.wait()

    with till_folder.open_till(tmp_path) as till:
        recorded = {entry.event.sequence for entry in till.journal.pending}
        next_sequence = till.journal.next_sequence

    assert recorded == set(range(1, next_sequence))
    complete_lines = [line for line in printed if line.endswith(b"\n")]
    assert next_sequence - 1 >= len(complete_lines) >= 25
