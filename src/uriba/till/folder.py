"""A till's folder: its address and key, its journal, and what it knows of its store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import msgspec

from uriba.core import clock
from uriba.till import disk
from uriba.till.errors import NotOpened, TillError
from uriba.till.events import Event, Kind, Line, Tender
from uriba.till.hub import Hub
from uriba.till.journal import Entry, Journal
from uriba.till.shelf import Shelf

EPOCHS_BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
EPOCH_TRIES_MAX = 100


class Setting(msgspec.Struct, frozen=True):
    """Who the till is, and how it is set. `clock_s`: how far its clock is ahead of this machine's."""

    url: str
    key: str
    offline: bool = False
    clock_s: float = 0


class Till:
    """A till that is open for work. Get one from `opened`, or for looking only from `seen`."""

    def __init__(self, folder: Path, journal: Journal) -> None:
        self.folder = folder
        self.journal = journal
        self.setting = read_setting(folder)
        self.shelf = Shelf(folder / "shelf.json")

    def now(self) -> datetime:
        """The time by the till's own clock, right or wrong."""
        return clock.now() + timedelta(seconds=self.setting.clock_s)

    def change(self, **given: object) -> None:
        self.setting = msgspec.structs.replace(self.setting, **given)
        write_setting(self.folder, self.setting)

    def record(
        self,
        kind: Kind,
        lines: tuple[Line, ...],
        *,
        tenders: tuple[Tender, ...] | None = None,
        original_receipt: str | None = None,
        loyalty_card: str | None = None,
        cart_id: str | None = None,
    ) -> Event:
        """Write down what happened. Only when this returns may a receipt be printed."""
        sequence = self.journal.next_sequence
        event = Event(
            event_id=str(uuid4()),
            sequence=sequence,
            type=kind,
            occurred_at=self.now(),
            lines=lines,
            receipt=f"{self.journal.epoch}-{sequence}" if kind in (Kind.SALE, Kind.RETURN) else None,
            original_receipt=original_receipt,
            tenders=tenders,
            loyalty_card=loyalty_card,
            cart_id=cart_id,
        )
        self.journal.write(Entry(self.journal.epoch, self.setting.clock_s, event))
        return event

    def hub(self) -> Hub:
        """The line to the hub. Errors: `TillError` while the till is switched offline."""
        if self.setting.offline:
            raise TillError("This till is switched offline. Switch it back with: uriba till online")
        return Hub(self.setting.url, self.setting.key)


def create(folder: Path, *, url: str, key: str) -> Journal:
    """Make a folder a till, or give it a new address. The hub is asked, so that an epoch is never begun twice.

    Errors: `TillError` where another key would leave events behind, and all of `Hub.sync`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with disk.alone(folder):
        path = folder / "journal"
        known = read_setting(folder) if (folder / "till.json").exists() else None
        same = path.exists() and known is not None and known.key == key
        if not same:
            _refuse_leaving_behind(path)
            with closing(Hub(url, key)) as hub, Journal.begin(path, unused_epoch(hub)):
                (folder / "shelf.json").unlink(missing_ok=True)
        write_setting(folder, msgspec.structs.replace(known, url=url, key=key) if known else Setting(url, key))
        return Journal.read(path)


def unused_epoch(hub: Hub) -> int:
    """An epoch that this terminal has never used: made from the time, and the hub has seen nothing of it.

    The clock of a till without its journal may be wrong too, so the hub is asked, with an empty batch.
    """
    epoch = max(1, int((clock.now() - EPOCHS_BEGIN).total_seconds()))
    for candidate in range(epoch, epoch + EPOCH_TRIES_MAX):
        answer = hub.sync([], epoch=candidate, clock=clock.now)
        if answer.acknowledged == 0 and not answer.missing:
            return candidate
    raise TillError(f"The hub knows {EPOCH_TRIES_MAX} epochs from {epoch} on. Is this till's clock right?")


@contextmanager
def opened(folder: Path) -> Iterator[Till]:
    """The till, to work with; nobody else writes in its folder. Errors: `NotOpened`, `InUse`, `JournalDamaged`."""
    read_setting(folder)
    with disk.alone(folder), Journal.open(folder / "journal") as journal:
        yield Till(folder, journal)


def seen(folder: Path) -> Till:
    """The till, to look at, whoever works with it. Errors: `NotOpened`, `JournalDamaged`."""
    read_setting(folder)
    return Till(folder, Journal.read(folder / "journal"))


def read_setting(folder: Path) -> Setting:
    try:
        return msgspec.json.decode((folder / "till.json").read_bytes(), type=Setting)
    except FileNotFoundError:
        sentence = f"There is no till in {folder}. Open one: uriba till open --url URL --key KEY"
        raise NotOpened(sentence) from None


def write_setting(folder: Path, setting: Setting) -> None:
    disk.replace(folder / "till.json", msgspec.json.encode(setting))


def _refuse_leaving_behind(path: Path) -> None:
    if path.exists() and (pending := Journal.read(path).pending):
        raise TillError(
            f"{len(pending)} events of this till are not with the hub yet, and another key is another terminal: "
            "sync them with the old key first. If that key was revoked, have staff book them from the journal, "
            "and open the new terminal in another folder."
        )
