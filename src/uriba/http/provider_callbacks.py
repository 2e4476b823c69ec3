"""Events that payment providers send.

An event is treated as a trigger only: the hub fetches the charge again. Providers repeat an event until it is answered
with 200, so repeated events are answered with 200 too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from litestar import Request, Response, post
from litestar.exceptions import ClientException
from litestar.handlers import HTTPRouteHandler

from uriba.checkout.completion import Checkout
from uriba.checkout.gateways import InvalidSignature

BODY_SIZE_MAX = 256_000

log = structlog.get_logger()


def provider_callbacks(checkout: Checkout) -> list[HTTPRouteHandler]:
    """Return POST /payments/{provider}/events for each payment provider of this hub."""
    return [_events(checkout, provider) for provider in checkout.gateways]


def _events(checkout: Checkout, provider: str) -> HTTPRouteHandler:
    @post(
        f"/payments/{provider.lower()}/events",
        name=f"events of {provider}",
        status_code=200,
        request_max_body_size=BODY_SIZE_MAX,
    )
    async def receive(request: Request[Any, Any, Any]) -> Response[dict[str, bool]]:
        # Signatures are ASCII, and comparing one with a text that is not raises an error.
        headers = {name: value for name, value in request.headers.items() if value.isascii()}
        return Response({"new": await receive_event(checkout, provider, headers, await request.body())})

    return receive


async def receive_event(checkout: Checkout, provider: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Receive an event. Return whether it is a new event of one of the hub's charges.

    Errors: `ClientException` for an event that the provider has not signed.
    """
    try:
        event = checkout.gateways[provider].parse_event(headers, body)
    except InvalidSignature as error:
        log.warning("provider event has no valid signature", provider=provider)
        raise ClientException("This event is not signed by the payment provider.") from error
    return event is not None and await checkout.receive(provider, event)
