"""A second hub on the same database that has the gateway STRIPE, and webhooks as providers send them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import msgspec

from tests.support.api_server import serve
from tests.support.checkout_calls import attempts, cart_to_ship, codes
from tests.support.client import Client
from tests.support.fake_stripe import SECRET_KEY, WEBHOOK_SECRET, FakeStripe
from tests.support.hub import RunningHub, make_settings
from tests.support.shop import Shop, open_shop
from uriba import app, embedded, invariants
from uriba.checkout import completion
from uriba.checkout.completion import Checkout
from uriba.checkout.gateways import ProviderEvent
from uriba.checkout.gateways.configured import gateways
from uriba.checkout.gateways.sandbox_gateway import SIGNATURE_HEADER, sign

CHECKOUT = """mutation ($input: CheckoutInput!) { checkout(input: $input) {
    order { id number paymentStatus payments { method status reference } } action { url clientSecret }
    errors { code message path } } }"""


@asynccontextmanager
async def stripe_hub(
    hub: RunningHub, fake: FakeStripe, engines: embedded.EngineAddresses, folder: Path
) -> AsyncIterator[RunningHub]:
    """Run the hub. At the end its unfinished attempts are swept: the other hub has no STRIPE."""
    settings = make_settings(
        engines,
        folder,
        stripe_secret_key=SECRET_KEY,
        stripe_webhook_secret=WEBHOOK_SECRET,
        stripe_api_base=fake.url,
    )
    checkout = Checkout(hub.database, settings, gateways(hub.database, settings))
    work = replace(hub.work, settings=settings, checkout=checkout)
    async with serve(app.create(settings)) as url:
        yield replace(hub, url=url, settings=settings, work=work)
        async with hub.database.transaction(notify=False) as session:
            await session.run("UPDATE checkout_attempt SET next_at = now() WHERE draft::text LIKE '%STRIPE%'")
        await completion.sweep(checkout)


@asynccontextmanager
async def stripe_shop(
    hub: RunningHub, fake: FakeStripe, engines: embedded.EngineAddresses, folder: Path
) -> AsyncIterator[Shop]:
    """Open a retailer at that hub. At the end all invariants are checked."""
    async with stripe_hub(hub, fake, engines, folder) as running:
        opened = await open_shop(running)
        yield opened
        await opened.close()
    broken = [f for f in await invariants.check(hub.database) if f.rows]
    assert not broken, [(f.invariant.name, f.examples) for f in broken]


async def pay(client: Client, cart: dict[str, Any], method: str, token: str, key: str = "K") -> dict[str, Any]:
    """Call checkout with one payment; return the payload."""
    payment = {"method": method, "token": token, "amount": {"amount": cart["total"]["amount"], "currency": "JPY"}}
    given = {"cartId": cart["id"], "idempotencyKey": key, "payments": [payment]}
    return await client.mutate(CHECKOUT, input=given)


async def cart_of_guest(shop: Shop) -> tuple[Client, dict[str, Any]]:
    """Return a guest with a cart of ¥1,296 that is to be shipped."""
    await shop.receive(TEA_W1=5)
    guest = shop.guest("app")
    return guest, await cart_to_ship(shop, guest, TEA=2)


async def cart_awaiting_customer(shop: Shop, method: str, token: str) -> tuple[Client, dict[str, Any], str]:
    """Return the same once it waits for its customer's second step, with the key of its charge."""
    guest, cart = await cart_of_guest(shop)
    assert codes(await pay(guest, cart, method, token)) == ["PAYMENT_ACTION_REQUIRED"]
    (attempt,) = await attempts(shop, cart)
    return guest, cart, f"{attempt['id']}-0"


async def post_event(
    shop: Shop, provider: str, headers: dict[str, str | bytes], body: bytes, path: str = "events"
) -> httpx.Response:
    """POST to /payments/{provider}/{path}."""
    async with httpx.AsyncClient(timeout=20) as caller:
        url = shop.hub.url.replace("/graphql", f"/payments/{provider}/{path}")
        return await caller.post(url, headers=headers, content=body)  # type: ignore[arg-type]


def signed_sandbox_event(key: str, state: str) -> tuple[dict[str, str | bytes], bytes]:
    """Return the headers and body of an event of the sandbox."""
    body = msgspec.json.encode(ProviderEvent(event=f"{key}:{state}", key=key, kind=state))
    return {SIGNATURE_HEADER: sign(body)}, body
