"""Who may call what: deny by default. A field without a rule does not exist, because these make the fields.

The rules speak of operations only. Whose rows an allowed caller sees is decided by the queries, which take the actor.
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
Follower = Callable[..., AsyncGenerator[Any, None]]


class Rule:
    """The roles that may call; an app needs the scope where one is named."""

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
        """Errors: `Unauthenticated` for a caller without a key where one is needed, `Denied`."""
        if actor.role not in self.roles:
            if actor.role is Role.ANONYMOUS:
                raise Unauthenticated("This needs a key.")
            raise Denied
        if actor.role is Role.APP and self.scope is not None and self.scope not in actor.scopes:
            raise Denied(f"This key lacks the scope {self.scope}.")


PUBLIC = Rule(ANYONE)
SHOPPER = Rule({Role.ANONYMOUS, Role.CUSTOMER, Role.TERMINAL, Role.APP, Role.STAFF})
BUYER = Rule({Role.ANONYMOUS, Role.CUSTOMER, Role.TERMINAL, Role.APP})
TILL = Rule({Role.TERMINAL})
OPERATIONS = Rule({Role.APP, Role.STAFF}, Scope.INVENTORY)
FEED = Rule({Role.APP, Role.STAFF})
SHOP = Rule({Role.TERMINAL, Role.APP, Role.STAFF})
COUNTER = Rule({Role.TERMINAL, Role.STAFF})
MASTER_DATA = Rule({Role.APP, Role.STAFF}, Scope.CATALOG)
CUSTOMER_DESK = Rule({Role.APP, Role.STAFF}, Scope.CUSTOMERS)
STOCK_ROOM = Rule({Role.TERMINAL, Role.APP, Role.STAFF}, Scope.INVENTORY)


def query(rule: Rule, description: str) -> Callable[[Resolver], Any]:
    """A field that reads."""

    def decorate(resolver: Resolver) -> Any:
        @wraps(resolver)
        async def guarded(self: Any, info: Any, **arguments: Any) -> Any:
            rule.check(info.context.actor)
            refuse_controls(arguments)
            return await resolver(self, info, **arguments)

        return strawberry.field(guarded, description=description)

    return decorate


def mutation(rule: Rule, description: str, *, checks_text: bool = True) -> Callable[[Resolver], Any]:
    """A field that changes: a refusal becomes the payload's errors, and nothing has changed then.

    `checks_text`: text with control characters refuses the whole call; a domain that judges row by row does it itself.
    """

    def decorate(resolver: Resolver) -> Any:
        payload = get_type_hints(resolver)["return"]

        @wraps(resolver)
        async def guarded(self: Any, info: Any, **arguments: Any) -> Any:
            rule.check(info.context.actor)
            try:
                if checks_text:
                    refuse_controls(arguments)
                return await _certain(resolver, self, info, arguments)
            except DomainError as error:
                return payload(errors=user_errors(error))

        return strawberry.mutation(guarded, description=description)

    return decorate


def subscription(rule: Rule, description: str) -> Callable[[Follower], Any]:
    """A field that is followed."""

    def decorate(follower: Follower) -> Any:
        @wraps(follower)
        async def guarded(self: Any, info: Any, **arguments: Any) -> AsyncGenerator[Any, None]:
            rule.check(info.context.actor)
            refuse_controls(arguments)
            async with aclosing(follower(self, info, **arguments)) as states:
                async for state in states:
                    yield state

        return strawberry.subscription(guarded, description=description)

    return decorate


async def _certain(resolver: Resolver, root: Any, info: Any, arguments: dict[str, Any]) -> Any:
    """A connection lost at COMMIT leaves the outcome unknown: with a key, asking again finds it out."""
    try:
        return await resolver(root, info, **arguments)
    except OutcomeUnknown:
        given = arguments.get("input")
        if not (arguments.get("idempotency_key") or getattr(given, "idempotency_key", None)):
            raise
        return await resolver(root, info, **arguments)


def refuse_controls(value: object, *path: str) -> None:
    """No text with control characters or NUL enters the hub, whatever the field.

    Errors: `Invalid` with the field's path.
    """
    if isinstance(value, str):
        if text.has_control(value):
            raise Invalid("This holds a control character.", *path)
    elif isinstance(value, dict):
        for key, item in value.items():
            refuse_controls(item, *(path if key == "input" else (*path, _camel(key))))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            refuse_controls(item, *path, str(index))
    elif is_dataclass(value):
        for part in fields(value):
            refuse_controls(getattr(value, part.name), *path, _camel(part.name))


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)
