"""The context of resolvers: the caller, the loaders and the hub."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import strawberry
from msgspec import Struct
from strawberry.litestar import BaseContext

from uriba.access import guess_limits
from uriba.access.guess_limits import CodeKind, GuessLimit, WrongErrors
from uriba.core.actor import Actor, Role
from uriba.core.errors import Invalid, NotFound
from uriba.core.text import has_control
from uriba.db import Session, idempotency
from uriba.db.idempotency import Call, Replayed
from uriba.graphql.engine.live_feed import LiveFeed
from uriba.graphql.engine.operation import OperationState
from uriba.graphql.engine.subscription_groups import SubscriptionGroups
from uriba.graphql.hub import ChannelRef, Hub
from uriba.graphql.loaders import Loaders

T = TypeVar("T")

CHANNEL_HEADER = "uriba-channel"


class Context(BaseContext, kw_only=True):
    """The context of one operation, or of one WebSocket; implements the engine's `OperationContext`.

    `authorization`: the caller's `Authorization` header, for checking its key again; None for callers without a key.
    """

    hub: Hub
    actor: Actor
    loaders: Loaders
    channel_code: str | None = None
    authorization: str | None = None
    connection_params: dict[str, Any] | None = None
    operation: OperationState | None = None

    @classmethod
    def of(
        cls, hub: Hub, actor: Actor, *, channel_code: str | None = None, authorization: str | None = None
    ) -> Context:
        return cls(
            hub=hub,
            actor=actor,
            loaders=Loaders(hub.database, actor),
            channel_code=channel_code,
            authorization=authorization,
        )

    @property
    def live_feed(self) -> LiveFeed:
        return self.hub.live_feed

    @property
    def groups(self) -> SubscriptionGroups:
        return self.hub.groups

    def reading(self) -> AbstractAsyncContextManager[Session]:
        return self.hub.database.reading()

    def transaction(self) -> AbstractAsyncContextManager[Session]:
        return self.hub.database.transaction()

    async def authenticate(self) -> None:
        """Check the caller's key again.

        Errors: `Unauthenticated` where it is not valid any more.
        """
        if self.authorization is not None:
            found = await self.hub.authenticator.authenticate(self.authorization, address=self.actor.address)
            assert found.key_id == self.actor.key_id

    def reset_loaders(self) -> None:
        """Forget what was loaded, so that the next fields read the newest rows.

        Groups with the same rights share what they read because of an event.
        """
        if self.operation is not None and self.operation.group is not None:
            self.loaders = self.hub.event_loaders(self.actor)
        else:
            self.loaders = Loaders(self.hub.database, self.actor)

    def adopt_caller(self, other: Context) -> None:
        """Take over the caller, its channel and its key from another context."""
        self.actor, self.loaders = other.actor, other.loaders
        self.channel_code, self.authorization = other.channel_code, other.authorization

    def for_operation(self) -> Context:
        """Return a context for one more operation of the same caller, with loaders of its own."""
        return Context.of(self.hub, self.actor, channel_code=self.channel_code, authorization=self.authorization)

    def for_group(self, actor: Actor) -> Context:
        """Return a context for a group's execution: this one's channel and request, another actor, and no key."""
        assert self.operation is not None
        context = Context.of(self.hub, actor, channel_code=self.channel_code)
        context.operation = OperationState(self.operation.request)
        return context

    def call(self, operation: str, key: str | None, content: Struct | dict[str, Any], *, scope: str = "") -> Call:
        """Return this call as its idempotency key identifies it.

        `scope`: distinguishes the calls of guests, who may share a network address.
        """
        caller = f"{self.actor.caller}:{scope}" if scope and not self.actor.key_id else self.actor.caller
        return Call.of(caller=caller, operation=operation, key=key, content=content)

    async def once(self, call: Call, work: Callable[[Session], Awaitable[T]], *, answer: object = True) -> T | Replayed:
        """Run `work` in a transaction, once for each idempotency key: see `idempotency.once`."""
        return await idempotency.once(self.hub.database, call, work, answer=answer)

    async def attempt(
        self,
        kind: CodeKind,
        work: Callable[[Session], Awaitable[T]],
        *,
        wrong: WrongErrors = (),
    ) -> T:
        """Run `work` with a code in a transaction, and count a wrong code: see `guess_limits.attempt`."""
        limit = GuessLimit.of(self.hub.settings, kind, self.actor)
        async with self.transaction() as session:
            outcome = await guess_limits.attempt(session, limit, work, wrong=wrong)
        assert not isinstance(outcome, Replayed)
        return outcome.result()

    async def attempt_once(
        self,
        call: Call,
        kind: CodeKind,
        work: Callable[[Session], Awaitable[T]],
        *,
        wrong: WrongErrors,
        cart_id: UUID,
    ) -> T | Replayed:
        """Run `work` like `attempt`, once for each idempotency key; its recorded answer is the cart's id."""
        limit = GuessLimit.of(self.hub.settings, kind, self.actor, cart_id=cart_id)
        attempt = partial(guess_limits.attempt, limit=limit, work=work, wrong=wrong, call=call)
        outcome = await self.once(call, attempt, answer=str(cart_id))
        return outcome if isinstance(outcome, Replayed) else outcome.result()

    def known_channel(self, code: str | None) -> ChannelRef | None:
        """Return the channel of a field without reading, if this process has read it before."""
        return self.hub.channels.get((self.channel_code if code is None else code) or "")

    async def channel(self, code: str | None, *path: str) -> ChannelRef:
        """Return the channel of a field: of the argument, else of the key, else of the header.

        Errors: `Invalid` where none of them names a channel, `NotFound` for an unknown one.
        """
        wanted, at = self.channel_code if code is None else code, path or ("channel",)
        if wanted is None:
            raise Invalid("Name a channel: in the argument channel, or in the header uriba-channel.", *at)
        if has_control(wanted):
            raise Invalid("This text contains a control character. Remove it.", *at)
        found = await self.hub.channel(wanted)
        if found is None:
            raise NotFound("There is no such channel.", *at)
        return found


class Contexts:
    """Makes the contexts of a hub's requests and WebSockets; implements the engine's `ContextFactory`."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def anonymous(self, websocket: Any) -> Context:
        context = Context.of(self._hub, Actor(Role.ANONYMOUS))
        context.websocket = websocket
        return context

    async def authenticated(self, headers: Mapping[str, Any], *, address: str) -> Context:
        """Return the context of a caller. The channel is the key's own, else that of the header uriba-channel.

        Errors: `Unauthenticated`.
        """
        hub = self._hub
        authorization, code = headers.get("authorization"), headers.get(CHANNEL_HEADER)
        actor = await hub.authenticator.authenticate(authorization, address=address)
        if actor.channel_id is not None:
            code = await hub.channel_code(actor.channel_id)
        elif not isinstance(code, str):
            code = None
        elif not has_control(code) and (known := await hub.channel(code)) is not None:
            actor = replace(actor, channel_id=known.id)
        return Context.of(hub, actor, channel_code=code, authorization=authorization)


Info = strawberry.Info[Context, None]
