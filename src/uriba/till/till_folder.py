"""A till's folder: its settings, its journal and its local catalog."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import msgspec

from uriba.till import clock, durable_files
from uriba.till.errors import TillError, TillNotOpened
from uriba.till.hub_client import HubClient
from uriba.till.journal import Journal, JournalEntry
from uriba.till.local_catalog import LocalCatalog
from uriba.till.protocol import EventLine, EventType, Tender, TillEvent

EPOCHS_START_AT = datetime(2020, 1, 1, tzinfo=UTC)
EPOCH_ATTEMPTS_MAX = 100

# The names of the files, as existing folders have them.
SETTINGS_FILE = "till.json"
JOURNAL_FILE = "journal"
CATALOG_FILE = "shelf.json"


class TillSettings(msgspec.Struct, frozen=True):
    """The hub's address, the terminal's key, and how the till is set.

    `clock_offset_s` is how many seconds the till's clock is ahead of this machine's.
    """

    url: str
    key: str
    offline: bool = False
    clock_offset_s: float = msgspec.field(default=0, name="clock_s")


class Till:
    """An opened till. Get one from `open_till`, or from `read_till` to look at it only."""

    def __init__(self, folder: Path, journal: Journal) -> None:
        self.folder = folder
        self.journal = journal
        self.settings = read_settings(folder)
        self.catalog = LocalCatalog(folder / CATALOG_FILE)

    def now(self) -> datetime:
        """Return the time of the till's own clock, which may be wrong."""
        return clock.now() + timedelta(seconds=self.settings.clock_offset_s)

    def change_settings(self, **changes: object) -> None:
        self.settings = msgspec.structs.replace(self.settings, **changes)
        write_settings(self.folder, self.settings)

    def record(
        self,
        event_type: EventType,
        lines: tuple[EventLine, ...],
        *,
        tenders: tuple[Tender, ...] | None = None,
        original_receipt: str | None = None,
        loyalty_card: str | None = None,
        cart_id: str | None = None,
    ) -> TillEvent:
        """Record an event in the journal. A receipt may be printed only after this returns."""
        sequence = self.journal.next_sequence
        has_receipt = event_type in (EventType.SALE, EventType.RETURN)
        event = TillEvent(
            event_id=str(uuid4()),
            sequence=sequence,
            type=event_type,
            occurred_at=self.now(),
            lines=lines,
            receipt=f"{self.journal.epoch}-{sequence}" if has_receipt else None,
            original_receipt=original_receipt,
            tenders=tenders,
            loyalty_card=loyalty_card,
            cart_id=cart_id,
        )
        self.journal.append(JournalEntry(self.journal.epoch, self.settings.clock_offset_s, event))
        return event

    def hub_client(self) -> HubClient:
        """Return a client of the till's hub. Errors: `TillError` while the till is switched offline."""
        if self.settings.offline:
            raise TillError("This till is switched offline. Run uriba till online first.")
        return HubClient(self.settings.url, self.settings.key)


def create_till(folder: Path, *, url: str, key: str) -> Journal:
    """Set up a till in a folder, or change the hub's address of an existing one.

    Without a journal, or with another key, a new epoch starts, after a check with the hub that it is unused. Errors:
    `TillError` if another key would leave unsent events behind, and those of `HubClient.sync`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with durable_files.locked_folder(folder):
        journal_path = folder / JOURNAL_FILE
        known = read_settings(folder) if (folder / SETTINGS_FILE).exists() else None
        same_terminal = journal_path.exists() and known is not None and known.key == key
        if not same_terminal:
            _refuse_if_pending(journal_path)
            with closing(HubClient(url, key)) as hub, Journal.start_epoch(journal_path, find_unused_epoch(hub)):
                (folder / CATALOG_FILE).unlink(missing_ok=True)
        settings = msgspec.structs.replace(known, url=url, key=key) if known else TillSettings(url, key)
        write_settings(folder, settings)
        return Journal.read(journal_path)


def find_unused_epoch(hub: HubClient) -> int:
    """Return an epoch that this terminal has never used, made from the current time.

    The clock of a till without its journal may be wrong, so an empty batch asks the hub whether the epoch is unused.
    """
    first = max(1, int((clock.now() - EPOCHS_START_AT).total_seconds()))
    for epoch in range(first, first + EPOCH_ATTEMPTS_MAX):
        answer = hub.sync([], epoch=epoch, clock=clock.now)
        if answer.acknowledged == 0 and not answer.missing:
            return epoch
    raise TillError(
        f"The hub already has events of the {EPOCH_ATTEMPTS_MAX} epochs from {first} on. "
        "Check that this till's clock is right."
    )


@contextmanager
def open_till(folder: Path) -> Iterator[Till]:
    """Open a till for work; the folder is locked meanwhile. Errors: `TillNotOpened`, `TillInUse`, `JournalDamaged`."""
    read_settings(folder)
    with durable_files.locked_folder(folder), Journal.open(folder / JOURNAL_FILE) as journal:
        yield Till(folder, journal)


def read_till(folder: Path) -> Till:
    """Return a till to look at only, without locking its folder. Errors: `TillNotOpened`, `JournalDamaged`."""
    read_settings(folder)
    return Till(folder, Journal.read(folder / JOURNAL_FILE))


def read_settings(folder: Path) -> TillSettings:
    """Errors: `TillNotOpened`."""
    try:
        return msgspec.json.decode((folder / SETTINGS_FILE).read_bytes(), type=TillSettings)
    except FileNotFoundError:
        message = f"There is no till in {folder}. Open one: uriba till open --url URL --key KEY"
        raise TillNotOpened(message) from None


def write_settings(folder: Path, settings: TillSettings) -> None:
    durable_files.replace_file(folder / SETTINGS_FILE, msgspec.json.encode(settings))


def _refuse_if_pending(journal_path: Path) -> None:
    if journal_path.exists() and (pending := Journal.read(journal_path).pending):
        raise TillError(
            f"{len(pending)} events of this till are not with the hub yet, and another key is another terminal. "
            "Sync them with the old key first. If that key was revoked, have staff enter the events from the journal, "
            "and open the new terminal in another folder."
        )
