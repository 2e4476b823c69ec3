"""Endpoints through the API: create one for the length of a test, change it, read its delivery log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.support.client import Client
from tests.support.shop import ERRORS, Shop

ENDPOINT = "endpoint { id url types status pausedReason lagSeconds channel { code } }"
CREATE = f"mutation ($i: EndpointInput!) {{ endpointCreate(input: $i) {{ {ENDPOINT} secret {ERRORS} }} }}"
LOG = """query ($id: ID!) { node(id: $id) { ... on Endpoint { status pausedReason failingSince lagSeconds deliveries(first: 100) {
    edges { node { id attempts status responseCode problem nextAttemptAt firstVersion event { id type subject version data }
        log { responseCode problem tookMs } } } } } } }"""


async def change_endpoint(client: Client, field: str, **given: Any) -> dict[str, Any]:
    """Call one of the mutations that take an endpoint's id, and return its payload."""
    after = ", after: $after" if "after" in given else ""
    kinds = "$id: ID!" + (", $after: String!" if after else "")
    return await client.mutate(f"mutation ({kinds}) {{ {field}(id: $id{after}) {{ {ENDPOINT} {ERRORS} }} }}", **given)


@asynccontextmanager
async def temporary_endpoint(client: Client, url: str, **given: Any) -> AsyncIterator[dict[str, Any]]:
    """Create an endpoint, yield its fields and its secret, and delete it in the end."""
    payload = await client.mutate(CREATE, i={"url": url, **given})
    assert not payload["errors"], payload
    try:
        yield {**payload["endpoint"], "secret": payload["secret"]}
    finally:
        await change_endpoint(client, "endpointDelete", id=payload["endpoint"]["id"])


async def endpoint_log(shop: Shop, id: str) -> dict[str, Any]:
    """Return an endpoint with its deliveries, newest first."""
    found: dict[str, Any] = (await shop.staff.execute(LOG, id=id))["node"]
    return found


async def log_if_all_delivered(shop: Shop, id: str) -> dict[str, Any] | None:
    """Return an endpoint's log once all its deliveries are recorded as delivered, which is after they are received."""
    found = await endpoint_log(shop, id)
    statuses = {edge["node"]["status"] for edge in found["deliveries"]["edges"]}
    return found if statuses == {"DELIVERED"} else None
