"""Encoded responses of an operation, for any transport: one of a query or mutation, many of a subscription."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from typing import Any

import msgspec
import structlog
from graphql import GraphQLError
from strawberry.types.execution import ExecutionResult, PreExecutionError

from uriba import logs
from uriba.core.errors import Unauthenticated
from uriba.graphql.engine.errors import INTERNAL, internal_message, public_error
from uriba.graphql.engine.operation import OperationContext, OperationRequest, OperationState
from uriba.graphql.engine.subscription_groups import GroupFailed, ResyncRequired, SubscriptionGroup

log = structlog.get_logger()

_encode = msgspec.json.Encoder().encode


class OperationError(Exception):
    """An operation ends with errors instead of results."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(errors[0].message)
        self.errors = errors


async def encoded_responses(
    schema: Any, context: OperationContext, request: OperationRequest
) -> AsyncGenerator[bytes, None]:
    """Yield the responses of an operation.

    A subscription yields the present state, then each change for as long as the caller's key is valid.

    Errors: `OperationError`.
    """
    operation = context.operation = OperationState(request)
    resync = True
    while resync:
        try:
            async with aclosing(_execute(schema, context, request)) as results:
                async for result in results:
                    payload = encode_result(result)
                    if operation.member is not None and operation.version is not None:
                        operation.member.record_sent(operation.version, payload)
                    yield payload
            resync = False
            if operation.member is not None:
                async for payload in operation.member.payloads():
                    await _check_key(context)
                    yield payload
        except ResyncRequired:
            resync = True
            await _check_key(context)
            context.reset_loaders()
        except GroupFailed as error:
            raise OperationError([_fault(error)]) from error
        finally:
            if operation.member is not None:
                operation.member.leave()
                operation.member = None


async def _check_key(context: OperationContext) -> None:
    try:
        await context.authenticate()
    except Unauthenticated as error:
        raise OperationError([public_error(GraphQLError(str(error), original_error=error))]) from error


async def _execute(
    schema: Any, context: OperationContext, request: OperationRequest
) -> AsyncGenerator[ExecutionResult, None]:
    stream = await schema.stream(
        request.query, variable_values=request.variables, context_value=context, operation_name=request.name
    )
    async with aclosing(stream) as results:
        async for result in results:
            if isinstance(result, PreExecutionError):
                raise OperationError(result.errors or [])
            yield result


def encode_result(result: ExecutionResult) -> bytes:
    if result.errors:
        return _encode({"data": result.data, "errors": [error.formatted for error in result.errors]})
    return _encode({"data": result.data})


def group_runner(schema: Any, context: OperationContext) -> Callable[[SubscriptionGroup], Coroutine[Any, Any, None]]:
    """Return what executes a subscription for its group; `context` is the group's own."""
    operation = context.operation
    assert operation is not None

    async def run_group(group: SubscriptionGroup) -> None:
        operation.group = group
        failed = True
        try:
            async with aclosing(_execute(schema, context, operation.request)) as results:
                async for result in results:
                    assert operation.version is not None
                    group.publish(operation.version, encode_result(result))
            failed = False
        except Exception as error:
            log.warning("subscription group ended with an error", error=repr(error))
        finally:
            group.end(failed=failed)

    return run_group


def _fault(error: GroupFailed) -> GraphQLError:
    reference = logs.log_fault(error)
    return GraphQLError(internal_message(reference), extensions={"code": INTERNAL, "reference": reference})
