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
from uriba.graphql.engine.endpoint import endpoint, refusal
from uriba.graphql.engine.errors import UNAUTHENTICATED
from uriba.graphql.engine.live import Live
from uriba.graphql.hub import Hub
from uriba.graphql.identity import Identity
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
    database.after_commit = lambda: hints.say(COMMITTED)
    identity = Identity(database)
    hub = Hub(
        database=database,
        settings=chosen,
        checkout=Checkout(database, chosen, gateways(database, chosen)),
        identity=identity,
        live=Live(database, hints, poll_s=chosen.live_poll_s, keys_changed=identity.forget),
    )

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        await hub.live.start()
        _settle_memory()
        try:
            yield
        finally:
            await hub.live.stop()
            await hints.close()
            await database.close()

    return Litestar(
        route_handlers=[
            endpoint(hub, chosen),
            documents(database, identity.actor),
            exports(database, identity.actor),
            health(database),
            metrics(database, chosen, lambda: hub.groups.members + hub.live.readers),
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
    return refusal(error.detail, codes.get(error.status_code, "BAD_REQUEST"), error.status_code)


def _fault(_: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    reference = logs.fault(error)
    return refusal(f"Something went wrong on our side. Reference: {reference}", "INTERNAL", 500)
