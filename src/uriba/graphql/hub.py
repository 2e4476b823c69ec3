"""What one API process works with; made at start, shared by all requests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from uriba.catalog import channels
from uriba.checkout.completion import Checkout
from uriba.config import Settings
from uriba.db import Database
from uriba.graphql.engine.live import Live
from uriba.graphql.engine.sharing import Groups
from uriba.graphql.identity import Identity


class ChannelRef(NamedTuple):
    """What never changes about a channel once it is made."""

    id: int
    currency: str


@dataclass(slots=True)
class Hub:
    """Connections and memories of this process. The memories hold only what never changes or is soon asked again."""

    database: Database
    settings: Settings
    checkout: Checkout
    identity: Identity
    live: Live
    groups: Groups = field(default_factory=Groups)
    channels: dict[str, ChannelRef] = field(default_factory=dict)

    async def channel(self, code: str) -> ChannelRef | None:
        """A channel by its code."""
        if code not in self.channels:
            async with self.database.reading() as session:
                found = (await channels.by_code(session, [code])).get(code)
            if found is None:
                return None
            self.channels[code] = ChannelRef(found["id"], found["currency"])
        return self.channels[code]

    async def channel_code(self, channel_id: int) -> str:
        """The code of a channel that a key is bound to."""
        for code, known in self.channels.items():
            if known.id == channel_id:
                return code
        async with self.database.reading() as session:
            found = (await channels.by_id(session, [channel_id]))[channel_id]
        self.channels[found["code"]] = ChannelRef(found["id"], found["currency"])
        return str(found["code"])
