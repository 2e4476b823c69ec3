"""Errors at the top of an answer: malformed documents, missing rights, and faults; each with a code."""

from __future__ import annotations

from collections.abc import Iterator

from strawberry.exceptions import MissingQueryError
from strawberry.extensions import SchemaExtension
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.execution import StreamExecutionResult

from graphql import GraphQLError, GraphQLSyntaxError
from uriba import logs
from uriba.core.errors import Denied, DomainError, Unauthenticated

FORBIDDEN = "FORBIDDEN"
UNAUTHENTICATED = "UNAUTHENTICATED"
INTERNAL = "INTERNAL"
PARSE_FAILED = "GRAPHQL_PARSE_FAILED"
VALIDATION_FAILED = "GRAPHQL_VALIDATION_FAILED"
TOO_COMPLEX = "QUERY_TOO_COMPLEX"


def presented(error: GraphQLError) -> GraphQLError:
    """The error as a client may see it."""
    cause = error.original_error
    match cause:
        case Denied():
            return _with(error, FORBIDDEN, str(cause))
        case Unauthenticated():
            return _with(error, UNAUTHENTICATED, str(cause))
        case DomainError():
            problem = cause.problems[0]
            return _with(error, problem.code, problem.message, argument=list(problem.path))
        case MissingQueryError() | CannotGetOperationTypeError() | InvalidOperationTypeError():
            return _with(error, VALIDATION_FAILED, error.message)
        case None | GraphQLError():
            code = PARSE_FAILED if isinstance(error, GraphQLSyntaxError) else VALIDATION_FAILED
            return error if "code" in (error.extensions or {}) else _with(error, code, error.message)
    reference = logs.fault(cause)
    return _with(error, INTERNAL, f"Something went wrong on our side. Reference: {reference}", reference=reference)


def _with(error: GraphQLError, code: str, message: str, **more: object) -> GraphQLError:
    extensions = {"code": code, **{key: value for key, value in more.items() if value}}
    return GraphQLError(message, nodes=error.nodes, path=error.path, extensions=extensions)


class PresentErrors(SchemaExtension):
    """Every error of every answer, over HTTP and WebSocket, passes `presented`."""

    def on_operation(self) -> Iterator[None]:
        yield
        result = self.execution_context.result
        if result is not None and getattr(result, "errors", None):
            result.errors = [presented(error) for error in result.errors]  # type: ignore[union-attr]

    def on_stream_result(self, result: StreamExecutionResult) -> Iterator[None]:
        if errors := getattr(result, "errors", None):
            result.errors = [presented(error) for error in errors]  # type: ignore[union-attr]
        yield
