"""Answers as they come, whatever carries them: of a query or mutation one, of a subscription one after the other."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import msgspec
import structlog
from strawberry.types.execution import ExecutionResult, PreExecutionError

from graphql import GraphQLError
from uriba import logs
from uriba.core.actor import Actor
from uriba.core.errors import Unauthenticated
from uriba.graphql.context import Context, Info
from uriba.graphql.engine.errors import presented
from uriba.graphql.engine.sharing import Failed, Group, Operation, Resync
from uriba.graphql.loaders import Loaders

log = structlog.get_logger()

_encode = msgspec.json.Encoder().encode
_encode_sorted = msgspec.json.Encoder(order="sorted").encode


class Refused(Exception):
    """An operation ends with errors instead of answers."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(errors[0].message)
        self.errors = errors


def operation(query: str, variables: dict[str, Any] | None, name: str | None) -> Operation:
    return Operation(query, variables, name, (query, name, _encode_sorted(variables or {})))


async def answers(schema: Any, context: Context, asked: Operation) -> AsyncGenerator[bytes, None]:
    """Encoded answers. Of a subscription the present state, then news for as long as the caller's key holds.

    Errors: `Refused`.
    """
    context.operation = asked
    again = True
    while again:
        try:
            async with aclosing(_executed(schema, context, asked)) as found:
                async for result in found:
                    payload = encoded(result)
                    if context.member is not None and context.seen is not None:
                        context.member.note(context.seen, payload)
                    yield payload
            again = False
            if context.member is not None:
                async for payload in context.member.news():
                    await _check(context)
                    yield payload
        except Resync:
            again = True
            await _check(context)
            context.renew()
        except Failed as error:
            raise Refused([_presented(error)]) from error
        finally:
            if context.member is not None:
                context.member.leave()
                context.member = None


async def _check(context: Context) -> None:
    """Before each news: the caller's key still holds."""
    try:
        await context.authenticate()
    except Unauthenticated as error:
        raise Refused([_presented(error)]) from error


async def _executed(schema: Any, context: Context, asked: Operation) -> AsyncGenerator[ExecutionResult, None]:
    stream = await schema.stream(
        asked.query, variable_values=asked.variables, context_value=context, operation_name=asked.name
    )
    async with aclosing(stream) as results:
        async for result in results:
            if isinstance(result, PreExecutionError):
                raise Refused(result.errors or [])
            yield result


def encoded(result: ExecutionResult) -> bytes:
    if result.errors:
        return _encode({"data": result.data, "errors": [error.formatted for error in result.errors]})
    return _encode({"data": result.data})


def runner(info: Info) -> Callable[[Group, Actor], Awaitable[None]]:
    """What executes a subscription for its group, under the rights of all its members."""
    schema, asked, hub, code = info.schema, info.context.operation, info.context.hub, info.context.channel_code
    assert asked is not None

    async def run(group: Group, actor: Actor) -> None:
        context = Context(
            hub=hub, actor=actor, loaders=Loaders(hub.database, actor), channel_code=code, group=group, operation=asked
        )
        failed = True
        try:
            async with aclosing(_executed(schema, context, asked)) as results:
                async for result in results:
                    assert context.seen is not None
                    group.tell(context.seen, encoded(result))
            failed = False
        except Exception as error:
            log.warning("following ended", error=repr(error))
        finally:
            group.end(failed=failed)

    return run


def _presented(error: Exception) -> GraphQLError:
    if isinstance(error, Failed):
        reference = logs.fault(error)
        message = f"Something went wrong on our side. Reference: {reference}"
        return GraphQLError(message, extensions={"code": "INTERNAL", "reference": reference})
    return presented(GraphQLError(str(error), original_error=error))
