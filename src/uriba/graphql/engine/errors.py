"""Top-level errors of a response: invalid documents, missing rights, and faults; each with a code."""

from __future__ import annotations

from collections.abc import Iterator

from graphql import GraphQLError, GraphQLSyntaxError
from strawberry.exceptions import MissingQueryError
from strawberry.extensions import SchemaExtension
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.execution import StreamExecutionResult

from uriba import logs
from uriba.core.errors import Denied, DomainError, Unauthenticated

FORBIDDEN = "FORBIDDEN"
UNAUTHENTICATED = "UNAUTHENTICATED"
INTERNAL = "INTERNAL"
PARSE_FAILED = "GRAPHQL_PARSE_FAILED"
VALIDATION_FAILED = "GRAPHQL_VALIDATION_FAILED"
TOO_COMPLEX = "QUERY_TOO_COMPLEX"


def public_error(error: GraphQLError) -> GraphQLError:
    """Return the error as a client may see it; log a fault, and give only its reference."""
    cause = error.original_error
    match cause:
        case Denied():
            return _with_code(error, FORBIDDEN, str(cause))
        case Unauthenticated():
            return _with_code(error, UNAUTHENTICATED, str(cause))
        case DomainError():
            problem = cause.problems[0]
            return _with_code(error, problem.code, problem.message, argument=list(problem.path))
        case MissingQueryError() | CannotGetOperationTypeError() | InvalidOperationTypeError():
            return _with_code(error, VALIDATION_FAILED, error.message)
        case None | GraphQLError():
            code = PARSE_FAILED if isinstance(error, GraphQLSyntaxError) else VALIDATION_FAILED
            return error if "code" in (error.extensions or {}) else _with_code(error, code, error.message)
    reference = logs.log_fault(cause)
    return _with_code(error, INTERNAL, internal_message(reference), reference=reference)


def internal_message(reference: str) -> str:
    """Return the message of a fault."""
    return f"Something went wrong on our side. Reference: {reference}"


def _with_code(error: GraphQLError, code: str, message: str, **more: object) -> GraphQLError:
    extensions = {"code": code, **{key: value for key, value in more.items() if value}}
    return GraphQLError(message, nodes=error.nodes, path=error.path, extensions=extensions)


class PublicErrors(SchemaExtension):
    """Replaces every error of every response, over HTTP and WebSocket, by its `public_error`."""

    def on_operation(self) -> Iterator[None]:
        yield
        result = self.execution_context.result
        if result is not None and getattr(result, "errors", None):
            result.errors = [public_error(error) for error in result.errors]  # type: ignore[union-attr]

    def on_stream_result(self, result: StreamExecutionResult) -> Iterator[None]:
        if errors := getattr(result, "errors", None):
            result.errors = [public_error(error) for error in errors]  # type: ignore[union-attr]
        yield
