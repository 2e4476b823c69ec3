"""Random trade at a till: sales, some returns and some damage, to try out a hub and its screens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random

from uriba.till.errors import InvalidInput
from uriba.till.local_catalog import CatalogItem
from uriba.till.protocol import EventLine, EventType, Tender, TillEvent, total_of
from uriba.till.till_folder import Till

LINES_MAX = 4
UNITS_MAX = 3
RETURN_SHARE = 0.05
DAMAGE_SHARE = 0.02
RETURNABLE_SALES_MAX = 200


def simulate_trade(till: Till, random: Random) -> Iterator[Callable[[], TillEvent]]:
    """Yield actions without end. Calling an action records its event.

    Errors: `InvalidInput` if the local catalog has nothing to sell.
    """
    sales: list[TillEvent] = []
    while True:
        drawn = random.random()
        if sales and drawn < RETURN_SHARE:
            sale = random.choice(sales)
            yield lambda sale=sale: _return_one_unit(till, sale, random)  # type: ignore[misc]
        elif drawn < RETURN_SHARE + DAMAGE_SHARE:
            yield lambda: _damage_one_unit(till, random)
        else:
            yield lambda: _sell(till, sales, random)


def _sell(till: Till, sales: list[TillEvent], random: Random) -> TillEvent:
    items = _items_to_sell(till)
    basket = random.sample(items, k=min(len(items), random.randint(1, LINES_MAX)))
    lines = tuple(EventLine(item.sku, random.randint(1, UNITS_MAX), item.price) for item in basket)
    event = till.record(EventType.SALE, lines, tenders=(Tender("CASH", total_of(lines)),))
    sales.append(event)
    del sales[:-RETURNABLE_SALES_MAX]
    return event


def _return_one_unit(till: Till, sale: TillEvent, random: Random) -> TillEvent:
    line = random.choice(sale.lines)
    lines = (EventLine(line.sku, 1, line.unit_price),)
    tenders = (Tender("CASH", total_of(lines)),)
    return till.record(EventType.RETURN, lines, tenders=tenders, original_receipt=sale.receipt)


def _damage_one_unit(till: Till, random: Random) -> TillEvent:
    return till.record(EventType.DAMAGE, (EventLine(random.choice(_items_to_sell(till)).sku, 1),))


def _items_to_sell(till: Till) -> Sequence[CatalogItem]:
    """Return the items that have a price here and are available; if none are available, those that have a price."""
    priced = [item for item in till.catalog.items(till.now()) if item.price and not item.discontinued]
    if not priced:
        raise InvalidInput("This till has nothing to sell. Pull first: uriba till pull")
    return [item for item in priced if item.available > 0] or priced
