"""The book: what a channel's customers may be promised and what it costs now, for many variants at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from uriba.catalog import queries as catalog
from uriba.connectors.models import ValueKind
from uriba.db import Row, Session
from uriba.inventory.queries import available_by_variant
from uriba.pricing import prices

Key = tuple[ValueKind, int]
"""What is told of a variant."""


@dataclass(frozen=True, slots=True)
class Book:
    """Values of now by key, and SKUs. What the channel does not sell has 0 units and no price."""

    values: Mapping[Key, int]
    skus: Mapping[int, str]
    sold: frozenset[int]

    def target(self, key: Key, told: Row | None) -> int | None:
        """What the channel has to be told; None where it has nothing to hear. `told`: what it was."""
        never = told is None or (told["value"] is None and not told["doubt"])
        return None if never and key[1] not in self.sold else self.values.get(key)

    def differs(self, key: Key, told: Row | None) -> bool:
        """Whether the channel has, or may have, something else than the book."""
        target = self.target(key, told)
        return target is not None and (told is None or told["doubt"] or told["value"] != target)


async def read(session: Session, channel: Row, variant_ids: Sequence[int]) -> Book:
    """The book of a channel for these variants: three statements, however many they are."""
    known = await catalog.variants_by_id(session, variant_ids)
    priced = await prices.now_by_variant(
        session, variant_ids, channel_id=channel["id"], currency=channel["currency"], location_id=None
    )
    available = await available_by_variant(session, variant_ids, channel_id=channel["id"])
    sold = frozenset(v for v, row in known.items() if v in priced and not row["discontinued"])
    values: dict[Key, int] = {(ValueKind.AVAILABILITY, v): available.get(v, 0) if v in sold else 0 for v in known}
    values |= {(ValueKind.PRICE, v): priced[v] for v in sold}
    return Book(values, {v: row["sku"] for v, row in known.items()}, sold)
