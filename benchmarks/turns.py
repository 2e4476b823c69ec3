"""Turns: what a caller does before the next begins.

A turn asks, is answered, and ends with a word for its outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from itertools import count, cycle
from uuid import uuid4

from benchmarks import documents
from benchmarks.answers import Refused, between, cart_id, fine, total
from benchmarks.documents import Document, Front

Turn = Generator[bytes, bytes, str]
Turns = Callable[[], Iterator[Turn]]
"""The turns of all callers together: who is free takes the next."""

DONE = "done"
SOLD = "sold"
GONE = "gone"

TILL_TENDER = {"method": "CASH"}
WEB_TENDER = {"method": "TEST", "token": "ok"}


def once(request: bytes) -> Turn:
    """One request, answered without errors."""
    fine((yield request))
    return DONE


def replay(requests: Sequence[bytes]) -> Iterator[Turn]:
    """The same requests again and again, each a turn of its own."""
    for request in cycle(requests):
        yield once(request)


def browse(front: Front, channel: str, cursors: Sequence[str | None]) -> Iterator[Turn]:
    """Page after page."""
    document = Document(front, documents.BROWSE)
    for after in cycle(cursors):
        yield once(document.ask(channel=channel, after=after))


def products(front: Front, channel: str, skus: Sequence[str]) -> Iterator[Turn]:
    """One product after the other."""
    document = Document(front, documents.PRODUCT)
    for sku in cycle(skus):
        yield once(document.ask(sku=sku, channel=channel))


def carts(front: Front, cart_ids: Sequence[str]) -> Iterator[Turn]:
    """One cart after the other."""
    document = Document(front, documents.SHOW_CART)
    for cart in cycle(cart_ids):
        yield once(document.ask(id=cart))


def adds(front: Front, baskets: Sequence[tuple[str, Sequence[str]]]) -> Iterator[Turn]:
    """One unit more in one cart after the other, of each cart's SKUs in turn; every call has a key of its own."""
    document = Document(front, documents.ADD)
    for n in count():
        cart, skus = baskets[n % len(baskets)]
        sku = skus[n // len(baskets) % len(skus)]
        yield once(document.ask(cart=cart, lines=[{"sku": sku, "quantity": 1}], key=uuid4().hex))


def fill(front: Front, baskets: Sequence[Sequence[str]], pickup: str | None = None) -> Iterator[Turn]:
    """New carts of one unit of each SKU, to be picked up where a store is given; a turn's outcome is its cart's id."""
    create, fulfil = Document(front, documents.CREATE), Document(front, documents.FULFIL)

    def begin(skus: Sequence[str]) -> Turn:
        cart = cart_id(fine((yield create.ask(input={"lines": lines(*skus)}))))
        if pickup:
            fine((yield fulfil.ask(cart=cart, input={"method": "PICKUP", "location": pickup})))
        return cart

    for skus in baskets:
        yield begin(skus)


def web_journeys(front: Front, skus: Sequence[str], stores: Sequence[str]) -> Iterator[Turn]:
    """A guest's way through the web shop: a cart, a second line, a store to pick it up at, paid."""
    create, add = Document(front, documents.CREATE), Document(front, documents.ADD)
    fulfil, checkout = Document(front, documents.FULFIL), Document(front, documents.CHECKOUT)

    def journey(first: str, second: str, store: str) -> Turn:
        cart = cart_id(fine((yield create.ask(input={"lines": lines(first)}))))
        fine((yield add.ask(cart=cart, lines=lines(second), key=uuid4().hex)))
        answer = fine((yield fulfil.ask(cart=cart, input={"method": "PICKUP", "location": store})))
        return paid((yield checkout.ask(input=payment(cart, total(answer), **WEB_TENDER))))

    for n in count():
        yield journey(skus[n % len(skus)], skus[(n * 7 + 1) % len(skus)], stores[n % len(stores)])


def till_journeys(tills: Sequence[Front], skus: Sequence[str]) -> Iterator[Turn]:
    """A customer at a till: goods scanned, cash paid, carried out."""
    creates = [Document(till, documents.CREATE) for till in tills]
    checkouts = [Document(till, documents.CHECKOUT) for till in tills]

    def journey(create: Document, checkout: Document, *scanned: str) -> Turn:
        answer = fine((yield create.ask(input={"lines": lines(*scanned)})))
        return paid((yield checkout.ask(input=payment(cart_id(answer), total(answer), **TILL_TENDER))))

    for n in count():
        till = n % len(tills)
        yield journey(creates[till], checkouts[till], skus[n % len(skus)], skus[(n * 7 + 1) % len(skus)])


def priced(front: Front, baskets: Sequence[Sequence[str]], pickup: str) -> Iterator[Turn]:
    """New carts to be picked up; a turn's outcome is its cart's id and its total."""
    create, fulfil = Document(front, documents.CREATE), Document(front, documents.FULFIL)

    def begin(skus: Sequence[str]) -> Turn:
        cart = cart_id(fine((yield create.ask(input={"lines": lines(*skus)}))))
        answer = fine((yield fulfil.ask(cart=cart, input={"method": "PICKUP", "location": pickup})))
        return f"{cart} {total(answer)}"

    for skus in baskets:
        yield begin(skus)


def cards(front: Front, carts: Sequence[str]) -> Iterator[Turn]:
    """Each of these carts, as `priced` says them, is paid by card: one request."""
    checkout = Document(front, documents.CHECKOUT)

    def pay(cart: str, amount: str) -> Turn:
        return paid((yield checkout.ask(input=payment(cart, amount, **WEB_TENDER))))

    for said in carts:
        cart, amount = said.split(" ")
        yield pay(cart, amount)


def sales(till: Front, baskets: Sequence[Sequence[str]]) -> Iterator[Turn]:
    """Goods sold at a till; a turn's outcome is its order's id and its first line's."""
    create, checkout = Document(till, documents.CREATE), Document(till, documents.SOLD)

    def sell(skus: Sequence[str]) -> Turn:
        answer = fine((yield create.ask(input={"lines": lines(*skus)})))
        answer = fine((yield checkout.ask(input=payment(cart_id(answer), total(answer), **TILL_TENDER))))
        order, line = between(answer, b'"order":{"id":"'), between(answer, b'"lines":[{"id":"')
        return f"{order} {line}"

    for skus in baskets:
        yield sell(skus)


def returned(till: Front, orders: Sequence[str]) -> Iterator[Turn]:
    """A unit of each of these orders, as `sales` says them, comes back: one request."""
    document = Document(till, documents.RETURN)

    def bring_back(order: str, line: str) -> Turn:
        back = {"orderId": order, "lines": [{"orderLineId": line, "quantity": 1}], "idempotencyKey": uuid4().hex}
        if b'"paymentStatus":"PARTIALLY_REFUNDED"' not in (answer := fine((yield document.ask(input=back)))):
            raise Refused(answer)
        return DONE

    for said in orders:
        order, line = said.split(" ")
        yield bring_back(order, line)


def buys(front: Front, cart_ids: Sequence[str], price: str, tender: Mapping[str, str]) -> Iterator[Turn]:
    """Each cart is checked out once: SOLD, or GONE where nothing is left; anything else is an error."""
    checkout = Document(front, documents.CHECKOUT)

    def buy(cart: str) -> Turn:
        answer = yield checkout.ask(input=payment(cart, price, **tender))
        if b'"code":"OUT_OF_STOCK"' in answer and b'"order":null' in answer:
            return GONE
        paid(answer)
        return SOLD

    for cart in cart_ids:
        yield buy(cart)


def lines(*skus: str) -> list[dict[str, object]]:
    """A unit of each."""
    return [{"sku": sku, "quantity": 1} for sku in skus]


def payment(cart: str, amount: str, **tender: str) -> dict[str, object]:
    """A checkout's input, with one payment of the whole."""
    money = {"amount": amount, "currency": "JPY"}
    return {"cartId": cart, "idempotencyKey": uuid4().hex, "payments": [{**tender, "amount": money}]}


def paid(answer: bytes) -> str:
    """The outcome of a checkout that made an order and took its money."""
    if b'"paymentStatus":"PAID"' not in fine(answer):
        raise Refused(answer)
    return DONE
