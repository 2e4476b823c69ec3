"""The second step of the provider TEST: the page that a bank would show. Only where that provider is."""

from __future__ import annotations

from html import escape
from typing import Annotated, Any

import msgspec
from litestar import MediaType, Response, get, post
from litestar.enums import RequestEncodingType
from litestar.exceptions import ClientException, NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.params import Body, FromPath

from uriba.checkout.completion import Checkout
from uriba.checkout.gateways import ProviderEvent
from uriba.checkout.gateways.sandbox_charges import Shown, look
from uriba.checkout.gateways.sandbox_gateway import SIGNATURE, TestProvider, sign
from uriba.core.money import Money
from uriba.core.text import has_control
from uriba.http.provider_callbacks import hear

TEST = "TEST"

FORM_SIZE_MAX = 1_000

CHOICES = {"approve": True, "refuse": False}

HEADERS = {
    "content-security-policy": "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Payment for testing</title>
<h1>{amount}</h1>
<p>{told}</p>
{form}</html>
"""
FORM = """<form method="post">
<button name="decision" value="approve">Approve</button>
<button name="decision" value="refuse">Refuse</button>
</form>
"""


def test_payments(checkout: Checkout) -> list[HTTPRouteHandler]:
    """GET and POST /payments/test/{key}, where this hub has the provider TEST."""
    provider = checkout.gateways.get(TEST)
    return [_page(checkout), _decision(checkout, provider)] if isinstance(provider, TestProvider) else []


def _page(checkout: Checkout) -> HTTPRouteHandler:
    @get("/payments/test/{key:str}")
    async def page(key: FromPath[str]) -> Response[str]:
        return Response(_shown(await _look(checkout, key)), media_type=MediaType.HTML, headers=HEADERS)

    return page


def _decision(checkout: Checkout, provider: TestProvider) -> HTTPRouteHandler:
    @post("/payments/test/{key:str}", request_max_body_size=FORM_SIZE_MAX)
    async def decision(
        key: FromPath[str], data: Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)]
    ) -> Response[str]:
        await _look(checkout, key)
        approved = CHOICES.get(str(data.get("decision")))
        if approved is None:
            raise ClientException("Decide: approve or refuse.")
        if await provider.decide(key=key, approved=approved) is not None:
            await _tell(checkout, await _look(checkout, key))
        there = {"location": f"/payments/test/{key}"}
        return Response("", status_code=303, media_type=MediaType.TEXT, headers={**HEADERS, **there})

    return decision


async def _look(checkout: Checkout, key: str) -> Shown:
    async with checkout.database.reading() as session:
        found = None if has_control(key) else await look(session, key=key)
    if found is None:
        raise NotFoundException("There is no such payment.")
    return found


async def _tell(checkout: Checkout, shown: Shown) -> None:
    """Tell the hub as any provider does: by a signed event that it hears where it hears all of them."""
    event = ProviderEvent(event=f"{shown.key}:{shown.status}", key=shown.key, kind=shown.status)
    body = msgspec.json.encode(event)
    await hear(checkout, TEST, {SIGNATURE: sign(body)}, body)


def _shown(shown: Shown) -> str:
    told = {"VOIDED": "This payment was refused or called off."}.get(shown.status, "This payment was approved.")
    if shown.waits:
        told = "Nobody is charged: this stands for the page of a bank."
    amount = "Payment" if shown.status == "VOIDED" else str(Money(shown.amount_minor, shown.currency))
    return PAGE.format(amount=escape(amount), told=told, form=FORM if shown.waits else "")
