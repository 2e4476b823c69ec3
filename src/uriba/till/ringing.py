"""Ringing up: from what a cashier says, as in `TEA:2` or `TEA:2@648`, to the lines of an event."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation

from uriba.till.errors import Unsellable
from uriba.till.events import Kind, Line, Tender, amount_of
from uriba.till.shelf import Shelf

QUANTITY_MAX = 100_000
SAID = re.compile(r"(?P<sku>.+?)(?::(?P<quantity>[+-]?\d+))?(?:@(?P<price>\d+(?:\.\d+)?))?", re.DOTALL)
PRICED = frozenset({Kind.SALE, Kind.RETURN})


def lines_of(said: Sequence[str], kind: Kind, shelf: Shelf, at: datetime, *, anyway: bool = False) -> tuple[Line, ...]:
    """The lines; prices are those of the shelf where none is said. `anyway`: also what the shelf does not know.

    Errors: `Unsellable`.
    """
    lines = tuple(_line(one, kind, shelf, at, anyway=anyway) for one in said)
    if kind is Kind.COUNT and len({line.sku for line in lines}) < len(lines):
        raise Unsellable("A count names each SKU once.")
    return lines


def _line(said: str, kind: Kind, shelf: Shelf, at: datetime, *, anyway: bool) -> Line:
    found = SAID.fullmatch(said)
    if found is None:
        raise Unsellable(f"Write a line as SKU, SKU:QUANTITY or SKU:QUANTITY@PRICE, not as {said!r}.")
    sku, quantity, price = found["sku"], _quantity(found["quantity"], kind, said), found["price"]
    try:
        good = shelf.find(sku, at)
    except Unsellable:
        if not anyway:
            raise
        return Line(sku=sku, quantity=quantity, unit_price=price)
    if kind in PRICED and price is None and good.price is None and not anyway:
        raise Unsellable(f"{good.sku} has no price here now. Say one: {good.sku}:{quantity}@PRICE")
    return Line(sku=good.sku, quantity=quantity, unit_price=(price or good.price) if kind in PRICED else None)


def _quantity(said: str | None, kind: Kind, line: str) -> int:
    if said is None:
        if kind in (Kind.COUNT, Kind.ADJUSTMENT):
            raise Unsellable(f"Say how many: {line}:{'12' if kind is Kind.COUNT else '+1 or :-1'}")
        return 1
    quantity = int(said)
    least = {Kind.COUNT: 0, Kind.ADJUSTMENT: -QUANTITY_MAX}.get(kind, 1)
    if not least <= quantity <= QUANTITY_MAX or (kind is Kind.ADJUSTMENT and quantity == 0):
        raise Unsellable(f"{line}: a quantity is from {least} to {QUANTITY_MAX:,}{', not 0' if least < 0 else ''}.")
    return quantity


def tenders_of(said: Sequence[str], lines: Iterable[Line], *, method: str) -> tuple[Tender, ...]:
    """How it was paid: all by one method, or as said, as in `CASH:1000`. Errors: `Unsellable` for another sum."""
    due = amount_of(lines)
    if not said:
        return (Tender(method, due),)
    tenders = tuple(_tender(one) for one in said)
    paid = sum((Decimal(tender.amount) for tender in tenders), Decimal(0))
    if paid != Decimal(due):
        raise Unsellable(f"The tenders are {paid}, the lines are {due}.")
    return tenders


def _tender(said: str) -> Tender:
    method, _, amount = said.partition(":")
    try:
        return Tender(method.upper(), format(Decimal(amount), "f"))
    except InvalidOperation:
        raise Unsellable(f"Write a tender as METHOD:AMOUNT, such as CASH:1000, not as {said!r}.") from None
