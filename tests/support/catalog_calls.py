"""Calls of the master data mutations, and their inputs."""

from __future__ import annotations

from typing import Any

from tests.support.client import Client
from tests.support.shop import ERRORS, Shop

INPUTS = {"channels": "ChannelInput", "locations": "LocationInput", "products": "ProductInput", "prices": "PriceInput"}
INPUTS["customers"] = "CustomerInput"


async def upsert(shop: Shop, what: str, *rows: dict[str, Any], by: Client | None = None) -> dict[str, Any]:
    """Call channelsUpsert, locationsUpsert …; return the payload."""
    mutation = f"mutation ($r: [{INPUTS[what]}!]!) {{ {what}Upsert({what}: $r) {{ count {ERRORS} }} }}"
    return await (by or shop.staff).mutate(mutation, r=list(rows))


def codes(payload: dict[str, Any]) -> list[tuple[str, tuple[str, ...]]]:
    """Return the code and path of each error."""
    return [(error["code"], tuple(error["path"] or ())) for error in payload["errors"]]


def product(shop: Shop, handle: str, *variants: dict[str, Any], **given: Any) -> dict[str, Any]:
    """Return the input of a product, with one variant of the same name unless variants are passed."""
    return {
        "handle": shop.code(handle.lower()),
        "name": handle.title(),
        "variants": list(variants) or [variant(shop, handle)],
        **given,
    }


def variant(shop: Shop, sku: str, **given: Any) -> dict[str, Any]:
    return {"sku": shop.sku(sku), "name": sku.title(), **given}


def channel(shop: Shop, of: str, **given: Any) -> dict[str, Any]:
    """Return the input of a web channel in yen, without locations and taxes unless they are passed."""
    plain = {"name": of.title(), "kind": "WEB", "currency": "JPY", "locations": [], "taxRates": []}
    return {"code": shop.code(of), **plain, **given}


def location(shop: Shop, of: str, **given: Any) -> dict[str, Any]:
    return {"code": shop.code(of), "name": of.title(), "kind": "STORE", **given}


async def variant_events(shop: Shop, *names: str) -> dict[str, list[str]]:
    """Return the types of the variants' events by version, after checking that versions run 1, 2, 3 …"""
    async with shop.hub.database.reading() as session:
        rows = await session.fetch(
            "SELECT v.sku, e.type, e.version FROM variant v JOIN outbox_event e ON e.subject = 'Variant:' || v.id "
            "WHERE v.sku = ANY($1) ORDER BY e.version",
            [shop.sku(name) for name in names],
        )
    found: dict[str, list[str]] = {name: [] for name in names}
    for row in rows:
        name = row["sku"].removesuffix(f"-{shop.suffix}")
        found[name].append(row["type"])
        assert row["version"] == len(found[name])
    return found
