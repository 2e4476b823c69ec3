"""Exports as their readers take them, and orders to be in them."""

from __future__ import annotations

import csv
import io
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq

from client import Client
from shop import ADDRESS, Shop


def address(client: Client, name: str) -> str:
    return client.url.replace("/graphql", f"/exports/{name}")


async def ask(client: Client, name: str, **filters: str) -> httpx.Response:
    """An answer, whatever it is."""
    return await client.http.get(address(client, name), params=filters)


async def csv_rows(client: Client, subject: str, **filters: str) -> list[dict[str, str]]:
    """The rows of a table, taken as CSV."""
    answer = await ask(client, f"{subject}.csv", **filters)
    assert answer.status_code == 200, answer.text
    return parsed(answer.content)


async def parquet_table(client: Client, subject: str, **filters: str) -> pa.Table:
    """A table, taken as Parquet."""
    answer = await ask(client, f"{subject}.parquet", **filters)
    assert answer.status_code == 200, answer.text
    return pq.read_table(io.BytesIO(answer.content))


def parsed(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def picked(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: row[name] for name in names}


async def bought(shop: Shop, client: Client, channel: str | None = None, **units: int) -> dict[str, Any]:
    """An order that is shipped."""
    cart = await shop.cart(client, channel, **units)
    cart = (await shop.fulfil(client, cart, "SHIP", address=ADDRESS))["cart"]
    payload = await shop.check_out(client, cart, email="hana@example.com")
    assert not payload["errors"], payload
    return payload["order"]  # type: ignore[no-any-return]
