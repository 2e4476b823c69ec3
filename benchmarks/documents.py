"""The GraphQL documents of the benchmark, and their requests over HTTP/1.1 with keep-alive."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

_encode = msgspec.json.Encoder().encode

ERRORS = "errors { code message path }"
CART = """
    id version total { amount currency }
    lines { id quantity unitPrice { amount } total { amount } variant { sku name } }
"""

BROWSE = """
query Browse($channel: String!, $after: String) {
  products(channel: $channel, first: 20, after: $after) {
    edges { node {
      id handle name brand
      variants { id sku name price { amount currency } availability { status quantity } }
    } }
    pageInfo { hasNextPage endCursor }
  }
}"""
PRODUCT = """
query Product($sku: String!, $channel: String!) {
  variant(sku: $sku) {
    id sku name
    product { id name brand description }
    price(channel: $channel) { amount currency }
    availability(channel: $channel) { status quantity }
  }
}"""
READ_CART = f"""
query Cart($id: ID!) {{
  cart(id: $id) {{ {CART} status quantity subtotal {{ amount }} tax {{ amount }} }}
}}"""
CREATE_CART = f"""
mutation Begin($input: CartCreateInput!) {{
  cartCreate(input: $input) {{ cart {{ {CART} }} {ERRORS} }}
}}"""
ADD_LINES = f"""
mutation Add($cart: ID!, $lines: [CartLineInput!]!, $key: String!) {{
  cartLinesAdd(cartId: $cart, lines: $lines, idempotencyKey: $key) {{ cart {{ {CART} }} {ERRORS} }}
}}"""
CHOOSE_PICKUP = f"""
mutation Pickup($cart: ID!, $input: CartFulfillmentInput!) {{
  cartFulfillment(cartId: $cart, input: $input) {{
    cart {{ id version total {{ amount currency }} lines {{ id method location {{ code name }} }} }} {ERRORS}
  }}
}}"""
CHECKOUT = f"""
mutation Pay($input: CheckoutInput!) {{
  checkout(input: $input) {{ order {{ id number status paymentStatus total {{ amount currency }} }} {ERRORS} }}
}}"""
CHECKOUT_WITH_LINES = f"""
mutation Sold($input: CheckoutInput!) {{
  checkout(input: $input) {{ order {{ id lines {{ id }} }} {ERRORS} }}
}}"""
RETURN = f"""
mutation Return($input: OrderReturnInput!) {{
  orderReturn(input: $input) {{ orderReturn {{ id refund {{ amount }} }} order {{ paymentStatus }} {ERRORS} }}
}}"""


@dataclass(frozen=True, slots=True)
class Client:
    """A client of the API: the address it calls, its key, and its channel."""

    host: str
    port: int
    path: str = "/graphql"
    key: str | None = None
    channel: str | None = None

    def request_head(self) -> bytes:
        """Return the head of a request up to the value of content-length."""
        head = f"POST {self.path} HTTP/1.1\r\nhost: {self.host}:{self.port}\r\ncontent-type: application/json\r\n"
        if self.key:
            head += f"authorization: Bearer {self.key}\r\n"
        if self.channel:
            head += f"uriba-channel: {self.channel}\r\n"
        return head.encode() + b"content-length: "


class Document:
    """A GraphQL document for one client. Everything but its variables is encoded once."""

    __slots__ = ("_head", "_query")

    def __init__(self, client: Client, query: str) -> None:
        self._head = client.request_head()
        self._query = b'{"query":' + _encode(query) + b',"variables":'

    def request(self, **variables: object) -> bytes:
        """Return the bytes of a request with these variables."""
        return make_request(self._head, self._query + _encode(variables) + b"}")


def make_request(head: bytes, body: bytes) -> bytes:
    """Return the bytes of a request from `Client.request_head` and a body."""
    return b"%s%d\r\n\r\n%s" % (head, len(body), body)
