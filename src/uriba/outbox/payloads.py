"""The vocabulary of event payloads: types and conversions that belong to no domain.

A payload is the public content of an event: ids, versions and states, no personal data. Domains declare their payloads
as `Payload` structs in their `events.py`; the JSON Schema, the AsyncAPI document and the reference page are made from
those structs, and `registry.present` fills them in, so that what is sent always has the keys that are described.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from uriba.core.money import to_decimal

Data = Mapping[str, Any]
"""The data of an event as it is stored, by inner ids."""

GLOBAL_ID = "^[A-Za-z0-9+/]+={0,2}$"
DECIMAL = r"^-?[0-9]+(\.[0-9]+)?$"

GlobalId = Annotated[str, Meta(pattern=GLOBAL_ID)]
Version = Annotated[int, Meta(ge=1)]
Units = Annotated[int, Meta(ge=0)]
Moment = Annotated[datetime, Meta(tz=True)]


class Payload(msgspec.Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    """The public content of an event, or a part of it. Keys are the field names in camel case."""


class Money(Payload):
    """An amount in major units at the currency's own scale, such as "1280" JPY or "19.99" USD."""

    amount: Annotated[str, Meta(pattern=DECIMAL)]
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$", description="ISO 4217.")]


def money(stored: Data) -> Money:
    """Return a stored amount, `{"amountMinor", "currency"}`, as it is published."""
    return Money(to_decimal(stored["amountMinor"], stored["currency"]), stored["currency"])


def money_or_none(minor: int | None, currency: str) -> Money | None:
    """Return minor units of a currency as they are published."""
    return None if minor is None else Money(to_decimal(minor, currency), currency)
