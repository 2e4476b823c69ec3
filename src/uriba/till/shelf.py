"""What the till knows of its store: the entries of posPull, kept on disk as they came."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from uriba.till import disk
from uriba.till.errors import Unsellable
from uriba.till.events import Pulled

SIMILAR_MAX = 5


class Good(msgspec.Struct, frozen=True):
    """A variant as this till sells it. No price: it is not sold here now. `on_hand`: as the hub last told."""

    sku: str
    barcode: str | None
    name: str
    price: str | None
    currency: str | None
    on_hand: int
    available: int
    discontinued: bool


class Kept(msgspec.Struct):
    """The file: the cursor goes with exactly these entries, by kind and key."""

    cursor: str | None = None
    at: datetime | None = None
    entries: dict[str, dict[str, dict[str, Any]]] = {}


class Shelf:
    """Upserts, one after the other: the newest entry of a kind and key replaces the one before."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.kept = Kept()
        if path is not None and path.exists():
            self.kept = msgspec.json.decode(path.read_bytes(), type=Kept)

    def take(self, page: Pulled, at: datetime) -> None:
        """Entries and cursor move together, or a crash between them would lose a change."""
        for entry in page.entries:
            self._of(entry["kind"])[entry["key"]] = entry
        self.kept.cursor, self.kept.at = page.cursor, at

    def forget(self) -> None:
        """Begin from nothing: the next pull brings everything."""
        self.kept = Kept()

    def save(self) -> None:
        assert self.path is not None
        disk.replace(self.path, msgspec.json.encode(self.kept))

    def find(self, said: str, at: datetime) -> Good:
        """The good with this SKU or barcode. Errors: `Unsellable`, naming similar ones."""
        entry = self._of("VARIANT").get(said) or next(
            (e for e in self._of("VARIANT").values() if said == e["variant"]["barcode"]), None
        )
        if entry is None:
            similar = [good.sku for good in self.search(said, at)][:SIMILAR_MAX]
            hint = f" Similar: {', '.join(similar)}." if similar else " Look with: uriba till goods."
            raise Unsellable(f"This till knows no SKU or barcode {said}.{hint}")
        return self._good(entry, at)

    def search(self, words: str, at: datetime) -> Iterator[Good]:
        """Goods whose SKU, barcode or name holds the words."""
        wanted = words.casefold()
        for entry in self._of("VARIANT").values():
            variant = entry["variant"]
            if any(wanted in str(variant[name] or "").casefold() for name in ("sku", "barcode", "name")):
                yield self._good(entry, at)

    def goods(self, at: datetime) -> Iterable[Good]:
        return (self._good(entry, at) for entry in self._of("VARIANT").values())

    def carts(self) -> list[dict[str, Any]]:
        """The carts that this store has claimed."""
        return [cart for entry in self._of("CARTS").values() for cart in entry["carts"] or ()]

    def _good(self, entry: dict[str, Any], at: datetime) -> Good:
        variant = entry["variant"]
        stock = (self._of("STOCK").get(variant["sku"]) or {}).get("stock") or {}
        price = next((p for p in variant["prices"] if _is_valid(p, at)), None)
        return Good(
            sku=variant["sku"],
            barcode=variant["barcode"],
            name=variant["name"],
            price=price and str(Decimal(price["amount"]["amount"])),
            currency=price and price["amount"]["currency"],
            on_hand=stock.get("onHand", 0),
            available=stock.get("available", 0),
            discontinued=variant["discontinued"],
        )

    def _of(self, kind: str) -> dict[str, dict[str, Any]]:
        return self.kept.entries.setdefault(kind, {})


def _is_valid(price: dict[str, Any], at: datetime) -> bool:
    begins, ends = (price[name] and datetime.fromisoformat(price[name]) for name in ("validFrom", "validTo"))
    return (begins is None or begins <= at) and (ends is None or at < ends)
