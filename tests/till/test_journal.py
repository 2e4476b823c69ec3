"""The journal: what was written survives whatever happens to the till."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from simulated import EPOCH, entry, make_till

from uriba.till import folder as folders
from uriba.till.errors import InUse, JournalDamaged, NotOpened
from uriba.till.events import Problem, Range, Status
from uriba.till.journal import Heard, Journal, Unsendable, Verdict, line_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def sequences(journal: Journal) -> list[int]:
    return [pending.event.sequence for pending in journal.pending]


def test_an_event_is_there_after_a_restart(path: Path) -> None:
    with Journal.begin(path, EPOCH) as journal:
        journal.write(entry(1), entry(2))

    again = Journal.read(path)

    assert (again.epoch, again.next_sequence, sequences(again)) == (EPOCH, 3, [1, 2])
    assert again.entries[EPOCH, 2] == entry(2)


@pytest.mark.parametrize("keep", [1, 20, -1])
def test_a_torn_last_line_is_cut_off(path: Path, keep: int) -> None:
    with Journal.begin(path, EPOCH) as journal:
        journal.write(entry(1))
    torn = line_of(entry(2))[:keep]
    with path.open("ab") as file:
        file.write(torn)

    with Journal.open(path) as journal:
        journal.write(entry(2, quantity=5))

    again = Journal.read(path)
    assert sequences(again) == [1, 2]
    assert again.entries[EPOCH, 2].event.lines[0].quantity == 5
    assert path.with_name("journal.torn").read_bytes() == torn


def test_zeros_at_the_end_are_cut_off(path: Path) -> None:
    """What a file system leaves after the power went."""
    with Journal.begin(path, EPOCH) as journal:
        journal.write(entry(1))
    with path.open("ab") as file:
        file.write(bytes(512))

    with Journal.open(path) as journal:
        assert journal.next_sequence == 2

    assert not Journal.read(path).torn


def test_refuses_a_journal_that_is_damaged_in_its_middle(path: Path) -> None:
    with Journal.begin(path, EPOCH) as journal:
        journal.write(entry(1), entry(2))
    path.write_bytes(path.read_bytes().replace(b'"e1"', b'"f1"'))

    with pytest.raises(JournalDamaged, match=r"Line 2 of .* is damaged"):
        Journal.open(path)


def test_says_where_a_journal_should_be(path: Path) -> None:
    with pytest.raises(NotOpened, match="begins a new epoch"):
        Journal.open(path)


def test_what_the_hub_has_is_not_pending(path: Path) -> None:
    with Journal.begin(path, EPOCH) as journal:
        journal.write(*[entry(n) for n in range(1, 8)])

        journal.write(
            Verdict(EPOCH, 5, Status.APPLIED),
            Verdict(EPOCH, 6, Status.PARKED, [Problem("NOT_FOUND", "There is no such SKU.")]),
            Unsendable(EPOCH, 7, "no date"),
            Heard(EPOCH, 2, [Range(3, 4)]),
        )

        assert sequences(journal) == [3, 4]
        assert [e.event.sequence for e, _ in journal.parked] == [6]


def test_what_the_hub_misses_is_pending_again(path: Path) -> None:
    """A hub that came back from a backup says so by its gaps."""
    with Journal.begin(path, EPOCH) as journal:
        journal.write(entry(1), entry(2), entry(3))
        journal.write(*[Verdict(EPOCH, n, Status.APPLIED) for n in (1, 2, 3)], Heard(EPOCH, 3))

        journal.write(Heard(EPOCH, 1, [Range(2, 2), Range(9, 9)]))

        assert sequences(journal) == [2]
        assert journal.lost == [(EPOCH, 9)]


def test_compaction_keeps_what_the_hub_does_not_have(path: Path) -> None:
    with Journal.begin(path, EPOCH) as journal:
        journal.write(*[entry(n) for n in range(1, 7)])
        journal.write(
            *[Verdict(EPOCH, n, Status.APPLIED) for n in (1, 2, 3)],
            Verdict(EPOCH, 4, Status.PARKED, [Problem("NOT_FOUND", "There is no such SKU.")]),
            Unsendable(EPOCH, 5, "no date"),
            Heard(EPOCH, 4),
        )

        journal.compact()
        journal.write(entry(7))

    again = Journal.read(path)
    assert [place[1] for place in again.entries] == [4, 5, 6, 7]
    assert (sequences(again), again.next_sequence, again.heard[EPOCH].acknowledged) == ([6, 7], 8, 4)
    assert [verdict.errors[0].code for _, verdict in again.parked] == ["NOT_FOUND"]


def test_a_sequence_is_never_used_again_after_compaction(path: Path) -> None:
    with Journal.begin(path, EPOCH) as journal:
        journal.write(entry(1), Verdict(EPOCH, 1, Status.APPLIED), Heard(EPOCH, 1))
        journal.compact()

    again = Journal.read(path)

    assert (again.entries, again.next_sequence) == ({}, 2)


def test_an_older_epochs_events_stay_pending_beside_a_new_one(path: Path) -> None:
    with Journal.begin(path, EPOCH) as journal:
        journal.write(entry(1), entry(2))
    with Journal.begin(path, EPOCH + 1) as journal:
        journal.write(entry(1, epoch=EPOCH + 1))
        journal.compact()

    again = Journal.read(path)

    assert (again.epoch, again.next_sequence) == (EPOCH + 1, 2)
    assert {e.place for e in again.pending} == {(EPOCH, 1), (EPOCH, 2), (EPOCH + 1, 1)}


def test_two_commands_never_write_at_once(tmp_path: Path) -> None:
    make_till(tmp_path)

    with folders.opened(tmp_path):
        with pytest.raises(InUse, match="Another command"):
            with folders.opened(tmp_path):
                pass

        assert folders.seen(tmp_path).journal.epoch == EPOCH


def test_every_printed_receipt_is_in_the_journal_of_a_killed_till(tmp_path: Path) -> None:
    make_till(tmp_path)
    selling = subprocess.Popen(
        [sys.executable, "-m", "uriba.till", "run", "--every", "0", "--sync-every", "0", "--folder", str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert selling.stdout is not None
    printed = [selling.stdout.readline() for _ in range(25)]
    selling.send_signal(signal.SIGKILL)
    printed += selling.stdout.readlines()
    selling.wait()

    with folders.opened(tmp_path) as till:
        kept = {e.event.sequence for e in till.journal.pending}
        following = till.journal.next_sequence

    assert kept == set(range(1, following))
    whole = [line for line in printed if line.endswith(b"\n")]
    assert following - 1 >= len(whole) >= 25
