"""Tills of tests: a folder with a journal and a shelf, and events as they could have happened."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from uriba.till import folder as folders
from uriba.till.events import Event, Kind, Line, Pulled
from uriba.till.folder import Setting
from uriba.till.journal import Entry, Journal
from uriba.till.shelf import Shelf

NOON = datetime(2026, 5, 4, 3, 0, tzinfo=UTC)
EPOCH = 7


def event(sequence: int, *, kind: Kind = Kind.RECEIPT, sku: str = "TEA", quantity: int = 1, **given: Any) -> Event:
    return Event(
        event_id=f"e{sequence}",
        sequence=sequence,
        type=kind,
        occurred_at=NOON + timedelta(seconds=sequence),
        lines=(Line(sku, quantity),),
        **given,
    )


def entry(sequence: int, *, epoch: int = EPOCH, clock_s: float = 0, **given: Any) -> Entry:
    return Entry(epoch, clock_s, event(sequence, **given))


def make_till(folder: Path, *, url: str = "http://127.0.0.1:9", key: str = "key") -> Path:
    """A till that sells TEA for 648 and POT for 3300, and has not met its hub."""
    folder.mkdir(exist_ok=True)
    folders.write_setting(folder, Setting(url, key))
    Journal.begin(folder / "journal", EPOCH).close()
    shelf = Shelf(folder / "shelf.json")
    shelf.take(
        Pulled([variant("TEA", "648", barcode="4901234567894"), variant("POT", "3300"), stock("TEA", 5)], "c1", False),
        NOON,
    )
    shelf.save()
    return folder


def variant(sku: str, amount: str, *, barcode: str | None = None) -> dict[str, Any]:
    price = {
        "amount": {"amount": amount, "currency": "JPY"},
        "channel": None,
        "location": None,
        "validFrom": "2020-01-01T00:00:00+00:00",
        "validTo": None,
    }
    of = {
        "sku": sku,
        "barcode": barcode,
        "name": sku.title(),
        "taxClass": "standard",
        "discontinued": False,
        "prices": [price],
    }
    return {"kind": "VARIANT", "key": sku, "variant": of}


def stock(sku: str, units: int) -> dict[str, Any]:
    return {"kind": "STOCK", "key": sku, "stock": {"onHand": units, "available": units}}
