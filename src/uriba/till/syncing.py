"""Syncing: everything that is pending goes to the hub, until the hub has it; then what the hub knows comes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from uriba.core import clock
from uriba.till.batches import BYTES_MAX, EVENTS_MAX, batches, disturbed, encode
from uriba.till.errors import EventMalformed, NotUnderstood, TooLarge
from uriba.till.events import Range, Result, Status, Synced
from uriba.till.folder import Till
from uriba.till.hub import Hub
from uriba.till.journal import Entry, Heard, Journal, Record, Unsendable, Verdict

PAGE_SIZE = 500
PAGES_UNSAVED_MAX = 20
"""Pages that a crash makes the till pull again."""

PARKED_ASKED_MAX = 1_000
"""Parked events that one sync asks about again."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What the network is to do to a delivery, for trying out: nothing of it may change where levels end."""

    duplicate: float = 0
    shuffle: bool = False
    batch_size: int = EVENTS_MAX
    seed: int | None = None


@dataclass(slots=True)
class Report:
    """What one sync came to."""

    batches: int = 0
    statuses: dict[Status, int] = field(default_factory=dict)
    unsendable: int = 0
    shortages: int = 0
    warnings: dict[str, int] = field(default_factory=dict)

    def add(self, results: Sequence[Result], shortages: int) -> None:
        self.batches += 1
        self.shortages += shortages
        for result in results:
            self.statuses[result.status] = self.statuses.get(result.status, 0) + 1
            for warning in result.warnings:
                self.warnings[warning.message] = self.warnings.get(warning.message, 0) + 1


def sync(till: Till, hub: Hub, disturbance: Disturbance = Disturbance()) -> Report:
    """Send all that is pending, and ask about what is parked: people may have mended it.

    Errors: those of `Hub.sync`; what the hub had answered until then is written down.
    """
    report = Report()
    dice = Random(disturbance.seed)  # noqa: S311
    asked = [entry for entry, _ in till.journal.parked][:PARKED_ASKED_MAX]
    entries = [*till.journal.pending, *asked]
    disordered = disturbed(entries, dice, duplicate=disturbance.duplicate, shuffle=disturbance.shuffle)
    for batch in batches(disordered, events_max=disturbance.batch_size, bytes_max=BYTES_MAX):
        _deliver(till, hub, batch, report)
    till.journal.compact_if_worthwhile()
    return report


def _deliver(till: Till, hub: Hub, batch: list[Entry], report: Report) -> None:
    """Send a batch, in parts where it is too large, without what cannot be read."""
    waiting = [batch]
    while waiting:
        part = waiting.pop()
        try:
            answer = _send(till, hub, part)
        except TooLarge as error:
            if len(part) == 1:
                _set_aside(till, part[0], str(error), report)
            else:
                middle = len(part) // 2
                waiting += [part[middle:], part[:middle]]
        except EventMalformed as error:
            if error.index >= len(part):
                raise
            bad = part[error.index]
            _set_aside(till, bad, str(error), report)
            if rest := [entry for entry in part if entry.place != bad.place]:
                waiting.append(rest)
        else:
            till.journal.write(*_records(till.journal, part, answer))
            report.add(answer.results, answer.shortages)


def _send(till: Till, hub: Hub, batch: Sequence[Entry]) -> Synced:
    """`sentAt` is said by the same clock as the batch's events: where the clock was set since, by what it was then."""
    ahead = timedelta(seconds=batch[0].clock_s)
    events = [encode(entry.event) for entry in batch]
    return hub.sync(events, epoch=batch[0].epoch, clock=lambda: clock.now() + ahead)


def _records(journal: Journal, batch: Sequence[Entry], answer: Synced) -> list[Record]:
    """What to write down of an answer. Of an event that was in the batch twice, what asks for attention counts."""
    found: dict[tuple[int, int], Verdict] = {}
    for entry, result in zip(batch, answer.results, strict=True):
        known = found.get(entry.place)
        if known is None or (known.status is not Status.PARKED and result.status is Status.PARKED):
            found[entry.place] = Verdict(*entry.place, result.status, result.errors, result.warnings)
    epoch = batch[0].epoch
    missing: list[Range] = sorted(answer.missing, key=lambda gap: gap.first)
    return [*found.values(), Heard(epoch, answer.acknowledged, missing)]


def _set_aside(till: Till, entry: Entry, reason: str, report: Report) -> None:
    till.journal.write(Unsendable(*entry.place, reason))
    report.unsendable += 1


def pull(till: Till, hub: Hub) -> int:
    """Take in what has changed; how many entries came. A cursor that the hub does not know any more begins anew.

    Errors: as `Hub.pull`; what came before is kept.
    """
    try:
        return _pull(till, hub)
    except NotUnderstood:
        if till.shelf.kept.cursor is None:
            raise
        till.shelf.forget()
        return _pull(till, hub)


def _pull(till: Till, hub: Hub) -> int:
    taken = pages = 0
    try:
        while True:
            page = hub.pull(till.shelf.kept.cursor, first=PAGE_SIZE)
            till.shelf.take(page, clock.now())
            taken, pages = taken + len(page.entries), pages + 1
            if not page.more:
                return taken
            if pages % PAGES_UNSAVED_MAX == 0:
                till.shelf.save()
    finally:
        if pages:
            till.shelf.save()
