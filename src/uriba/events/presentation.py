"""Events as the outside sees them: the same in the feed, in webhooks and in subscriptions.

What is stored names things by inner ids and may say more than others should know. What goes out is told here key by
key, as `schemas` describes it: a key that is not named here stays inside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC
from re import compile
from typing import Any

from uriba.core.ids import global_id
from uriba.core.money import to_decimal
from uriba.db import Row
from uriba.events.payloads import METHOD, Why

Data = Mapping[str, Any]
Shown = dict[str, Any]

OTHER = "OTHER"
_WHY = frozenset(Why)
_METHOD = compile(METHOD)


def event_of(row: Row) -> dict[str, Any]:
    """A row of the feed as the contract's Event."""
    kind, _, key = row["subject"].partition(":")
    return {
        "id": global_id("Event", row["id"]),
        "type": row["type"],
        "subject": global_id(kind, key),
        "version": row["version"],
        "at": row["at"].astimezone(UTC).isoformat(),
        "data": _told(row["type"], row["data"], key),
    }


def _told(type: str, data: Data, key: str) -> Shown:
    """An event that lacks something, of another release perhaps, still says what it is about: whoever hears it reads
    that anew, and what comes after it is not held up."""
    try:
        return _DATA.get(type, _nothing)(data, key)
    except KeyError:
        return {}


def _nothing(data: Data, key: str) -> Shown:
    """The subject says it all."""
    return {}


def _cart(data: Data, key: str) -> Shown:
    return {"status": data["status"], "version": data["version"]}


def _cart_ordered(data: Data, key: str) -> Shown:
    return {**_cart(data, key), "order": global_id("Order", data["order"])}


def _order_placed(data: Data, key: str) -> Shown:
    return {"cart": _cart_of(data), "status": data["status"], "total": _money(data["total"])}


def _order_ended(data: Data, key: str) -> Shown:
    return {"cart": _cart_of(data), "status": data["status"], "reason": _why(data)}


def _lines_cancelled(data: Data, key: str) -> Shown:
    lines = [{"orderLine": global_id("OrderLine", of["orderLine"]), "units": of["units"]} for of in data["lines"]]
    return {"cart": _cart_of(data), "lines": lines, "reason": _why(data)}


def _fulfillment(data: Data, key: str) -> Shown:
    return {
        "cart": _cart_of(data),
        "fulfillment": global_id("Fulfillment", data["fulfillment"]),
        "status": data["status"],
        "method": data["method"],
        "locationCode": data["location"],
        "units": data["units"],
        "reason": _why(data),
        "holdUntil": data.get("holdUntil"),
        "hasTracking": bool(data.get("tracking")),
    }


def _payment(data: Data, key: str) -> Shown:
    amount = data["amount"]
    method = data["method"]
    return {
        "cart": _cart_of(data),
        "payment": global_id("Payment", data["payment"]),
        # A till writes what it likes here.
        "method": method if _METHOD.fullmatch(method) else OTHER,
        "status": data["status"],
        "amount": _money(amount),
        "captured": _minor(data.get("capturedMinor"), amount["currency"]),
        "refunded": _minor(data.get("refundedMinor"), amount["currency"]),
        "failed": data.get("failed"),
        "reason": _why(data),
    }


def _return(data: Data, key: str) -> Shown:
    currency = data.get("currency")
    return {
        "cart": _cart_of(data),
        "orderReturn": global_id("Return", data["return"]),
        "units": data.get("units"),
        "refund": _minor(data["refundMinor"], currency) if currency else None,
    }


def _level(data: Data, key: str) -> Shown:
    variant, _, location = key.partition(":")
    on_hand, committed, reserved = data["onHand"], data["committed"], data["reserved"]
    unavailable, safety = data["unavailable"], data["safetyStock"]
    return {
        "variant": global_id("Variant", variant),
        "location": global_id("Location", location),
        "onHand": on_hand,
        "committed": committed,
        "reserved": reserved,
        "unavailable": unavailable,
        "safetyStock": safety,
        "incoming": data["incoming"],
        "available": on_hand - unavailable - committed - reserved - safety,
        "shortage": data["shortage"],
    }


def _product(data: Data, key: str) -> Shown:
    return {"sku": data["sku"], "discontinued": data["discontinued"]}


def _price(data: Data, key: str) -> Shown:
    return {"sku": data["sku"]}


def _terminal(data: Data, key: str) -> Shown:
    return {name: data[name] for name in ("epoch", "acknowledged", "applied", "parked")}


def _alert(data: Data, key: str) -> Shown:
    return {
        "kind": data["kind"],
        "about": data["about"],
        "locationCode": data["location"],
        "value": data["value"],
        "threshold": data["threshold"],
    }


def _cart_of(data: Data) -> str | None:
    cart = data.get("cart")
    return global_id("Cart", cart) if cart else None


def _money(amount: Data) -> Shown:
    return {"amount": to_decimal(amount["amountMinor"], amount["currency"]), "currency": amount["currency"]}


def _minor(minor: int | None, currency: str) -> Shown | None:
    return None if minor is None else {"amount": to_decimal(minor, currency), "currency": currency}


def _why(data: Data) -> str | None:
    """The hub's own reasons; what people wrote stays in the order's timeline."""
    reason = data.get("reason")
    return reason if reason is None or reason in _WHY else OTHER


_DATA: Mapping[str, Callable[[Data, str], Shown]] = {
    "alert.closed": _alert,
    "alert.opened": _alert,
    "cart.created": _cart,
    "cart.handed_off": _cart,
    "cart.merged": _cart,
    "cart.ordered": _cart_ordered,
    "cart.updated": _cart,
    "endpoint.test": _nothing,
    "fulfillment.updated": _fulfillment,
    "order.cancelled": _order_ended,
    "order.completed": _order_ended,
    "order.lines_cancelled": _lines_cancelled,
    "order.placed": _order_placed,
    "payment.updated": _payment,
    "price.changed": _price,
    "product.changed": _product,
    "return.created": _return,
    "shortage.opened": _level,
    "shortage.settled": _level,
    "stock.changed": _level,
    "terminal.synced": _terminal,
}
"""Told of each type. A type that is not here tells that it happened, and no more."""
