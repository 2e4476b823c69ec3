"""Iterations: what a simulated user does, one after the other.

An iteration is a generator: it yields requests, receives the bodies of the responses, and returns its outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from itertools import count, cycle
from uuid import uuid4

from benchmarks import documents
from benchmarks.documents import Client, Document
from benchmarks.http_responses import ResponseError, cart_id_of, text_between, total_of, without_errors

Iteration = Generator[bytes, bytes, str]
Iterations = Callable[[], Iterator[Iteration]]
"""The iterations of all users together: a user that is idle takes the next one."""

DONE = "done"
SOLD = "sold"
OUT_OF_STOCK = "out of stock"

TILL_TENDER = {"method": "CASH"}
WEB_TENDER = {"method": "TEST", "token": "ok"}


def single_request(request: bytes) -> Iteration:
    without_errors((yield request))
    return DONE


def repeat_requests(requests: Sequence[bytes]) -> Iterator[Iteration]:
    """Send the same requests again and again, each as an iteration."""
    for request in cycle(requests):
        yield single_request(request)


def browse_pages(client: Client, channel: str, cursors: Sequence[str | None]) -> Iterator[Iteration]:
    document = Document(client, documents.BROWSE)
    for after in cycle(cursors):
        yield single_request(document.request(channel=channel, after=after))


def read_products(client: Client, channel: str, skus: Sequence[str]) -> Iterator[Iteration]:
    document = Document(client, documents.PRODUCT)
    for sku in cycle(skus):
        yield single_request(document.request(sku=sku, channel=channel))


def read_carts(client: Client, cart_ids: Sequence[str]) -> Iterator[Iteration]:
    document = Document(client, documents.READ_CART)
    for cart_id in cycle(cart_ids):
        yield single_request(document.request(id=cart_id))


def add_units(client: Client, carts: Sequence[tuple[str, Sequence[str]]]) -> Iterator[Iteration]:
    """Add one unit to one cart after the other, of each cart's SKUs in turn, each with a new idempotency key."""
    document = Document(client, documents.ADD_LINES)
    for n in count():
        cart_id, skus = carts[n % len(carts)]
        sku = skus[n // len(carts) % len(skus)]
        request = document.request(cart=cart_id, lines=[{"sku": sku, "quantity": 1}], key=uuid4().hex)
        yield single_request(request)


def create_carts(client: Client, baskets: Sequence[Sequence[str]], pickup: str | None = None) -> Iterator[Iteration]:
    """Create carts with one unit of each SKU, for pickup if a store is given. The outcome is the cart's id."""
    create, choose_pickup = Document(client, documents.CREATE_CART), Document(client, documents.CHOOSE_PICKUP)

    def iteration(skus: Sequence[str]) -> Iteration:
        cart_id = cart_id_of(without_errors((yield create.request(input={"lines": one_of_each(*skus)}))))
        if pickup:
            fulfillment = {"method": "PICKUP", "location": pickup}
            without_errors((yield choose_pickup.request(cart=cart_id, input=fulfillment)))
        return cart_id

    for skus in baskets:
        yield iteration(skus)


def web_journeys(client: Client, skus: Sequence[str], stores: Sequence[str]) -> Iterator[Iteration]:
    """Guests of the web shop: create a cart, add a second line, choose a store for pickup, and pay."""
    create, add = Document(client, documents.CREATE_CART), Document(client, documents.ADD_LINES)
    choose_pickup, checkout = Document(client, documents.CHOOSE_PICKUP), Document(client, documents.CHECKOUT)

    def iteration(first: str, second: str, store: str) -> Iteration:
        cart_id = cart_id_of(without_errors((yield create.request(input={"lines": one_of_each(first)}))))
        without_errors((yield add.request(cart=cart_id, lines=one_of_each(second), key=uuid4().hex)))
        fulfillment = {"method": "PICKUP", "location": store}
        body = without_errors((yield choose_pickup.request(cart=cart_id, input=fulfillment)))
        return require_paid((yield checkout.request(input=checkout_input(cart_id, total_of(body), **WEB_TENDER))))

    for n in count():
        yield iteration(skus[n % len(skus)], skus[(n * 7 + 1) % len(skus)], stores[n % len(stores)])


def till_journeys(tills: Sequence[Client], skus: Sequence[str]) -> Iterator[Iteration]:
    """Customers at tills: two items are scanned, paid in cash, and carried out."""
    creates = [Document(till, documents.CREATE_CART) for till in tills]
    checkouts = [Document(till, documents.CHECKOUT) for till in tills]

    def iteration(create: Document, checkout: Document, *scanned: str) -> Iteration:
        body = without_errors((yield create.request(input={"lines": one_of_each(*scanned)})))
        payment = checkout_input(cart_id_of(body), total_of(body), **TILL_TENDER)
        return require_paid((yield checkout.request(input=payment)))

    for n in count():
        till = n % len(tills)
        yield iteration(creates[till], checkouts[till], skus[n % len(skus)], skus[(n * 7 + 1) % len(skus)])


def create_priced_carts(client: Client, baskets: Sequence[Sequence[str]], pickup: str) -> Iterator[Iteration]:
    """Create carts for pickup. The outcome is "CART_ID TOTAL"."""
    create, choose_pickup = Document(client, documents.CREATE_CART), Document(client, documents.CHOOSE_PICKUP)

    def iteration(skus: Sequence[str]) -> Iteration:
        cart_id = cart_id_of(without_errors((yield create.request(input={"lines": one_of_each(*skus)}))))
        fulfillment = {"method": "PICKUP", "location": pickup}
        body = without_errors((yield choose_pickup.request(cart=cart_id, input=fulfillment)))
        return f"{cart_id} {total_of(body)}"

    for skus in baskets:
        yield iteration(skus)


def pay_carts_by_card(client: Client, carts: Sequence[str]) -> Iterator[Iteration]:
    """Check out each cart of `create_priced_carts` by card, with one request."""
    checkout = Document(client, documents.CHECKOUT)

    def iteration(cart_id: str, amount: str) -> Iteration:
        return require_paid((yield checkout.request(input=checkout_input(cart_id, amount, **WEB_TENDER))))

    for cart in carts:
        cart_id, amount = cart.split(" ")
        yield iteration(cart_id, amount)


def sell_at_till(till: Client, baskets: Sequence[Sequence[str]]) -> Iterator[Iteration]:
    """Sell at a till. The outcome is "ORDER_ID ORDER_LINE_ID", with the order's first line."""
    create, checkout = Document(till, documents.CREATE_CART), Document(till, documents.CHECKOUT_WITH_LINES)

    def iteration(skus: Sequence[str]) -> Iteration:
        cart = without_errors((yield create.request(input={"lines": one_of_each(*skus)})))
        payment = checkout_input(cart_id_of(cart), total_of(cart), **TILL_TENDER)
        order = without_errors((yield checkout.request(input=payment)))
        order_id, line_id = text_between(order, b'"order":{"id":"'), text_between(order, b'"lines":[{"id":"')
        return f"{order_id} {line_id}"

    for skus in baskets:
        yield iteration(skus)


def return_units(till: Client, orders: Sequence[str]) -> Iterator[Iteration]:
    """Return one unit of each order of `sell_at_till`, with one request."""
    document = Document(till, documents.RETURN)

    def iteration(order_id: str, line_id: str) -> Iteration:
        returned = {
            "orderId": order_id,
            "lines": [{"orderLineId": line_id, "quantity": 1}],
            "idempotencyKey": uuid4().hex,
        }
        body = without_errors((yield document.request(input=returned)))
        if b'"paymentStatus":"PARTIALLY_REFUNDED"' not in body:
            raise ResponseError(body)
        return DONE

    for order in orders:
        order_id, line_id = order.split(" ")
        yield iteration(order_id, line_id)


def buy_carts(client: Client, cart_ids: Sequence[str], price: str, tender: Mapping[str, str]) -> Iterator[Iteration]:
    """Check out each cart once. The outcome is SOLD or OUT_OF_STOCK; every other answer is an error."""
    checkout = Document(client, documents.CHECKOUT)

    def iteration(cart_id: str) -> Iteration:
        body = yield checkout.request(input=checkout_input(cart_id, price, **tender))
        if b'"code":"OUT_OF_STOCK"' in body and b'"order":null' in body:
            return OUT_OF_STOCK
        require_paid(body)
        return SOLD

    for cart_id in cart_ids:
        yield iteration(cart_id)


def one_of_each(*skus: str) -> list[dict[str, object]]:
    """Return the input of cart lines with one unit of each SKU."""
    return [{"sku": sku, "quantity": 1} for sku in skus]


def checkout_input(cart_id: str, amount: str, **tender: str) -> dict[str, object]:
    """Return the input of a checkout with one tender for the whole amount."""
    money = {"amount": amount, "currency": "JPY"}
    return {"cartId": cart_id, "idempotencyKey": uuid4().hex, "payments": [{**tender, "amount": money}]}


def require_paid(body: bytes) -> str:
    """Return DONE for a checkout that created a paid order. Errors: `ResponseError`."""
    if b'"paymentStatus":"PAID"' not in without_errors(body):
        raise ResponseError(body)
    return DONE
