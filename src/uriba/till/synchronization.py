"""Synchronization with the hub: sending pending events (posSync), then pulling the local catalog (posPull)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from uriba.till import clock
from uriba.till.batches import BYTES_MAX, EVENTS_MAX, encode, simulate_bad_network, split_into_batches
from uriba.till.errors import BatchTooLarge, MalformedEvent, ProtocolError
from uriba.till.hub_client import HubClient
from uriba.till.journal import EpochProgress, EventKey, Journal, JournalEntry, Record, UnsendableEvent, Verdict
from uriba.till.protocol import EventStatus, SyncAnswer
from uriba.till.till_folder import Till

PAGE_SIZE = 500
UNSAVED_PAGES_MAX = 20
"""After a crash, at most this many pages are pulled again."""

PARKED_RESENT_MAX = 1_000
"""How many parked events one sync sends again to ask for their verdict."""


@dataclass(frozen=True, slots=True)
class SendOptions:
    """How to send: the batch size, and faults of the network to simulate. None of them may change stock levels.

    `duplicate` is the share of events to send twice; `seed` makes the faults repeatable.
    """

    duplicate: float = 0
    shuffle: bool = False
    batch_size: int = EVENTS_MAX
    seed: int | None = None


@dataclass(slots=True)
class SyncReport:
    """The results of one sync. `warnings` counts each message."""

    batches: int = 0
    statuses: dict[EventStatus, int] = field(default_factory=dict)
    unsendable: int = 0
    shortages: int = 0
    warnings: dict[str, int] = field(default_factory=dict)

    def add(self, answer: SyncAnswer) -> None:
        self.batches += 1
        self.shortages += answer.shortages
        for result in answer.results:
            self.statuses[result.status] = self.statuses.get(result.status, 0) + 1
            for warning in result.warnings:
                self.warnings[warning.message] = self.warnings.get(warning.message, 0) + 1


def sync(till: Till, hub: HubClient, options: SendOptions = SendOptions()) -> SyncReport:
    """Send all pending events, and send parked events again because staff may have settled them.

    Errors: those of `HubClient.sync`; the answers received before the error are in the journal.
    """
    report = SyncReport()
    parked = [entry for entry, _ in till.journal.parked][:PARKED_RESENT_MAX]
    entries = simulate_bad_network(
        [*till.journal.pending, *parked],
        Random(options.seed),  # noqa: S311
        duplicate=options.duplicate,
        shuffle=options.shuffle,
    )
    for batch in split_into_batches(entries, events_max=options.batch_size, bytes_max=BYTES_MAX):
        _send_batch(till, hub, batch, report)
    till.journal.compact_if_due()
    return report


def _send_batch(till: Till, hub: HubClient, batch: list[JournalEntry], report: SyncReport) -> None:
    """Send a batch: in halves if it is too large, and without the events that the hub cannot parse."""
    to_send = [batch]
    while to_send:
        part = to_send.pop()
        try:
            answer = _send(till, hub, part)
        except BatchTooLarge as error:
            if len(part) == 1:
                _mark_unsendable(till, part[0], str(error), report)
            else:
                middle = len(part) // 2
                to_send += [part[middle:], part[:middle]]
        except MalformedEvent as error:
            if error.index >= len(part):
                raise
            malformed = part[error.index]
            _mark_unsendable(till, malformed, str(error), report)
            if rest := [entry for entry in part if entry.key != malformed.key]:
                to_send.append(rest)
        else:
            till.journal.append(*_records_of(till.journal, part, answer))
            report.add(answer)


def _send(till: Till, hub: HubClient, batch: Sequence[JournalEntry]) -> SyncAnswer:
    """Send the events of one clock offset. `sentAt` has that offset too, also if the clock was set since."""
    offset = timedelta(seconds=batch[0].clock_offset_s)
    events = [encode(entry.event) for entry in batch]
    return hub.sync(events, epoch=batch[0].epoch, clock=lambda: clock.now() + offset)


def _records_of(journal: Journal, batch: Sequence[JournalEntry], answer: SyncAnswer) -> list[Record]:
    """Return the journal records of an answer. If an event was in the batch twice, PARKED wins over other verdicts."""
    verdicts: dict[EventKey, Verdict] = {}
    for entry, result in zip(batch, answer.results, strict=True):
        known = verdicts.get(entry.key)
        if known is None or (known.status is not EventStatus.PARKED and result.status is EventStatus.PARKED):
            verdicts[entry.key] = Verdict(*entry.key, result.status, result.errors, result.warnings)
    missing = sorted(answer.missing, key=lambda gap: gap.first)
    return [*verdicts.values(), EpochProgress(batch[0].epoch, answer.acknowledged, missing)]


def _mark_unsendable(till: Till, entry: JournalEntry, reason: str, report: SyncReport) -> None:
    till.journal.append(UnsendableEvent(*entry.key, reason))
    report.unsendable += 1


def pull(till: Till, hub: HubClient) -> int:
    """Pull what has changed, and return the number of entries. If the hub rejects the cursor, pull everything.

    Errors: those of `HubClient.pull`; the pages received before the error are saved.
    """
    try:
        return _pull_pages(till, hub)
    except ProtocolError:
        if till.catalog.state.cursor is None:
            raise
        till.catalog.clear()
        return _pull_pages(till, hub)


def _pull_pages(till: Till, hub: HubClient) -> int:
    entries = pages = 0
    try:
        while True:
            page = hub.pull(till.catalog.state.cursor, first=PAGE_SIZE)
            till.catalog.apply_page(page, clock.now())
            entries, pages = entries + len(page.entries), pages + 1
            if not page.more:
                return entries
            if pages % UNSAVED_PAGES_MAX == 0:
                till.catalog.save()
    finally:
        if pages:
            till.catalog.save()
