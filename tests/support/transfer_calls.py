"""Mutations of transfers."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from tests.support.client import Client
from tests.support.shop import ERRORS, Shop

TRANSFER = """
    id status reference reason actor shippedAt closedAt from { code } to { code }
    lines { quantity shipped received returned discrepancy variant { sku } }
"""


def document(operation: str) -> str:
    verb = operation.removeprefix("stockTransfer")
    return f"mutation ($i: StockTransfer{verb}Input!) {{ {operation}(input: $i) {{ transfer {{ {TRANSFER} }} {ERRORS} }} }}"


CREATE, SHIP, RECEIVE, CANCEL = (document(f"stockTransfer{verb}") for verb in ("Create", "Ship", "Receive", "Cancel"))


async def change_transfer(
    shop: Shop, document: str, transfer: str, *, by: Client | None = None, **given: Any
) -> dict[str, Any]:
    """Call a mutation of a transfer and return the payload."""
    return await (by or shop.staff).mutate(document, i={"id": transfer, "idempotencyKey": uuid4().hex, **given})
