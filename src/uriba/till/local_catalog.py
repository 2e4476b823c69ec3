"""The local catalog: the state that a till has pulled from the hub (posPull), kept in one file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from uriba.till import durable_files
from uriba.till.errors import InvalidInput
from uriba.till.protocol import PullPage

SUGGESTIONS_MAX = 5


class CatalogItem(msgspec.Struct, frozen=True):
    """A variant as this till sells it. Without a price it is not sold here now. Stock is as of the last pull."""

    sku: str
    barcode: str | None
    name: str
    price: str | None
    currency: str | None
    on_hand: int
    available: int
    discontinued: bool


class CatalogState(msgspec.Struct):
    """The content of the file: entries by kind and key, and the cursor that belongs to exactly these entries."""

    cursor: str | None = None
    pulled_at: datetime | None = msgspec.field(default=None, name="at")
    entries: dict[str, dict[str, dict[str, Any]]] = {}


class LocalCatalog:
    """Pulled entries. A new entry replaces the one with the same kind and key. Without a path it is not saved."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.state = CatalogState()
        if path is not None and path.exists():
            self.state = msgspec.json.decode(path.read_bytes(), type=CatalogState)

    def apply_page(self, page: PullPage, at: datetime) -> None:
        """Apply the entries of a page in order, and move the cursor with them."""
        for entry in page.entries:
            self.state.entries.setdefault(entry["kind"], {})[entry["key"]] = entry
        self.state.cursor, self.state.pulled_at = page.cursor, at

    def clear(self) -> None:
        """Remove all entries and the cursor, so that the next pull fetches everything."""
        self.state = CatalogState()

    def save(self) -> None:
        """Write entries and cursor in one atomic replacement: written apart, a crash could lose a change."""
        assert self.path is not None
        durable_files.replace_file(self.path, msgspec.json.encode(self.state))

    def find(self, sku_or_barcode: str, at: datetime) -> CatalogItem:
        """Return the item with this SKU or barcode. Errors: `InvalidInput` if there is none."""
        variants = self._entries_of("VARIANT")
        entry = variants.get(sku_or_barcode) or next(
            (found for found in variants.values() if sku_or_barcode == found["variant"]["barcode"]), None
        )
        if entry is None:
            similar = [item.sku for item in self.search(sku_or_barcode, at)][:SUGGESTIONS_MAX]
            hint = f" Similar: {', '.join(similar)}." if similar else " To search, run uriba till goods."
            raise InvalidInput(f"This till has no SKU or barcode {sku_or_barcode}.{hint}")
        return self._item(entry, at)

    def search(self, text: str, at: datetime) -> Iterator[CatalogItem]:
        """Yield the items whose SKU, barcode or name contains the text, ignoring case."""
        folded = text.casefold()
        for entry in self._entries_of("VARIANT").values():
            variant = entry["variant"]
            if any(folded in str(variant[name] or "").casefold() for name in ("sku", "barcode", "name")):
                yield self._item(entry, at)

    def items(self, at: datetime) -> Iterable[CatalogItem]:
        return (self._item(entry, at) for entry in self._entries_of("VARIANT").values())

    def carts(self) -> list[dict[str, Any]]:
        """Return the open carts that this store has claimed."""
        return [cart for entry in self._entries_of("CARTS").values() for cart in entry["carts"] or ()]

    def tax_rates(self) -> list[dict[str, Any]]:
        """Return the tax rates of the store's channel."""
        return [rate for entry in self._entries_of("TAXES").values() for rate in entry["taxes"] or ()]

    def stock_of(self, sku: str) -> dict[str, Any]:
        """Return the pulled stock level of a SKU; empty if there is none."""
        return (self._entries_of("STOCK").get(sku) or {}).get("stock") or {}

    def _item(self, entry: dict[str, Any], at: datetime) -> CatalogItem:
        variant = entry["variant"]
        stock = self.stock_of(variant["sku"])
        price = next((price for price in variant["prices"] if _is_valid(price, at)), None)
        return CatalogItem(
            sku=variant["sku"],
            barcode=variant["barcode"],
            name=variant["name"],
            price=price and str(Decimal(price["amount"]["amount"])),
            currency=price and price["amount"]["currency"],
            on_hand=stock.get("onHand", 0),
            available=stock.get("available", 0),
            discontinued=variant["discontinued"],
        )

    def _entries_of(self, kind: str) -> dict[str, dict[str, Any]]:
        return self.state.entries.get(kind, {})


def _is_valid(price: dict[str, Any], at: datetime) -> bool:
    """Return whether the price is valid at that time: from `validFrom` until before `validTo`."""
    valid_from, valid_to = (price[name] and datetime.fromisoformat(price[name]) for name in ("validFrom", "validTo"))
    return (valid_from is None or valid_from <= at) and (valid_to is None or at < valid_to)
