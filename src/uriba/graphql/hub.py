"""The resources of one API process: made at its start, shared by all requests."""

from __future__ import annotations

from typing import NamedTuple

from uriba.access.authentication import Authenticator
from uriba.catalog import channels
from uriba.checkout.completion import Checkout
from uriba.config import Settings
from uriba.core.actor import Actor
from uriba.db import Database
from uriba.graphql.engine.live_feed import LiveFeed
from uriba.graphql.engine.subscription_groups import SubscriptionGroups
from uriba.graphql.loaders import Loaders
from uriba.orders.events import watched_subjects
from uriba.outbox.hints import Hints


class ChannelRef(NamedTuple):
    """The parts of a channel that never change."""

    id: int
    currency: str


class Hub:
    """Connections and caches of this process. A cache holds only what never changes, or what is read again soon."""

    def __init__(self, database: Database, settings: Settings, checkout: Checkout, hints: Hints) -> None:
        self.database = database
        self.settings = settings
        self.checkout = checkout
        self.authenticator = Authenticator(database)
        self.live_feed = LiveFeed(
            database,
            hints,
            poll_s=settings.live_poll_s,
            on_keys_changed=self.authenticator.clear_cache,
            on_events=self._clear_event_loaders,
            subjects_of=watched_subjects,
        )
        self.groups = SubscriptionGroups()
        self.channels: dict[str, ChannelRef] = {}
        self._event_loaders: dict[Actor, Loaders] = {}

    def event_loaders(self, actor: Actor) -> Loaders:
        """Return the loaders of what is read because of the newest events, shared by all with the same rights."""
        found = self._event_loaders.get(actor)
        if found is None:
            found = self._event_loaders[actor] = Loaders(self.database, actor)
        return found

    def _clear_event_loaders(self) -> None:
        self._event_loaders.clear()

    async def channel(self, code: str) -> ChannelRef | None:
        """Return a channel by its code."""
        if code not in self.channels:
            async with self.database.reading() as session:
                found = (await channels.by_code(session, [code])).get(code)
            if found is None:
                return None
            self.channels[code] = ChannelRef(found["id"], found["currency"])
        return self.channels[code]

    async def channel_code(self, channel_id: int) -> str:
        """Return the code of a channel that exists."""
        for code, known in self.channels.items():
            if known.id == channel_id:
                return code
        async with self.database.reading() as session:
            found = (await channels.by_id(session, [channel_id]))[channel_id]
        self.channels[found["code"]] = ChannelRef(found["id"], found["currency"])
        return str(found["code"])
