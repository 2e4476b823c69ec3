"""What others hear of tills."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from uriba.outbox import Event


@dataclass(frozen=True, slots=True)
class TerminalSynced(Event):
    """A till brought facts that the hub did not have."""

    type: ClassVar[str] = "terminal.synced"


def terminal_subject(key_id: str) -> str:
    return f"Terminal:{key_id}"
