"""What a resolver may reach: the caller, the loaders and the hub."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any

import strawberry
from msgspec import Struct
from strawberry.litestar import BaseContext

from uriba.core.actor import Actor
from uriba.core.errors import Invalid, NotFound
from uriba.core.text import has_control
from uriba.db import Session
from uriba.db.idempotency import Claim
from uriba.graphql.engine.sharing import Group, Member, Operation, Seen
from uriba.graphql.hub import ChannelRef, Hub
from uriba.graphql.loaders import Loaders


class Context(BaseContext, kw_only=True):
    """One request's, or one WebSocket's."""

    hub: Hub
    actor: Actor
    loaders: Loaders
    channel_code: str | None = None
    authorization: str | None = None
    connection_params: dict[str, Any] | None = None
    operation: Operation | None = None
    group: Group | None = None
    member: Member | None = None
    seen: Seen | None = None

    def reading(self) -> AbstractAsyncContextManager[Session]:
        return self.hub.database.reading()

    def transaction(self) -> AbstractAsyncContextManager[Session]:
        return self.hub.database.transaction()

    async def authenticate(self) -> None:
        """Errors: `Unauthenticated` once the caller's key has ended."""
        if self.authorization is not None:
            found = await self.hub.identity.actor(self.authorization, address=self.actor.address)
            assert found.key_id == self.actor.key_id

    def renew(self) -> None:
        """Forget what was loaded: the next fields see the newest rows. Groups share what they read after an event."""
        if self.group is not None:
            self.loaders = self.hub.live.loaders(self.actor)
        else:
            self.loaders = Loaders(self.hub.database, self.actor)

    def claim(self, operation: str, key: str | None, content: Struct | dict[str, Any], *, scope: str = "") -> Claim:
        """A claim of this caller. Guests share a network address, so theirs are told apart by what they hold."""
        caller = f"{self.actor.caller}:{scope}" if scope and not self.actor.key_id else self.actor.caller
        return Claim.of(caller=caller, operation=operation, key=key, content=content)

    def known_channel(self, code: str | None) -> ChannelRef | None:
        """The channel of a field, if it was asked for before."""
        return self.hub.channels.get((self.channel_code if code is None else code) or "")

    async def channel(self, code: str | None, *path: str) -> ChannelRef:
        """The channel of a field: the argument, else the key's, else the header's.

        Errors: `Invalid` where none is said, `NotFound` for an unknown one.
        """
        wanted, at = self.channel_code if code is None else code, path or ("channel",)
        if wanted is None:
            raise Invalid("Say which channel: the argument channel, or the header uriba-channel.", *at)
        if has_control(wanted):
            raise Invalid("This holds a control character.", *at)
        found = await self.hub.channel(wanted)
        if found is None:
            raise NotFound("There is no such channel.", *at)
        return found


Info = strawberry.Info[Context, None]
