"""Coalescing: an endpoint that lags gets the newest event of a stock level instead of each older one. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from uriba.db import Row
from uriba.outbox import registry

_encode = msgspec.json.Encoder().encode


CoalescedEvent = tuple[Row, int]
"""An event of the feed, and the first of the versions that it stands for. A plain tuple: one is made for each event."""


def coalesce(rows: Sequence[Row], *, older_than: datetime) -> list[CoalescedEvent]:
    """Keep only the newest event of each stock level if the first event is older than `older_than`, else all events."""
    if not rows or rows[0]["at"] >= older_than:
        return [(row, row["version"]) for row in rows]
    types = registry.coalesced_types()
    newest: dict[str, int] = {}
    first: dict[str, int] = {}
    for n, row in enumerate(rows):
        if row["type"] in types:
            newest[row["subject"]] = n
            first.setdefault(row["subject"], row["version"])
    return [
        (row, first[row["subject"]] if row["type"] in types else row["version"])
        for n, row in enumerate(rows)
        if row["type"] not in types or newest[row["subject"]] == n
    ]


def encode_body(row: Row, first_version: int) -> bytes:
    """Return the body of a delivery. `coalesced` names the versions of an event that stands for several."""
    event = registry.present(row)
    if first_version < row["version"]:
        event["coalesced"] = {"firstVersion": first_version, "lastVersion": row["version"]}
    return _encode(event)
