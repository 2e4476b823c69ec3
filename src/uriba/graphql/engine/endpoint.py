"""The endpoint: POST /graphql, WebSocket and server-sent events on the same path, GraphiQL for browsers."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from contextlib import aclosing
from datetime import timedelta
from typing import Any, ClassVar

import msgspec
from litestar import MediaType, Request, Response, WebSocket, get, post, websocket
from litestar.di import Provide
from litestar.exceptions import WebSocketDisconnect
from litestar.response import Stream
from strawberry.exceptions import ConnectionRejectionError, MissingQueryError
from strawberry.http.exceptions import WebSocketDisconnected
from strawberry.http.ides import get_graphql_ide_html
from strawberry.http.websocket_origin import normalize_allowed_origins
from strawberry.litestar.controller import GraphQLController, LitestarWebSocketAdapter
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import (
    BaseGraphQLTransportWSHandler,
    Operation,
)
from strawberry.subscriptions.protocols.graphql_transport_ws.types import SubscribeMessage
from strawberry.types.graphql import OperationType
from strawberry.types.unset import UNSET, UnsetType

from uriba.core.errors import Code, Unauthenticated
from uriba.graphql.engine import sse
from uriba.graphql.engine.errors import UNAUTHENTICATED, VALIDATION_FAILED, public_error
from uriba.graphql.engine.operation import ContextFactory, OperationContext, OperationRequest
from uriba.graphql.engine.responses import OperationError, encoded_responses
from uriba.graphql.engine.schema import Schema
from uriba.metrics import GRAPHQL_SECONDS

BAD_REQUEST = "BAD_REQUEST"
METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
JSON_TYPES = ("application/json", "application/graphql-response+json")
HTTP_OPERATION_TYPES = {OperationType.QUERY, OperationType.MUTATION}
HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
INIT_TIMEOUT = timedelta(seconds=5)
SUBSCRIPTIONS_PER_SOCKET = 20
CLOSE_BAD_REQUEST = 4400
CLOSE_FORBIDDEN = 4403

_encode = msgspec.json.Encoder().encode


class RequestBody(msgspec.Struct, rename="camel"):
    """The body of GraphQL over HTTP: one operation; batches are refused."""

    query: str
    variables: dict[str, Any] | None = None
    operation_name: str | None = None


class SocketMessage(msgspec.Struct):
    """The fields that every message of a WebSocket may have."""

    type: str
    id: str | None = None


class SubscribePayload(msgspec.Struct):
    """The WebSocket message that begins an operation."""

    id: str
    payload: RequestBody


_decode_body = msgspec.json.Decoder(RequestBody).decode
_decode_message = msgspec.json.Decoder(dict[str, Any]).decode


def json_response(content: object, status: int = 200) -> Response[bytes]:
    return Response(_encode(content), status_code=status, media_type=MediaType.JSON, headers=HEADERS)


def error_response(message: str, code: str, status: int) -> Response[bytes]:
    """Return the response to a request that is not executed."""
    return json_response({"errors": [{"message": message, "extensions": {"code": code}}]}, status)


class WebSocketAdapter(LitestarWebSocketAdapter):
    """Strawberry's adapter, which can also send encoded messages."""

    async def send_text(self, text: str) -> None:
        try:
            await self.ws.send_data(data=text)
        except WebSocketDisconnect as error:
            raise WebSocketDisconnected from error


class WebSocketHandler(BaseGraphQLTransportWSHandler[Any, Any]):
    """Runs each operation of a WebSocket in a context of its own, so that operations share no loaders."""

    websocket: WebSocketAdapter

    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        if self.connection_acknowledged and len(self.operations) >= SUBSCRIPTIONS_PER_SOCKET:
            text = f"A WebSocket may have at most {SUBSCRIPTIONS_PER_SOCKET} operations at a time."
            error: Any = {"message": text, "extensions": {"code": Code.LIMIT_EXCEEDED}}
            await self.send_message({"id": message["id"], "type": "error", "payload": [error]})
        else:
            await super().handle_subscribe(message)

    async def run_operation(self, operation: Operation[Any, Any]) -> None:
        context: OperationContext = self.context
        try:
            await context.authenticate()
        except Unauthenticated:
            await self.websocket.close(code=CLOSE_FORBIDDEN, reason="Forbidden")
            return
        request = OperationRequest.of(operation.query, operation.variables, operation.operation_name)
        prefix = f'{{"id":{_encode(operation.id).decode()},"type":"next","payload":'
        try:
            async with aclosing(encoded_responses(self.schema, context.for_operation(), request)) as responses:
                async for payload in responses:
                    await self.websocket.send_text(f"{prefix}{payload.decode()}}}")
            await operation.send_operation_message({"id": operation.id, "type": "complete"})
        except OperationError as failed:
            await self._send_errors(operation, failed)
        except WebSocketDisconnected:
            return

    async def _send_errors(self, operation: Operation[Any, Any], failed: OperationError) -> None:
        """End the operation with its errors; close the WebSocket for those that the protocol says close it."""
        if reason := self._get_pre_execution_close_reason(failed.errors[0]):
            self.operations.pop(operation.id, None)
            await self.websocket.close(code=CLOSE_BAD_REQUEST, reason=reason)
        else:
            await operation.send_initial_errors(failed.errors)


class GraphQLEndpoint(GraphQLController[Any, Any]):
    """Strawberry's controller with handlers of its own: no thread hop, msgspec, and bodies are checked first."""

    path = "/graphql"
    contexts: ContextFactory
    graphiql: bytes | None
    allow_queries_via_get = False
    protocols = (GRAPHQL_TRANSPORT_WS_PROTOCOL,)
    connection_init_wait_timeout = INIT_TIMEOUT
    graphql_transport_ws_handler_class = WebSocketHandler
    websocket_adapter_class = WebSocketAdapter

    @get(name="graphiql", status_code=200)
    async def handle_http_get(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        if self.graphiql is not None and "text/html" in request.headers.get("accept", ""):
            return Response(self.graphiql, media_type=MediaType.HTML)
        return error_response("Send operations with POST.", METHOD_NOT_ALLOWED, 405)

    @post(name="graphql", status_code=200)
    async def handle_http_post(self, request: Request[Any, Any, Any]) -> Response[bytes] | Stream:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in JSON_TYPES:
            return error_response("Send the operation as application/json.", BAD_REQUEST, 415)
        try:
            body = _decode_body(await request.body())
        except (msgspec.MsgspecError, RecursionError) as error:
            return error_response(f"This body is not a GraphQL request: {error}.", BAD_REQUEST, 400)
        except UnicodeDecodeError:
            return error_response("This body is not UTF-8.", BAD_REQUEST, 400)
        if sse.MEDIA_TYPE in request.headers.get("accept", ""):
            return await self._stream(request, body)
        started = time.perf_counter()
        response = await self._execute(request, body)
        GRAPHQL_SECONDS.labels("error" if "errors" in response else "ok").observe(time.perf_counter() - started)
        return json_response(response)

    # Declared here, not inherited: litestar registers handlers by their qualified names, and a WebSocket handler that
    # comes before two of HTTP on the same path is overwritten by the second.
    @websocket()
    async def websocket_endpoint(self, socket: WebSocket[Any, Any, Any]) -> None:
        """Serve a WebSocket; its caller is anonymous until connection_init carries a key."""
        await self.run(request=socket, context=self.contexts.anonymous(socket), root_value=None)

    async def _execute(self, request: Request[Any, Any, Any], body: RequestBody) -> dict[str, Any]:
        try:
            context = await self.contexts.authenticated(request.headers, address=_address(request))
        except Unauthenticated as error:
            return _errors(str(error), UNAUTHENTICATED)
        try:
            result = await self.schema.execute(
                body.query,
                variable_values=body.variables,
                context_value=context,
                operation_name=body.operation_name,
                allowed_operation_types=HTTP_OPERATION_TYPES,
            )
        except CannotGetOperationTypeError as error:
            return _errors(error.as_http_error_reason(), VALIDATION_FAILED)
        except InvalidOperationTypeError:
            message = "Send subscriptions over WebSocket, or over HTTP with accept: text/event-stream."
            return _errors(message, VALIDATION_FAILED)
        except MissingQueryError:
            return _errors("This request has no query.", VALIDATION_FAILED)
        if result.errors:
            return {"data": result.data, "errors": [public_error(error).formatted for error in result.errors]}
        return {"data": result.data}

    async def _stream(self, request: Request[Any, Any, Any], body: RequestBody) -> Response[bytes] | Stream:
        """Execute the operation, and send its responses as server-sent events."""
        try:
            context = await self.contexts.authenticated(request.headers, address=_address(request))
        except Unauthenticated as error:
            return error_response(str(error), UNAUTHENTICATED, 401)
        requested = OperationRequest.of(body.query, body.variables, body.operation_name)
        events = sse.event_stream(encoded_responses(self.schema, context, requested))
        return Stream(events, media_type=sse.MEDIA_TYPE, headers={**HEADERS, "x-accel-buffering": "no"})

    async def on_ws_connect(self, context: Any) -> UnsetType | dict[str, object] | None:
        """Authenticate a WebSocket: key and channel come with connection_init, else as headers.

        An invalid key closes the WebSocket with 4403.
        """
        params = {name.lower(): value for name, value in (context.connection_params or {}).items()}
        headers = {**context.websocket.headers, **params}
        try:
            found = await self.contexts.authenticated(headers, address=_address(context.websocket))
        except Unauthenticated as error:
            raise ConnectionRejectionError from error
        context.adopt_caller(found)
        return UNSET  # type: ignore[no-any-return]

    def encode_json(self, data: object) -> str | bytes:
        return _encode(data).decode()

    def decode_json(self, data: str | bytes) -> object:
        """Decode a WebSocket message. Anything else closes the WebSocket with 4400."""
        try:
            message = _decode_message(data)
            msgspec.convert(message, SubscribePayload if message.get("type") == "subscribe" else SocketMessage)
            return message
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise json.JSONDecodeError(str(error), "", 0) from error


def _address(connection: Any) -> str:
    return connection.client.host if connection.client else ""


def _errors(message: str, code: str) -> dict[str, Any]:
    return {"data": None, "errors": [{"message": message, "extensions": {"code": code}}]}


def graphql_endpoint(
    schema: Schema, contexts: ContextFactory, *, graphiql: bytes | None, allowed_origins: Sequence[str]
) -> type[GraphQLEndpoint]:
    """Return the endpoint of a schema. `graphiql`: the page for browsers, None for none."""

    class Endpoint(GraphQLEndpoint):
        dependencies: ClassVar[dict[str, Provide]] = {}  # type: ignore[misc]

    Endpoint.schema = schema
    Endpoint.contexts = contexts
    Endpoint.graphiql = graphiql
    Endpoint.allowed_origins = normalize_allowed_origins(allowed_origins)
    return Endpoint


def graphiql_page(example_query: str) -> bytes:
    """Return strawberry's GraphiQL page, opened with an example; browsers load GraphiQL itself from a public CDN."""
    page = get_graphql_ide_html("graphiql")
    return re.sub(
        r"const EXAMPLE_QUERY = `.*?`", lambda _: f"const EXAMPLE_QUERY = `{example_query}`", page, flags=re.S
    ).encode()
