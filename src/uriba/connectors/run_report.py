"""The report of a run while it is being run."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from uriba.connectors.port import Batch, PushResult

REFUSALS_MAX = 100
"""Refusals that a report lists. It counts all."""


class ReportedRefusal(msgspec.Struct, frozen=True, kw_only=True):
    """A refused value or order. `kind`: AVAILABILITY, PRICE or ORDER; `subject`: the SKU, or the order's number."""

    kind: str
    subject: str | None
    code: str
    message: str


@dataclass(slots=True)
class RunReport:
    """Counts of what a run compared, sent and imported. `more`: the run's time ended before its work."""

    seen: int = 0
    sent: int = 0
    accepted: int = 0
    attempts: int = 0
    orders_read: int = 0
    orders_placed: int = 0
    refused_count: int = 0
    refused: list[ReportedRefusal] = field(default_factory=list)
    problem: str | None = None
    more: bool = False

    @property
    def is_idle(self) -> bool:
        """Whether the run had nothing to do."""
        return not (self.seen or self.attempts or self.orders_read or self.refused_count or self.problem)

    def add_push(self, batch: Batch, result: PushResult) -> None:
        """Add the result of a batch."""
        self.attempts += result.attempts
        refused = [row for row in batch.rows if row.sku in result.refused]
        self.accepted += len(batch.rows) - len(refused)
        for row in refused:
            refusal = result.refused[row.sku]
            self.add_refusal(kind=batch.kind, subject=row.sku, code=refusal.code, message=refusal.message)

    def add_refusal(self, *, kind: str, subject: str | None, code: str, message: str) -> None:
        """Add a value or an order that was refused."""
        self.refused_count += 1
        if len(self.refused) < REFUSALS_MAX:
            self.refused.append(ReportedRefusal(kind=kind, subject=subject, code=code, message=message))

    @property
    def refused_json(self) -> str:
        return msgspec.json.encode(self.refused).decode()
