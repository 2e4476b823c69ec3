"""Events of tills."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from uriba.outbox import Event, payloads
from uriba.outbox.payloads import Data, Units


class TerminalSynced(Event):
    """A till sent events that the hub did not have. Sent once for each batch with new events."""

    type = "terminal.synced"
    subject_kind = "Terminal"

    class Payload(payloads.Payload):
        epoch: Annotated[int, Meta(ge=1, description="The epoch of the till's journal.")]
        acknowledged: Annotated[
            int, Meta(ge=0, description="Every sequence of this epoch up to this one is stored by the hub.")
        ]
        applied: Annotated[Units, Meta(description="New events of this batch that were applied.")]
        parked: Annotated[Units, Meta(description="New events of this batch that were parked and wait for repair.")]

    @staticmethod
    def payload(data: Data, key: str) -> TerminalSynced.Payload:
        return TerminalSynced.Payload(
            epoch=data["epoch"], acknowledged=data["acknowledged"], applied=data["applied"], parked=data["parked"]
        )


def terminal_subject(key_id: str) -> str:
    return f"Terminal:{key_id}"
