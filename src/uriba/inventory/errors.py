"""Refusals of the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from uriba.core.errors import Code, DomainError


class OutOfStock(DomainError):
    """Less is available than was asked for."""

    code = Code.OUT_OF_STOCK


@dataclass(frozen=True, slots=True)
class LevelRefusal:
    """A level that does not allow a change.

    why: SHORT (too few available), FLOOR (on hand below zero), EXPECTED (another on hand) or ABSENT (no such level).
    available: the available units; of FLOOR and EXPECTED what is on hand.
    """

    variant_id: int
    location_id: int
    why: str
    available: int


class LedgerRefused(Exception):
    """The ledger has changed nothing. Callers know which input each level belongs to and raise a `DomainError`."""

    def __init__(self, refusals: Sequence[LevelRefusal]) -> None:
        self.refusals = refusals
        super().__init__(", ".join(f"{r.variant_id}@{r.location_id}: {r.why}" for r in refusals))
