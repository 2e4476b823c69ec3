"""Requests for exports over HTTP, and orders to export."""

from __future__ import annotations

import csv
import io
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq

from tests.support.client import Client
from tests.support.shop import ADDRESS, Shop


def export_url(client: Client, name: str) -> str:
    return client.url.replace("/graphql", f"/exports/{name}")


async def get_export(client: Client, name: str, **filters: str) -> httpx.Response:
    """Return the response, whatever its status."""
    return await client.http.get(export_url(client, name), params=filters)


async def csv_rows(client: Client, subject: str, **filters: str) -> list[dict[str, str]]:
    """Return the rows of a table, exported as CSV."""
    response = await get_export(client, f"{subject}.csv", **filters)
    assert response.status_code == 200, response.text
    return parse_csv(response.content)


async def parquet_table(client: Client, subject: str, **filters: str) -> pa.Table:
    """Return a table, exported as Parquet."""
    response = await get_export(client, f"{subject}.parquet", **filters)
    assert response.status_code == 200, response.text
    return pq.read_table(io.BytesIO(response.content))


def parse_csv(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def pick(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: row[name] for name in names}


async def place_order(shop: Shop, client: Client, channel: str | None = None, **units: int) -> dict[str, Any]:
    """Check out a cart that is to be shipped; return the order."""
    cart = await shop.create_cart(client, channel, **units)
    cart = (await shop.set_fulfillment(client, cart, "SHIP", address=ADDRESS))["cart"]
    payload = await shop.check_out(client, cart, email="hana@example.com")
    assert not payload["errors"], payload
    return payload["order"]  # type: ignore[no-any-return]
