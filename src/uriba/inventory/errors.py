"""Refusals of the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from uriba.core.errors import Code, DomainError


class OutOfStock(DomainError):
    """Less is available than was asked for."""

    code = Code.OUT_OF_STOCK


@dataclass(frozen=True, slots=True)
class Refusal:
    """A level that does not allow a change. `available` is what there was: units, or the on hand of a comparison."""

    variant_id: int
    location_id: int
    why: str
    available: int


class LedgerRefused(Exception):
    """The ledger took nothing. Callers know which input each level stands for, and turn this into a DomainError."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        self.refusals = refusals
        super().__init__(", ".join(f"{r.variant_id}@{r.location_id}: {r.why}" for r in refusals))
