"""The application that an API process serves: the hub behind litestar."""

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
from uriba.config import Settings, process_settings
from uriba.core.errors import NotInstalled
from uriba.graphql.context import Contexts
from uriba.graphql.engine.endpoint import error_response, graphiql_page, graphql_endpoint
from uriba.graphql.engine.errors import UNAUTHENTICATED
from uriba.graphql.engine.schema import Schema
from uriba.graphql.examples import EXAMPLES
from uriba.graphql.hub import Hub
from uriba.graphql.schema import api_schema
from uriba.http.documents import documents
from uriba.http.exports import exports
from uriba.http.health import health
from uriba.http.metrics import metrics
from uriba.http.provider_callbacks import provider_callbacks
from uriba.http.sandbox_payments import sandbox_payments
from uriba.outbox.database import open_database
from uriba.outbox.hints import COMMITTED, Hints


def create(settings: Settings | None = None, schema: Schema | None = None) -> Litestar:
    """Create the application; by default with the settings of this process, and a schema that is built for them."""
    settings = settings or process_settings()
    logs.configure(settings)
    assert settings.database_url and settings.valkey_url
    database = open_database(settings)
    hints = Hints(settings.valkey_url)
    database.after_commit = lambda: hints.publish(COMMITTED)
    hub = Hub(database, settings, Checkout(database, settings, gateways(database, settings)), hints)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        await hub.live_feed.start()
        _tune_garbage_collector()
        try:
            yield
        finally:
            await hub.live_feed.stop()
            await hints.close()
            await database.close()

    return Litestar(
        route_handlers=[
            graphql_endpoint(
                schema or api_schema(settings),
                Contexts(hub),
                graphiql=None if settings.production else graphiql_page(EXAMPLES),
                allowed_origins=settings.allowed_origins,
            ),
            documents(database, hub.authenticator),
            exports(database, hub.authenticator),
            health(database),
            metrics(database, settings, lambda: hub.groups.member_count + hub.live_feed.reader_count),
            *provider_callbacks(hub.checkout),
            *sandbox_payments(hub.checkout),
        ],
        lifespan=[lifespan],
        request_max_body_size=settings.body_size_max,
        exception_handlers={HTTPException: _http_error, NotInstalled: _not_installed, Exception: _internal_error},
        cors_config=CORSConfig(allow_origins=list(settings.allowed_origins)) if settings.allowed_origins else None,
        openapi_config=None,
        logging_config=None,
    )


def _tune_garbage_collector() -> None:
    """Exclude the objects made so far from collection, and collect less often.

    Schema and plans live as long as the process, and one response creates thousands of objects.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _http_error(_: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Return an error of HTTP, such as an unknown path, in the format of the API's errors."""
    codes = {
        401: UNAUTHENTICATED,
        403: "FORBIDDEN",
        404: "NOT_FOUND",
        405: "METHOD_NOT_ALLOWED",
        413: "PAYLOAD_TOO_LARGE",
    }
    return error_response(error.detail, codes.get(error.status_code, "BAD_REQUEST"), error.status_code)


def _not_installed(_: Request[Any, Any, Any], error: NotInstalled) -> Response[bytes]:
    """Say which optional part the request needs, with the status Not Implemented."""
    return error_response(str(error), error.code, 501)


def _internal_error(_: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Log a fault, and tell the caller its reference only."""
    reference = logs.log_fault(error)
    return error_response(f"Something went wrong on our side. Reference: {reference}", "INTERNAL", 500)
