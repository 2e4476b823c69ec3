"""Orders as channels write them, in JSON or as CSV, read with distrust. Pure."""

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
ORDERS_PER_FILE_MAX = 1_000


class ExternalLine(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Units of a SKU; `unit_price` in major units, as text."""

    sku: str
    quantity: int
    unit_price: str


class ExternalAddress(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Where to ship; `country` is an ISO 3166-1 alpha-2 code."""

    name: str
    line1: str
    city: str
    postal_code: str
    country: str
    line2: str | None = None
    region: str | None = None
    phone: str | None = None


class ExternalOrder(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An order that a customer placed and paid elsewhere. Amounts in major units, as text.

    `paid`: what the channel took for it, shipping and tax included. `deadline`: until when it may wait for stock.
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
class Unreadable:
    """What was to be an order and is none; `number` where it says one."""

    number: str | None
    message: str


class NoOrders(Exception):
    """The whole of it is no list of orders."""


def digest(order: ExternalOrder) -> bytes:
    """The same for the same content."""
    return sha256(msgspec.json.encode(order, order="deterministic")).digest()


def from_document(document: object) -> ExternalOrder:
    """An order as the hub kept it."""
    return msgspec.convert(document, ExternalOrder)


def read_json(body: bytes) -> list[ExternalOrder | Unreadable]:
    """Orders of a JSON list, or of an object with the list `orders`. Errors: `NoOrders`."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NoOrders(f"This is no JSON: {error}") from error
    return orders_of(found.get("orders") if isinstance(found, dict) else found)


def orders_of(listed: object) -> list[ExternalOrder | Unreadable]:
    """Errors: `NoOrders` for what is no list, or too long a one."""
    if not isinstance(listed, list):
        raise NoOrders("There is no list of orders in this.")
    if len(listed) > ORDERS_PER_FILE_MAX:
        raise NoOrders(f"At most {ORDERS_PER_FILE_MAX:,} orders at once.")
    return [_read(one) for one in listed]


def _read(written: object) -> ExternalOrder | Unreadable:
    try:
        order = msgspec.convert(written, ExternalOrder)
    except msgspec.ValidationError as error:
        return Unreadable(_number(written), str(error))
    if wrong := _wrong(order):
        return Unreadable(_number(written), wrong)
    try:
        return _in_utc(order)
    except OverflowError:
        return Unreadable(order.number, "Its deadline is outside of the calendar.")


def _in_utc(order: ExternalOrder) -> ExternalOrder:
    """A deadline without a zone is in UTC. Errors: `OverflowError`."""
    if order.deadline is None:
        return order
    said = order.deadline if order.deadline.tzinfo is not None else order.deadline.replace(tzinfo=UTC)
    return msgspec.structs.replace(order, deadline=said.astimezone(UTC))


def _number(written: object) -> str | None:
    number = written.get("number") if isinstance(written, dict) else None
    return number if isinstance(number, str) and _code(number) else None


def _code(value: str) -> bool:
    return 0 < len(value) <= text.CODE_SIZE_MAX and value == value.strip() and value.isprintable()


def _wrong(order: ExternalOrder) -> str | None:
    """What is wrong with an order whose fields are there, as a sentence; the rest is the checkout's to judge."""
    if not _code(order.number):
        return f"An order's number has from 1 to {text.CODE_SIZE_MAX} characters on one line, and no blanks around it."
    if not 0 < len(order.lines) <= LINES_MAX:
        return f"An order has from 1 to {LINES_MAX} lines."
    if any(text.has_control(value) for value in _texts(msgspec.to_builtins(order))):
        return "This contains a control character."
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


def read_csv(body: bytes) -> list[ExternalOrder | Unreadable]:
    """Orders of a CSV with a row for each line; rows with one number are one order, and its first row says the rest.

    Errors: `NoOrders`.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(body.decode("utf-8-sig")), strict=True))
    except (csv.Error, UnicodeDecodeError) as error:
        raise NoOrders(f"This is no CSV: {error}") from error
    if rows and not {"number", "sku", "quantity"} <= set(rows[0]):
        raise NoOrders("The first line names the columns: number, sku, quantity and so on.")
    written: dict[str, dict[str, Any]] = {}
    for row in rows:
        order = written.setdefault(row["number"] or "", _head(row))
        order["lines"].append(_line(row))
    return orders_of(list(written.values()))


def _head(row: Mapping[str, str | None]) -> dict[str, Any]:
    address = {key: row[column] for column, key in ADDRESS_COLUMNS.items() if row.get(column)}
    said = {column: row[column] for column in ORDER_COLUMNS if row.get(column)}
    return {"number": row["number"], **said, **({"address": address} if address else {}), "lines": []}


def _line(row: Mapping[str, str | None]) -> dict[str, Any]:
    quantity = row["quantity"] or ""
    said: dict[str, Any] = {key: row[column] for column, key in LINE_COLUMNS.items() if row.get(column)}
    whole = quantity.isascii() and quantity.isdigit() and len(quantity) < 10
    return {**said, "quantity": int(quantity) if whole else quantity}
