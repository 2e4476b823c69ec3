"""Calls of the API for placed orders: fulfillment, cancellation and returns."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from tests.support.client import Client
from tests.support.shop import ERRORS, Shop
from uriba.core import ids
from uriba.db.statements import dynamic_statement

STATE = """
    id number status paymentStatus total { amount } refunded { amount }
    lines { id sku quantity returnedQuantity cancelledQuantity }
    fulfillments {
        id method status tracking reason holdUntil pickupCode nextStatuses location { code }
        lines { quantity orderLine { sku } }
    }
    payments { method status amount { amount } captured { amount } refunded { amount } }
    refunds { id method status reason amount { amount } }
    returns {
        id refund { amount } location { code } lines { quantity restocked condition refund { amount } orderLine { sku } }
    }
    timeline { type message data }
"""


async def order_state(shop: Shop, order: dict[str, Any]) -> dict[str, Any]:
    """Return the order as staff see it."""
    data = await shop.staff.execute(f"query ($id: ID!) {{ order(id: $id) {{ {STATE} }} }}", id=order["id"])
    return data["order"]  # type: ignore[no-any-return]


async def update_fulfillment(client: Client, part: dict[str, Any], status: str, **given: Any) -> dict[str, Any]:
    """Call fulfillmentUpdate and return its payload."""
    return await client.mutate(
        f"""mutation ($f: ID!, $s: FulfillmentStatus!, $tracking: String, $reason: String, $code: String,
            $lines: [OrderLineUnitsInput!]) {{
            fulfillmentUpdate(fulfillmentId: $f, status: $s, tracking: $tracking, reason: $reason, code: $code,
                lines: $lines) {{ fulfillment {{ id status tracking }} order {{ {STATE} }} {ERRORS} }} }}""",
        f=part["id"],
        s=status,
        **given,
    )


async def cancel_order(client: Client, order: dict[str, Any], **given: Any) -> dict[str, Any]:
    """Call orderCancel and return its payload."""
    return await client.mutate(
        f"""mutation ($o: ID!, $reason: String, $key: String, $lines: [OrderLineUnitsInput!]) {{
            orderCancel(orderId: $o, reason: $reason, idempotencyKey: $key, lines: $lines) {{
                order {{ {STATE} }} {ERRORS} }} }}""",
        o=order["id"],
        **given,
    )


async def return_units(
    client: Client, order: dict[str, Any], lines: list[dict[str, Any]], *, key: str | None = None, **given: Any
) -> dict[str, Any]:
    """Call orderReturn and return its payload."""
    return await client.mutate(
        f"""mutation ($i: OrderReturnInput!) {{ orderReturn(input: $i) {{
            orderReturn {{ id refund {{ amount }} }} order {{ {STATE} }} {ERRORS} }} }}""",
        i={"orderId": order["id"], "lines": lines, "idempotencyKey": key or uuid4().hex, **given},
    )


def line_units(shop: Shop, order: dict[str, Any], name: str, quantity: int, **given: Any) -> dict[str, Any]:
    """Return the input for units of the order's line with this variant."""
    (found,) = [one for one in order["lines"] if one["sku"] == shop.sku(name)]
    return {"orderLineId": found["id"], "quantity": quantity, **given}


async def change_channel(shop: Shop, channel: str, **given: Any) -> None:
    """Change settings of a channel; the others stay as `open_shop` made them."""
    kinds = {"app": "APP", "web": "WEB", "stores": "STORE"}
    places = ["S1", "S2", "W1"] if channel == "stores" else ["W1", "S1", "S2"]
    row = {
        "code": shop.code(channel),
        "name": channel.title(),
        "kind": kinds[channel],
        "currency": "JPY",
        "locations": [shop.code(place) for place in places],
        "taxRates": [{"taxClass": "standard", "rate": "0.10"}, {"taxClass": "reduced", "rate": "0.08"}],
        "shippingPrice": "500" if channel == "web" else "0",
        **given,
    }
    payload = await shop.staff.mutate(
        f"mutation ($c: [ChannelInput!]!) {{ channelsUpsert(channels: $c) {{ count {ERRORS} }} }}", c=[row]
    )
    assert not payload["errors"], payload


async def value_of_order(shop: Shop, sql: str, order: dict[str, Any]) -> Any:
    """Return one value of a statement with the parameter `order_id`."""
    async with shop.hub.database.reading() as session:
        return await session.fetchval(dynamic_statement(sql), order_id=ids.uuid(order["id"], "Order"))
