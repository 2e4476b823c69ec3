"""The report of a run, while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from uriba.connectors.port import Batch, Pushed

REASONS_MAX = 100
"""Refusals that a report names; it counts all."""


@dataclass(slots=True)
class Report:
    """What a run saw, sent and brought. `more`: its turn ended before its work did."""

    seen: int = 0
    sent: int = 0
    accepted: int = 0
    attempts: int = 0
    orders_read: int = 0
    orders_placed: int = 0
    refused_count: int = 0
    refused: list[Mapping[str, str | None]] = field(default_factory=list)
    problem: str | None = None
    more: bool = False

    @property
    def idle(self) -> bool:
        """Nothing happened that anybody wants to read about."""
        return not (self.seen or self.attempts or self.orders_read or self.refused_count or self.problem)

    def took(self, batch: Batch, pushed: Pushed) -> None:
        """The channel has answered to a batch."""
        self.attempts += pushed.attempts
        refused = [row for row in batch.rows if row.sku in pushed.refused]
        self.accepted += len(batch.rows) - len(refused)
        for row in refused:
            why = pushed.refused[row.sku]
            self.refuse(kind=batch.kind, subject=row.sku, code=why.code, message=why.message)

    def refuse(self, *, kind: str, subject: str | None, code: str, message: str) -> None:
        """A row or an order was not taken."""
        self.refused_count += 1
        if len(self.refused) < REASONS_MAX:
            self.refused.append({"kind": kind, "subject": subject, "code": code, "message": message})

    @property
    def reasons(self) -> str:
        return msgspec.json.encode(self.refused).decode()
