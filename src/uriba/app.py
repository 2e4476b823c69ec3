"""The API process: one hub behind litestar."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar, Request, Response
from litestar.config.cors import CORSConfig
from litestar.exceptions import HTTPException

from uriba import logs
from uriba.checkout.completion import Checkout
from uriba.checkout.gateways.configured import gateways
from uriba.config import Settings, settings
from uriba.graphql.context import Contexts
from uriba.graphql.engine.endpoint import error_response, graphiql_page, graphql_endpoint
from uriba.graphql.engine.errors import UNAUTHENTICATED
from uriba.graphql.examples import EXAMPLES
from uriba.graphql.hub import Hub
from uriba.graphql.schema import api_schema
from uriba.http.documents import documents
from uriba.http.exports import exports
from uriba.http.health import health
from uriba.http.metrics import metrics
from uriba.http.provider_callbacks import provider_callbacks
from uriba.http.sandbox_payments import test_payments
from uriba.outbox.database import open_database
from uriba.outbox.hints import COMMITTED, Hints


def create(given: Settings | None = None) -> Litestar:
    """The application; settings from the environment unless given."""
    chosen = given or settings()
    logs.configure(chosen)
    assert chosen.database_url and chosen.valkey_url
    database = open_database(chosen)
    hints = Hints(chosen.valkey_url)
    database.after_commit = lambda: hints.publish(COMMITTED)
    hub = Hub(database, chosen, Checkout(database, chosen, gateways(database, chosen)), hints)
    authenticate = hub.authenticator.authenticate

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        await hub.live_feed.start()
        _settle_memory()
        try:
            yield
        finally:
            await hub.live_feed.stop()
            await hints.close()
            await database.close()

    return Litestar(
        route_handlers=[
            graphql_endpoint(
                api_schema(chosen),
                Contexts(hub),
                graphiql=None if chosen.production else graphiql_page(EXAMPLES),
                allowed_origins=chosen.allowed_origins,
            ),
            documents(database, authenticate),
            exports(database, authenticate),
            health(database),
            metrics(database, chosen, lambda: hub.groups.member_count + hub.live_feed.reader_count),
            *provider_callbacks(hub.checkout),
            *test_payments(hub.checkout),
        ],
        lifespan=[lifespan],
        request_max_body_size=chosen.body_size_max,
        exception_handlers={HTTPException: _refused, Exception: _fault},
        cors_config=CORSConfig(allow_origins=list(chosen.allowed_origins)) if chosen.allowed_origins else None,
        openapi_config=None,
        logging_config=None,
    )


def _settle_memory() -> None:
    """What has been made until now lives as long as the process: the collector need not look at it again and again,
    nor at the young after every few hundred objects, of which one answer has thousands."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _refused(_: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """HTTP's own refusals in the shape of the API's."""
    codes = {
        401: UNAUTHENTICATED,
        403: "FORBIDDEN",
        404: "NOT_FOUND",
        405: "METHOD_NOT_ALLOWED",
        413: "PAYLOAD_TOO_LARGE",
    }
    return error_response(error.detail, codes.get(error.status_code, "BAD_REQUEST"), error.status_code)


def _fault(_: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    reference = logs.fault(error)
    return error_response(f"Something went wrong on our side. Reference: {reference}", "INTERNAL", 500)
