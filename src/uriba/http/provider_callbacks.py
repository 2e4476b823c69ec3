"""What payment providers tell by themselves.

Nothing is believed but that something happened: the provider is then asked for the charge. A provider repeats what is
not answered with 200, so what was heard before is answered so too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from litestar import Request, Response, post
from litestar.exceptions import ClientException
from litestar.handlers import HTTPRouteHandler

from uriba.checkout.completion import Checkout
from uriba.checkout.gateways import NotGenuine

BODY_SIZE_MAX = 256_000

log = structlog.get_logger()


def provider_callbacks(checkout: Checkout) -> list[HTTPRouteHandler]:
    """POST /payments/{provider}/events, for each provider of this hub."""
    return [_events(checkout, provider) for provider in checkout.gateways]


def _events(checkout: Checkout, provider: str) -> HTTPRouteHandler:
    @post(
        f"/payments/{provider.lower()}/events",
        name=f"events of {provider}",
        status_code=200,
        request_max_body_size=BODY_SIZE_MAX,
    )
    async def events(request: Request[Any, Any, Any]) -> Response[dict[str, bool]]:
        # No signature has other characters than ASCII, and to compare such a one with a genuine one is an error.
        headers = {name: value for name, value in request.headers.items() if value.isascii()}
        return Response({"new": await hear(checkout, provider, headers, await request.body())})

    return events


async def hear(checkout: Checkout, provider: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether this is an event of a charge that was not heard before. Errors: a `ClientException` for a forged one."""
    try:
        event = checkout.gateways[provider].parse_event(headers, body)
    except NotGenuine as error:
        log.warning("event of a payment provider is not genuine", provider=provider)
        raise ClientException("This event is not genuine.") from error
    return event is not None and await checkout.receive(provider, event)
