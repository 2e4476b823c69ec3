"""The customer's second step of a sandbox payment: the page that a bank would show.

Only hubs with the sandbox gateway have it.
"""

from __future__ import annotations

from html import escape
from typing import Annotated, Any

from litestar import MediaType, Response, get, post
from litestar.enums import RequestEncodingType
from litestar.exceptions import ClientException, NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.params import Body, FromPath

from uriba.checkout.completion import Checkout
from uriba.checkout.gateways.sandbox_charges import SandboxCharge, find_charge, signed_event
from uriba.checkout.gateways.sandbox_gateway import SandboxGateway
from uriba.core.money import Money
from uriba.http.provider_callbacks import receive_event

PROVIDER = "TEST"

FORM_SIZE_MAX = 1_000

DECISIONS = {"approve": True, "refuse": False}

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
<title>Test payment</title>
<h1>{amount}</h1>
<p>{message}</p>
{form}</html>
"""
FORM = """<form method="post">
<button name="decision" value="approve">Approve</button>
<button name="decision" value="refuse">Refuse</button>
</form>
"""


def sandbox_payments(checkout: Checkout) -> list[HTTPRouteHandler]:
    """Return GET and POST /payments/test/{key}; none on a hub without the sandbox gateway."""
    gateway = checkout.gateways.get(PROVIDER)
    return [_page(checkout), _decision(checkout, gateway)] if isinstance(gateway, SandboxGateway) else []


def _page(checkout: Checkout) -> HTTPRouteHandler:
    @get("/payments/test/{key:str}")
    async def page(key: FromPath[str]) -> Response[str]:
        return Response(_render(await _find(checkout, key)), media_type=MediaType.HTML, headers=HEADERS)

    return page


def _decision(checkout: Checkout, gateway: SandboxGateway) -> HTTPRouteHandler:
    @post("/payments/test/{key:str}", request_max_body_size=FORM_SIZE_MAX)
    async def decide(
        key: FromPath[str], data: Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)]
    ) -> Response[str]:
        await _find(checkout, key)
        approved = DECISIONS.get(str(data.get("decision")))
        if approved is None:
            raise ClientException("The decision must be approve or refuse.")
        if await gateway.decide(key=key, approved=approved):
            headers, body = signed_event(await _find(checkout, key))
            await receive_event(checkout, PROVIDER, headers, body)
        location = {"location": f"/payments/test/{key}"}
        return Response("", status_code=303, media_type=MediaType.TEXT, headers={**HEADERS, **location})

    return decide


async def _find(checkout: Checkout, key: str) -> SandboxCharge:
    async with checkout.database.reading() as session:
        charge = await find_charge(session, key=key)
    if charge is None:
        raise NotFoundException("There is no such payment.")
    return charge


def _render(charge: SandboxCharge) -> str:
    amount = "Payment" if charge.voided else str(Money(charge.amount_minor, charge.currency))
    if charge.awaits_decision:
        message = "This page simulates the page of a bank. No money is charged."
    elif charge.voided:
        message = "This payment was refused or cancelled."
    else:
        message = "This payment was approved."
    return PAGE.format(amount=escape(amount), message=message, form=FORM if charge.awaits_decision else "")
