"""Orders as channels write them, in JSON or CSV, parsed as untrusted input. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import msgspec

from uriba.core import text

LINES_MAX = 500
ORDERS_MAX = 1_000
"""Orders of one file or response."""

QUANTITY_DIGITS_MAX = 9


class ExternalLine(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Units of a SKU. `unit_price`: in major units, as text."""

    sku: str
    quantity: int
    unit_price: str


class ExternalAddress(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Where to ship. `country`: an ISO 3166-1 alpha-2 code."""

    name: str
    line1: str
    city: str
    postal_code: str
    country: str
    line2: str | None = None
    region: str | None = None
    phone: str | None = None


class ExternalOrder(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An order that a customer placed and paid at the channel. Amounts are in major units, as text.

    `paid`: the amount that the channel received, including shipping and tax. `deadline`: until when the order may wait
    for stock.
    """

    number: str
    currency: str
    lines: tuple[ExternalLine, ...]
    paid: str
    shipping: str = "0"
    address: ExternalAddress | None = None
    email: str | None = None
    phone: str | None = None
    deadline: datetime | None = None


@dataclass(frozen=True, slots=True)
class UnreadableOrder:
    """An entry of a list of orders that is not a valid order. `number`: the order's number if it can be read."""

    number: str | None
    message: str


class NotAnOrderList(Exception):
    """The file or response does not contain a list of orders."""


def digest(order: ExternalOrder) -> bytes:
    """Return a hash of the order's content."""
    return sha256(msgspec.json.encode(order, order="deterministic")).digest()


def from_document(document: object) -> ExternalOrder:
    """Return the order of a stored document."""
    return msgspec.convert(document, ExternalOrder)


def read_json(body: bytes) -> list[ExternalOrder | UnreadableOrder]:
    """Return the orders of a JSON list, or of an object with the list `orders`. Errors: `NotAnOrderList`."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotAnOrderList(f"This is not valid JSON: {error}") from error
    return parse_orders(found.get("orders") if isinstance(found, dict) else found)


def parse_orders(listed: object) -> list[ExternalOrder | UnreadableOrder]:
    """Return the orders of a decoded list. Errors: `NotAnOrderList`, also for a list that is too long."""
    if not isinstance(listed, list):
        raise NotAnOrderList("There is no list of orders.")
    if len(listed) > ORDERS_MAX:
        raise NotAnOrderList(f"There are more than {ORDERS_MAX:,} orders. Split them.")
    return [_parse_order(entry) for entry in listed]


def _parse_order(entry: object) -> ExternalOrder | UnreadableOrder:
    try:
        order = msgspec.convert(entry, ExternalOrder)
    except msgspec.ValidationError as error:
        return UnreadableOrder(_number(entry), str(error))
    if problem := _problem(order):
        return UnreadableOrder(_number(entry), problem)
    try:
        return _with_utc_deadline(order)
    except OverflowError:
        return UnreadableOrder(order.number, "The deadline is outside the calendar.")


def _with_utc_deadline(order: ExternalOrder) -> ExternalOrder:
    """Return the order with its deadline in UTC, which is also the default zone. Errors: `OverflowError`."""
    if order.deadline is None:
        return order
    deadline = order.deadline if order.deadline.tzinfo is not None else order.deadline.replace(tzinfo=UTC)
    return msgspec.structs.replace(order, deadline=deadline.astimezone(UTC))


def _number(entry: object) -> str | None:
    number = entry.get("number") if isinstance(entry, dict) else None
    return number if isinstance(number, str) and _is_code(number) else None


def _is_code(value: str) -> bool:
    return 0 < len(value) <= text.CODE_SIZE_MAX and value == value.strip() and value.isprintable()


def _problem(order: ExternalOrder) -> str | None:
    """Return what is wrong with an order that has all its fields, as a sentence. The checkout checks the rest."""
    if not _is_code(order.number):
        return f"The number has to have 1 to {text.CODE_SIZE_MAX} characters on one line, without spaces around it."
    if not 0 < len(order.lines) <= LINES_MAX:
        return f"The order has to have 1 to {LINES_MAX} lines."
    if any(text.has_control(value) for value in _texts(msgspec.to_builtins(order))):
        return "The order contains a control character."
    return None


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)


ADDRESS_COLUMNS = {
    "name": "name",
    "line1": "line1",
    "line2": "line2",
    "city": "city",
    "region": "region",
    "postal_code": "postalCode",
    "country": "country",
    "address_phone": "phone",
}
ORDER_COLUMNS = ("currency", "paid", "shipping", "email", "phone", "deadline")
LINE_COLUMNS = {"sku": "sku", "unit_price": "unitPrice"}


def read_csv(body: bytes) -> list[ExternalOrder | UnreadableOrder]:
    """Return the orders of a CSV file with a row for each line. Rows with the same number are one order, whose other
    fields are those of its first row.

    Errors: `NotAnOrderList`.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(body.decode("utf-8-sig")), strict=True))
    except (csv.Error, UnicodeDecodeError) as error:
        raise NotAnOrderList(f"This is not valid CSV: {error}") from error
    if rows and not {"number", "sku", "quantity"} <= set(rows[0]):
        raise NotAnOrderList("The first line has to name the columns, with at least number, sku and quantity.")
    entries: dict[str, dict[str, Any]] = {}
    for row in rows:
        order = entries.setdefault(row["number"] or "", _order_of_row(row))
        order["lines"].append(_line_of_row(row))
    return parse_orders(list(entries.values()))


def _order_of_row(row: Mapping[str, str | None]) -> dict[str, Any]:
    address = {key: row[column] for column, key in ADDRESS_COLUMNS.items() if row.get(column)}
    fields = {column: row[column] for column in ORDER_COLUMNS if row.get(column)}
    return {"number": row["number"], **fields, **({"address": address} if address else {}), "lines": []}


def _line_of_row(row: Mapping[str, str | None]) -> dict[str, Any]:
    quantity = row["quantity"] or ""
    fields: dict[str, Any] = {key: row[column] for column, key in LINE_COLUMNS.items() if row.get(column)}
    is_number = quantity.isascii() and quantity.isdigit() and len(quantity) <= QUANTITY_DIGITS_MAX
    return {**fields, "quantity": int(quantity) if is_number else quantity}
