"""What an endpoint that lags is told of a stock level: its newest state for all that it missed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from uriba.db import Row
from uriba.outbox import registry

_encode = msgspec.json.Encoder().encode


def coalesced(rows: Sequence[Row], *, older_than: datetime) -> list[tuple[Row, int]]:
    """Rows with the first version that each stands for: of one stock level, the newest for all that came late."""
    if not rows or rows[0]["at"] >= older_than:
        return [(row, row["version"]) for row in rows]
    newest: dict[str, int] = {}
    first: dict[str, int] = {}
    for n, row in enumerate(rows):
        if row["type"] == "stock.changed":
            newest[row["subject"]] = n
            first.setdefault(row["subject"], row["version"])
    return [
        (row, first[row["subject"]] if row["type"] == "stock.changed" else row["version"])
        for n, row in enumerate(rows)
        if row["type"] != "stock.changed" or newest[row["subject"]] == n
    ]


def body_of(row: Row, first_version: int) -> bytes:
    """The event as it is sent; one that stands for several versions says so."""
    event = registry.present(row)
    if first_version < row["version"]:
        event["coalesced"] = {"firstVersion": first_version, "lastVersion": row["version"]}
    return _encode(event)
