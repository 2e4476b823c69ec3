"""A day at the till, at random: for trying out what a hub and its screens make of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random

from uriba.till.errors import Unsellable
from uriba.till.events import Event, Kind, Line, Tender, amount_of
from uriba.till.folder import Till
from uriba.till.shelf import Good

LINES_MAX = 4
UNITS_MAX = 3
RETURN_SHARE = 0.05
DAMAGE_SHARE = 0.02
RECEIPTS_REMEMBERED = 200


def trade(till: Till, dice: Random) -> Iterator[Callable[[], Event]]:
    """What happens next, for ever: call it, and it is written down. Mostly sales, some returns, some damage.

    Errors: `Unsellable` where the till knows nothing that it could sell.
    """
    sold: list[Event] = []
    while True:
        drawn = dice.random()
        if sold and drawn < RETURN_SHARE:
            sale = dice.choice(sold)
            yield lambda sale=sale: _return(till, sale, dice)  # type: ignore[misc]
        elif drawn < RETURN_SHARE + DAMAGE_SHARE:
            yield lambda: till.record(Kind.DAMAGE, (Line(dice.choice(_goods(till)).sku, 1),))
        else:
            yield lambda: _sale(till, sold, dice)


def _sale(till: Till, sold: list[Event], dice: Random) -> Event:
    known = _goods(till)
    basket = dice.sample(known, k=min(len(known), dice.randint(1, LINES_MAX)))
    lines = tuple(Line(good.sku, dice.randint(1, UNITS_MAX), good.price) for good in basket)
    event = till.record(Kind.SALE, lines, tenders=(Tender("CASH", amount_of(lines)),))
    sold.append(event)
    del sold[:-RECEIPTS_REMEMBERED]
    return event


def _return(till: Till, sale: Event, dice: Random) -> Event:
    """A customer brings one unit of a sale back."""
    line = dice.choice(sale.lines)
    lines = (Line(line.sku, 1, line.unit_price),)
    tenders = (Tender("CASH", amount_of(lines)),)
    return till.record(Kind.RETURN, lines, tenders=tenders, original_receipt=sale.receipt)


def _goods(till: Till) -> Sequence[Good]:
    """What is sold here now, where there is some; else what is sold here."""
    priced = [good for good in till.shelf.goods(till.now()) if good.price and not good.discontinued]
    if not priced:
        raise Unsellable("This till knows nothing that it could sell. Pull first: uriba till pull")
    return [good for good in priced if good.available > 0] or priced
