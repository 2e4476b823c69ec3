"""Tills for tests: a folder with a journal and a local catalog, and events for them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from uriba.till import till_folder
from uriba.till.journal import Journal, JournalEntry
from uriba.till.local_catalog import LocalCatalog
from uriba.till.protocol import EventLine, EventType, PullPage, TillEvent
from uriba.till.till_folder import TillSettings

NOON = datetime(2026, 5, 4, 3, 0, tzinfo=UTC)
"""Noon in Japan."""

EPOCH = 7


def make_event(
    sequence: int,
    *,
    event_type: EventType = EventType.RECEIPT,
    sku: str = "TEA",
    quantity: int = 1,
    **fields: Any,
) -> TillEvent:
    return TillEvent(
        event_id=f"e{sequence}",
        sequence=sequence,
        type=event_type,
        occurred_at=NOON + timedelta(seconds=sequence),
        lines=(EventLine(sku, quantity),),
        **fields,
    )


def make_entry(sequence: int, *, epoch: int = EPOCH, clock_offset_s: float = 0, **fields: Any) -> JournalEntry:
    return JournalEntry(epoch, clock_offset_s, make_event(sequence, **fields))


def make_till(folder: Path, *, url: str = "http://127.0.0.1:9", key: str = "key") -> Path:
    """Make a till that has pulled TEA for 648 and POT for 3300 and has sent nothing; return its folder."""
    folder.mkdir(exist_ok=True)
    till_folder.write_settings(folder, TillSettings(url, key))
    Journal.start_epoch(folder / till_folder.JOURNAL_FILE, EPOCH).close()
    catalog = LocalCatalog(folder / till_folder.CATALOG_FILE)
    entries = [
        variant_entry("TEA", "648", barcode="4901234567894"),
        variant_entry("POT", "3300"),
        stock_entry("TEA", 5),
    ]
    catalog.apply_page(PullPage(entries, "c1", more=False), NOON)
    catalog.save()
    return folder


def variant_entry(sku: str, amount: str, *, barcode: str | None = None) -> dict[str, Any]:
    price = {
        "amount": {"amount": amount, "currency": "JPY"},
        "channel": None,
        "location": None,
        "validFrom": "2020-01-01T00:00:00+00:00",
        "validTo": None,
    }
    variant = {
        "sku": sku,
        "barcode": barcode,
        "name": sku.title(),
        "taxClass": "standard",
        "discontinued": False,
        "prices": [price],
    }
    return {"kind": "VARIANT", "key": sku, "variant": variant}


def stock_entry(sku: str, units: int) -> dict[str, Any]:
    return {"kind": "STOCK", "key": sku, "stock": {"onHand": units, "available": units}}
