"""Permissions of root fields: denied by default, because every root field is made by a decorator that takes one.

A permission decides whether a caller may use an operation at all. Which rows it may see is decided by the queries,
which take the actor.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import Any, get_type_hints

import strawberry

from uriba.core import text
from uriba.core.actor import ANYONE, Actor, Role, Scope
from uriba.core.errors import Denied, DomainError, Invalid, Unauthenticated
from uriba.db.session import OutcomeUnknown
from uriba.graphql.scalars import user_errors

Resolver = Callable[..., Awaitable[Any]]
SubscriptionResolver = Callable[..., AsyncGenerator[Any, None]]


class Permission:
    """The roles that may use an operation; apps also need the scope, where there is one."""

    def __init__(self, roles: Iterable[Role], scope: Scope | None = None) -> None:
        self.roles = frozenset(roles)
        self.scope = scope
        assert self.roles

    def allows(self, actor: Actor) -> bool:
        try:
            self.check(actor)
        except (Denied, Unauthenticated):
            return False
        return True

    def check(self, actor: Actor) -> None:
        """Check that a caller has the permission.

        Errors: `Unauthenticated` for a caller without a key, `Denied` for any other.
        """
        if actor.role not in self.roles:
            if actor.role is Role.ANONYMOUS:
                raise Unauthenticated("This operation needs a key.")
            raise Denied
        if actor.role is Role.APP and self.scope is not None and self.scope not in actor.scopes:
            raise Denied(f"This key lacks the scope {self.scope}.")


# Named after the callers that they allow. RETAILER: terminals, apps and staff. SCOPE: apps with the scope, and staff.
PUBLIC = Permission(ANYONE)
ANY_CALLER = Permission({Role.ANONYMOUS, Role.CUSTOMER, Role.TERMINAL, Role.APP, Role.STAFF})
BUYER = Permission({Role.ANONYMOUS, Role.CUSTOMER, Role.TERMINAL, Role.APP})
TERMINAL = Permission({Role.TERMINAL})
INVENTORY_SCOPE = Permission({Role.APP, Role.STAFF}, Scope.INVENTORY)
APP_OR_STAFF = Permission({Role.APP, Role.STAFF})
RETAILER = Permission({Role.TERMINAL, Role.APP, Role.STAFF})
TERMINAL_OR_STAFF = Permission({Role.TERMINAL, Role.STAFF})
CATALOG_SCOPE = Permission({Role.APP, Role.STAFF}, Scope.CATALOG)
CUSTOMERS_SCOPE = Permission({Role.APP, Role.STAFF}, Scope.CUSTOMERS)
TERMINAL_OR_INVENTORY_SCOPE = Permission({Role.TERMINAL, Role.APP, Role.STAFF}, Scope.INVENTORY)


def query(permission: Permission, description: str) -> Callable[[Resolver], Any]:
    """Make a field of the root type Query."""

    def decorate(resolver: Resolver) -> Any:
        @wraps(resolver)
        async def guarded(self: Any, info: Any, **arguments: Any) -> Any:
            permission.check(info.context.actor)
            reject_control_characters(arguments)
            return await resolver(self, info, **arguments)

        return strawberry.field(guarded, description=description)

    return decorate


def mutation(permission: Permission, description: str, *, checks_text: bool = True) -> Callable[[Resolver], Any]:
    """Make a field of the root type Mutation. A refusal becomes the payload's errors; nothing was changed then.

    `checks_text`: refuse the whole call for a text with control characters. False where a domain checks row by row.
    """

    def decorate(resolver: Resolver) -> Any:
        payload = get_type_hints(resolver)["return"]

        @wraps(resolver)
        async def guarded(self: Any, info: Any, **arguments: Any) -> Any:
            permission.check(info.context.actor)
            try:
                if checks_text:
                    reject_control_characters(arguments)
                return await _retry_unknown_outcome(resolver, self, info, arguments)
            except DomainError as error:
                return payload(errors=user_errors(error))

        return strawberry.mutation(guarded, description=description)

    return decorate


def subscription(permission: Permission, description: str) -> Callable[[SubscriptionResolver], Any]:
    """Make a field of the root type Subscription."""

    def decorate(resolver: SubscriptionResolver) -> Any:
        @wraps(resolver)
        async def guarded(self: Any, info: Any, **arguments: Any) -> AsyncGenerator[Any, None]:
            permission.check(info.context.actor)
            reject_control_characters(arguments)
            async with aclosing(resolver(self, info, **arguments)) as states:
                async for state in states:
                    yield state

        return strawberry.subscription(guarded, description=description)

    return decorate


async def _retry_unknown_outcome(resolver: Resolver, root: Any, info: Any, arguments: dict[str, Any]) -> Any:
    """Call a resolver; call it again where its connection was lost at COMMIT, so that the outcome is unknown.

    With an idempotency key the second call returns the first one's answer, if that was committed. Without a key the
    error is raised.
    """
    try:
        return await resolver(root, info, **arguments)
    except OutcomeUnknown:
        input_value = arguments.get("input")
        if not (arguments.get("idempotency_key") or getattr(input_value, "idempotency_key", None)):
            raise
        return await resolver(root, info, **arguments)


def reject_control_characters(value: object, *path: str) -> None:
    """Check that no text within a value contains a control character or NUL.

    Errors: `Invalid` with the field's path.
    """
    if isinstance(value, str):
        if text.has_control(value):
            raise Invalid("This text contains a control character. Remove it.", *path)
    elif isinstance(value, dict):
        for key, item in value.items():
            reject_control_characters(item, *(path if key == "input" else (*path, _camel(key))))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            reject_control_characters(item, *path, str(index))
    elif is_dataclass(value):
        for part in fields(value):
            reject_control_characters(getattr(value, part.name), *path, _camel(part.name))


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)
