"""Current values of a channel (units that it may promise, valid prices), and how they differ from sent values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from uriba.catalog import queries as catalog
from uriba.connectors.enums import ValueKind
from uriba.db import Row, Session
from uriba.inventory.queries import available_by_variant
from uriba.pricing import prices

ValueKey = tuple[ValueKind, int]
"""A kind of value, and the id of the variant that has it."""


@dataclass(frozen=True, slots=True)
class SentValue:
    """A value that a channel was sent. `value`: the last accepted one, None without one. `in_doubt`: another
    value was sent, and it is unknown whether the channel accepted it. `refusals`: refusals since the last acceptance.
    """

    kind: ValueKind
    variant_id: int
    value: int | None
    in_doubt: bool
    refusals: int
    refused_code: str | None
    refused_message: str | None


@dataclass(frozen=True, slots=True)
class CurrentValues:
    """Values by key, and SKUs by variant. A variant that the channel does not sell has 0 units and no price."""

    values: Mapping[ValueKey, int]
    skus: Mapping[int, str]
    sold: frozenset[int]

    def value_to_send(self, key: ValueKey, sent: SentValue | None) -> int | None:
        """Return the value that the channel should have; None if it needs none: not sold, and never sent."""
        never_sent = sent is None or (sent.value is None and not sent.in_doubt)
        return None if never_sent and key[1] not in self.sold else self.values.get(key)

    def differs(self, key: ValueKey, sent: SentValue | None) -> bool:
        """Return whether the channel has, or may have, another value than the current one."""
        value = self.value_to_send(key, sent)
        return value is not None and (sent is None or sent.in_doubt or sent.value != value)


async def read(session: Session, channel: Row, variant_ids: Sequence[int]) -> CurrentValues:
    """Return the current values of these variants in a channel, with three statements in all."""
    variants = await catalog.variants_by_id(session, variant_ids)
    priced = await prices.now_by_variant(
        session, variant_ids, channel_id=channel["id"], currency=channel["currency"], location_id=None
    )
    available = await available_by_variant(session, variant_ids, channel_id=channel["id"])
    sold = frozenset(v for v, row in variants.items() if v in priced and not row["discontinued"])
    values: dict[ValueKey, int] = {
        (ValueKind.AVAILABILITY, v): available.get(v, 0) if v in sold else 0 for v in variants
    }
    values |= {(ValueKind.PRICE, v): priced[v] for v in sold}
    return CurrentValues(values, {v: row["sku"] for v, row in variants.items()}, sold)
