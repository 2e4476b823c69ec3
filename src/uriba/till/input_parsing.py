"""Parsing of what a cashier enters: lines such as `TEA:2` or `TEA:2@648`, and tenders such as `CASH:1000`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation

from uriba.till.errors import InvalidInput
from uriba.till.local_catalog import LocalCatalog
from uriba.till.protocol import EventLine, EventType, Tender, total_of

QUANTITY_MAX = 100_000
LINE_PATTERN = re.compile(r"(?P<sku>.+?)(?::(?P<quantity>[+-]?\d+))?(?:@(?P<price>\d+(?:\.\d+)?))?", re.DOTALL)
PRICED_TYPES = frozenset({EventType.SALE, EventType.RETURN})


def parse_lines(
    texts: Sequence[str], event_type: EventType, catalog: LocalCatalog, at: datetime, *, allow_unknown: bool = False
) -> tuple[EventLine, ...]:
    """Return the lines of an event. A line without a price has the catalog's price at that time.

    With `allow_unknown`, SKUs that are not in the catalog, or have no price there, are accepted. Errors:
    `InvalidInput`.
    """
    lines = tuple(_parse_line(text, event_type, catalog, at, allow_unknown=allow_unknown) for text in texts)
    if event_type is EventType.COUNT and len({line.sku for line in lines}) < len(lines):
        raise InvalidInput("A count can name each SKU only once.")
    return lines


def _parse_line(
    text: str, event_type: EventType, catalog: LocalCatalog, at: datetime, *, allow_unknown: bool
) -> EventLine:
    parts = LINE_PATTERN.fullmatch(text)
    if parts is None:
        raise InvalidInput(f"{text!r} is not a line. Write SKU, SKU:QUANTITY or SKU:QUANTITY@PRICE.")
    sku, quantity, price = parts["sku"], _parse_quantity(parts["quantity"], event_type, text), parts["price"]
    try:
        item = catalog.find(sku, at)
    except InvalidInput:
        if not allow_unknown:
            raise
        return EventLine(sku=sku, quantity=quantity, unit_price=price)
    priced = event_type in PRICED_TYPES
    if priced and price is None and item.price is None and not allow_unknown:
        raise InvalidInput(f"{item.sku} has no price here now. Enter one: {item.sku}:{quantity}@PRICE")
    return EventLine(sku=item.sku, quantity=quantity, unit_price=(price or item.price) if priced else None)


def _parse_quantity(text: str | None, event_type: EventType, line: str) -> int:
    if text is None:
        if event_type in (EventType.COUNT, EventType.ADJUSTMENT):
            raise InvalidInput(f"Enter a quantity: {line}:{'12' if event_type is EventType.COUNT else '+1 or :-1'}")
        return 1
    quantity = int(text)
    least = {EventType.COUNT: 0, EventType.ADJUSTMENT: -QUANTITY_MAX}.get(event_type, 1)
    if not least <= quantity <= QUANTITY_MAX or (event_type is EventType.ADJUSTMENT and quantity == 0):
        not_zero = ", and not 0" if least < 0 else ""
        raise InvalidInput(f"{line}: a quantity must be from {least} to {QUANTITY_MAX:,}{not_zero}.")
    return quantity


def parse_tenders(texts: Sequence[str], lines: Iterable[EventLine], *, method: str) -> tuple[Tender, ...]:
    """Return the tenders. Without texts, one tender of this method pays for all lines.

    Errors: `InvalidInput`, also if the tenders do not add up to the lines' total.
    """
    due = total_of(lines)
    if not texts:
        return (Tender(method, due),)
    tenders = tuple(_parse_tender(text) for text in texts)
    paid = sum((Decimal(tender.amount) for tender in tenders), Decimal(0))
    if paid != Decimal(due):
        raise InvalidInput(f"The tenders add up to {paid}, but the lines cost {due}.")
    return tenders


def _parse_tender(text: str) -> Tender:
    method, _, amount = text.partition(":")
    try:
        return Tender(method.upper(), format(Decimal(amount), "f"))
    except InvalidOperation:
        raise InvalidInput(f"{text!r} is not a tender. Write METHOD:AMOUNT, such as CASH:1000.") from None
