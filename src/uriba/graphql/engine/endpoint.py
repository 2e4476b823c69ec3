"""The endpoint: POST /graphql, WebSocket on the same path, GraphiQL for browsers in development."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import replace
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

from uriba.config import Settings
from uriba.core.actor import Actor, Role
from uriba.core.errors import Code, Unauthenticated
from uriba.core.text import has_control
from uriba.graphql.context import Context
from uriba.graphql.engine import sse, streams
from uriba.graphql.engine.errors import UNAUTHENTICATED, VALIDATION_FAILED, presented
from uriba.graphql.examples import EXAMPLES
from uriba.graphql.hub import Hub
from uriba.graphql.loaders import Loaders
from uriba.graphql.schema import make
from uriba.metrics import GRAPHQL_SECONDS

CHANNEL_HEADER = "uriba-channel"
BAD_REQUEST = "BAD_REQUEST"
METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
JSON_TYPES = ("application/json", "application/graphql-response+json")
BY_HTTP = {OperationType.QUERY, OperationType.MUTATION}
HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
INIT_TIMEOUT = timedelta(seconds=5)
SUBSCRIPTIONS_PER_SOCKET = 20
BAD_CLOSE = 4400
FORBIDDEN_CLOSE = 4403

_encode = msgspec.json.Encoder().encode


class Body(msgspec.Struct, rename="camel"):
    """GraphQL over HTTP: one operation; batches are refused."""

    query: str
    variables: dict[str, Any] | None = None
    operation_name: str | None = None


class Message(msgspec.Struct):
    """A socket's message, as far as every kind has it."""

    type: str
    id: str | None = None


class Subscribe(msgspec.Struct):
    """A socket's message that begins an operation."""

    id: str
    payload: Body


_decode_body = msgspec.json.Decoder(Body).decode
_decode_message = msgspec.json.Decoder(dict[str, Any]).decode


def answer(content: object, status: int = 200) -> Response[bytes]:
    return Response(_encode(content), status_code=status, media_type=MediaType.JSON, headers=HEADERS)


def refusal(message: str, code: str, status: int) -> Response[bytes]:
    """An answer without any execution."""
    return answer({"errors": [{"message": message, "extensions": {"code": code}}]}, status)


async def identify(hub: Hub, connection: Any, said: Mapping[str, Any]) -> Context:
    """The context of a caller: a key's own channel, else the one that the caller says.

    `said` are headers, or what stands for them where a browser cannot send any. Errors: `Unauthenticated`.
    """
    address = connection.client.host if connection.client else ""
    authorization, code = said.get("authorization"), said.get(CHANNEL_HEADER)
    actor = await hub.identity.actor(authorization, address=address)
    if actor.channel_id is not None:
        code = await hub.channel_code(actor.channel_id)
    elif not isinstance(code, str):
        code = None
    elif not has_control(code) and (known := await hub.channel(code)) is not None:
        actor = replace(actor, channel_id=known.id)
    return context_of(hub, actor, channel_code=code, authorization=authorization)


def context_of(hub: Hub, actor: Actor, *, channel_code: str | None = None, authorization: str | None = None) -> Context:
    return Context(
        hub=hub,
        actor=actor,
        loaders=Loaders(hub.database, actor),
        channel_code=channel_code,
        authorization=authorization,
    )


class Socket(LitestarWebSocketAdapter):
    """A socket that also sends what is encoded already."""

    async def send_text(self, text: str) -> None:
        try:
            await self.ws.send_data(data=text)
        except WebSocketDisconnect as error:
            raise WebSocketDisconnected from error


class SocketHandler(BaseGraphQLTransportWSHandler[Any, Any]):
    """Each operation of a socket has loaders of its own: what one has read, another never shows."""

    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        if self.connection_acknowledged and len(self.operations) >= SUBSCRIPTIONS_PER_SOCKET:
            sentence = f"At most {SUBSCRIPTIONS_PER_SOCKET} operations at once on one socket."
            problem: Any = {"message": sentence, "extensions": {"code": Code.LIMIT_EXCEEDED}}
            await self.send_message({"id": message["id"], "type": "error", "payload": [problem]})
        else:
            await super().handle_subscribe(message)

    async def run_operation(self, operation: Operation[Any, Any]) -> None:
        context: Context = self.context
        try:
            await context.authenticate()
        except Unauthenticated:
            await self.websocket.close(code=FORBIDDEN_CLOSE, reason="Forbidden")
            return
        alone = context_of(
            context.hub,
            context.actor,
            channel_code=context.channel_code,
            authorization=context.authorization,
        )
        asked = streams.operation(operation.query, operation.variables, operation.operation_name)
        begin = f'{{"id":{_encode(operation.id).decode()},"type":"next","payload":'
        try:
            async with aclosing(streams.answers(self.schema, alone, asked)) as answers:
                async for payload in answers:
                    await self.websocket.send_text(f"{begin}{payload.decode()}}}")
            await operation.send_operation_message({"id": operation.id, "type": "complete"})
        except streams.Refused as refused:
            await self._refuse(operation, refused)
        except WebSocketDisconnected:
            return

    websocket: Socket

    async def _refuse(self, operation: Operation[Any, Any], refused: streams.Refused) -> None:
        """What cannot even be read closes the socket, as the protocol says; else the operation ends with its errors."""
        if reason := self._get_pre_execution_close_reason(refused.errors[0]):
            self.operations.pop(operation.id, None)
            await self.websocket.close(code=BAD_CLOSE, reason=reason)
        else:
            await operation.send_initial_errors(refused.errors)


class Endpoint(GraphQLController[Any, Any]):
    """Strawberry's controller with our own way through HTTP: no thread hop, msgspec, bodies checked first."""

    path = "/graphql"
    hub: Hub
    ide: bytes | None
    allow_queries_via_get = False
    protocols = (GRAPHQL_TRANSPORT_WS_PROTOCOL,)
    connection_init_wait_timeout = INIT_TIMEOUT
    graphql_transport_ws_handler_class = SocketHandler
    websocket_adapter_class = Socket

    @get(name="graphiql", status_code=200)
    async def handle_http_get(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        if self.ide is not None and "text/html" in request.headers.get("accept", ""):
            return Response(self.ide, media_type=MediaType.HTML)
        return refusal("Send operations with POST.", METHOD_NOT_ALLOWED, 405)

    @post(name="graphql", status_code=200)
    async def handle_http_post(self, request: Request[Any, Any, Any]) -> Response[bytes] | Stream:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in JSON_TYPES:
            return refusal("Send the operation as application/json.", BAD_REQUEST, 415)
        try:
            body = _decode_body(await request.body())
        except (msgspec.MsgspecError, RecursionError) as error:
            return refusal(f"This body is no GraphQL request: {error}.", BAD_REQUEST, 400)
        except UnicodeDecodeError:
            return refusal("This body is not UTF-8.", BAD_REQUEST, 400)
        if sse.MEDIA_TYPE in request.headers.get("accept", ""):
            return await self._stream(request, body)
        began = time.perf_counter()
        response = await self._execute(request, body)
        GRAPHQL_SECONDS.labels("error" if "errors" in response else "ok").observe(time.perf_counter() - began)
        return answer(response)

    # Declared here, not inherited: litestar registers handlers by their qualified names, and a socket's that
    # comes before two of HTTP on the same path is overwritten by the second.
    @websocket()
    async def websocket_endpoint(self, socket: WebSocket[Any, Any, Any]) -> None:
        """Nobody is known until connection_init brings a key."""
        context = context_of(self.hub, Actor(Role.ANONYMOUS))
        context.websocket = socket
        await self.run(request=socket, context=context, root_value=None)

    async def _execute(self, request: Request[Any, Any, Any], body: Body) -> dict[str, Any]:
        try:
            context = await identify(self.hub, request, request.headers)
        except Unauthenticated as error:
            return {
                "data": None,
                "errors": [{"message": str(error), "extensions": {"code": UNAUTHENTICATED}}],
            }
        try:
            result = await self.schema.execute(
                body.query,
                variable_values=body.variables,
                context_value=context,
                operation_name=body.operation_name,
                allowed_operation_types=BY_HTTP,
            )
        except CannotGetOperationTypeError as error:
            return _invalid(error.as_http_error_reason())
        except InvalidOperationTypeError:
            return _invalid("Subscriptions go over WebSocket, or over HTTP with accept: text/event-stream.")
        except MissingQueryError:
            return _invalid("There is no query in this request.")
        if result.errors:
            return {"data": result.data, "errors": [presented(error).formatted for error in result.errors]}
        return {"data": result.data}

    async def _stream(self, request: Request[Any, Any, Any], body: Body) -> Response[bytes] | Stream:
        """The answers as server-sent events."""
        try:
            context = await identify(self.hub, request, request.headers)
        except Unauthenticated as error:
            return refusal(str(error), UNAUTHENTICATED, 401)
        asked = streams.operation(body.query, body.variables, body.operation_name)
        frames = sse.events(streams.answers(self.schema, context, asked))
        return Stream(frames, media_type=sse.MEDIA_TYPE, headers={**HEADERS, "x-accel-buffering": "no"})

    async def on_ws_connect(self, context: Context) -> UnsetType | dict[str, object] | None:
        """Key and channel come with connection_init, else as headers; a wrong key closes the socket with 4403."""
        assert context.websocket is not None
        given = {name.lower(): value for name, value in (context.connection_params or {}).items()}
        try:
            found = await identify(self.hub, context.websocket, {**context.websocket.headers, **given})
        except Unauthenticated as error:
            raise ConnectionRejectionError from error
        context.actor, context.loaders = found.actor, found.loaders
        context.channel_code, context.authorization = found.channel_code, found.authorization
        return UNSET  # type: ignore[no-any-return]

    def encode_json(self, data: object) -> str | bytes:
        return _encode(data).decode()

    def decode_json(self, data: str | bytes) -> object:
        """A socket's message. What is none closes the socket with 4400."""
        try:
            message = _decode_message(data)
            msgspec.convert(message, Subscribe if message.get("type") == "subscribe" else Message)
            return message
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise json.JSONDecodeError(str(error), "", 0) from error


def _invalid(message: str) -> dict[str, Any]:
    return {"data": None, "errors": [{"message": message, "extensions": {"code": VALIDATION_FAILED}}]}


def endpoint(hub: Hub, settings: Settings) -> type[Endpoint]:
    """The endpoint of one hub."""

    class HubEndpoint(Endpoint):
        dependencies: ClassVar[dict[str, Provide]] = {}  # type: ignore[misc]

    HubEndpoint.hub = hub
    HubEndpoint.schema = make(settings)
    HubEndpoint.ide = None if settings.production else _graphiql()
    HubEndpoint.allowed_origins = normalize_allowed_origins(settings.allowed_origins)
    return HubEndpoint


def _graphiql() -> bytes:
    """Strawberry's GraphiQL page with examples of ours; the browser fetches GraphiQL itself from its public CDN."""
    page = get_graphql_ide_html("graphiql")
    return re.sub(
        r"const EXAMPLE_QUERY = `.*?`", lambda _: f"const EXAMPLE_QUERY = `{EXAMPLES}`", page, flags=re.S
    ).encode()
