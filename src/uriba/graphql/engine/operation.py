"""An operation as the engine sees it: what was requested, how far it is, and what the engine needs of its context.

The application's context (`uriba.graphql.context`) implements `OperationContext`; the engine does not import it.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, Self

import msgspec

from uriba.core.actor import Actor
from uriba.graphql.engine.live_feed import LiveFeed
from uriba.graphql.engine.subscription_groups import (
    GroupMember,
    SubjectVersion,
    SubscriptionGroup,
    SubscriptionGroups,
)

_encode_sorted = msgspec.json.Encoder(order="sorted").encode


class OperationRequest(NamedTuple):
    """The request of a client. `key` is equal for equal requests."""

    query: str
    variables: dict[str, Any] | None
    name: str | None
    key: Hashable

    @classmethod
    def of(cls, query: str, variables: dict[str, Any] | None, name: str | None) -> OperationRequest:
        return cls(query, variables, name, (query, name, _encode_sorted(variables or {})))


@dataclass(slots=True)
class OperationState:
    """How far a streamed operation is.

    `member`: the caller's place in the group that it has joined. `group`: set in the group's own execution only.
    `version`: what the state is of that was resolved last.
    """

    request: OperationRequest
    member: GroupMember | None = None
    group: SubscriptionGroup | None = None
    version: SubjectVersion | None = None


class OperationContext(Protocol):
    """The context of an operation, or of a WebSocket before its first operation."""

    actor: Actor
    channel_code: str | None
    connection_params: dict[str, Any] | None
    operation: OperationState | None

    @property
    def live_feed(self) -> LiveFeed: ...

    @property
    def groups(self) -> SubscriptionGroups: ...

    async def authenticate(self) -> None:
        """Check that the caller's key is still valid.

        Errors: `Unauthenticated`.
        """
        ...

    def reset_loaders(self) -> None:
        """Forget what was loaded, so that the next fields read the newest rows."""
        ...

    def adopt_caller(self, other: Any) -> None:
        """Take over the caller, its channel and its key from another context."""
        ...

    def for_operation(self) -> Self:
        """Return a context for one more operation of the same caller, with loaders of its own."""
        ...

    def for_group(self, actor: Actor) -> Self:
        """Return a context for a group's execution: this context's channel, another actor, and no key."""
        ...


class ContextFactory(Protocol):
    """Makes the contexts of requests and WebSockets."""

    def anonymous(self, websocket: Any) -> OperationContext:
        """Return the context of a WebSocket before connection_init."""
        ...

    async def authenticated(self, headers: Mapping[str, Any], *, address: str) -> OperationContext:
        """Return the context of a caller, from its headers or what replaces them in connection_init.

        Errors: `Unauthenticated`.
        """
        ...
