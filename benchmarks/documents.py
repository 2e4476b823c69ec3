"""What front ends send: whole queries with variables, over HTTP/1.1 that stays open."""

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
SHOW_CART = f"""
query Cart($id: ID!) {{
  cart(id: $id) {{ {CART} status quantity subtotal {{ amount }} tax {{ amount }} }}
}}"""
CREATE = f"""
mutation Begin($input: CartCreateInput!) {{
  cartCreate(input: $input) {{ cart {{ {CART} }} {ERRORS} }}
}}"""
ADD = f"""
mutation Add($cart: ID!, $lines: [CartLineInput!]!, $key: String!) {{
  cartLinesAdd(cartId: $cart, lines: $lines, idempotencyKey: $key) {{ cart {{ {CART} }} {ERRORS} }}
}}"""
FULFIL = f"""
mutation Pickup($cart: ID!, $input: CartFulfillmentInput!) {{
  cartFulfillment(cartId: $cart, input: $input) {{
    cart {{ id version total {{ amount currency }} lines {{ id method location {{ code name }} }} }} {ERRORS}
  }}
}}"""
CHECKOUT = f"""
mutation Pay($input: CheckoutInput!) {{
  checkout(input: $input) {{ order {{ id number status paymentStatus total {{ amount currency }} }} {ERRORS} }}
}}"""


SOLD = f"""
mutation Sold($input: CheckoutInput!) {{
  checkout(input: $input) {{ order {{ id lines {{ id }} }} {ERRORS} }}
}}"""
RETURN = f"""
mutation Return($input: OrderReturnInput!) {{
  orderReturn(input: $input) {{ orderReturn {{ id refund {{ amount }} }} order {{ paymentStatus }} {ERRORS} }}
}}"""


@dataclass(frozen=True, slots=True)
class Front:
    """A front end: where it calls, with which key, in which channel."""

    host: str
    port: int
    path: str = "/graphql"
    key: str | None = None
    channel: str | None = None

    def head(self) -> bytes:
        """All of a request before its length."""
        head = f"POST {self.path} HTTP/1.1\r\nhost: {self.host}:{self.port}\r\ncontent-type: application/json\r\n"
        if self.key:
            head += f"authorization: Bearer {self.key}\r\n"
        if self.channel:
            head += f"uriba-channel: {self.channel}\r\n"
        return head.encode()


class Document:
    """One query of one front end, encoded but for its variables."""

    __slots__ = ("_head", "_query")

    def __init__(self, front: Front, query: str) -> None:
        self._head = front.head() + b"content-length: "
        self._query = b'{"query":' + _encode(query) + b',"variables":'

    def ask(self, **variables: object) -> bytes:
        """The request as it goes over the wire."""
        return request(self._head, self._query + _encode(variables) + b"}")


def request(head: bytes, body: bytes) -> bytes:
    """A request from its head, up to the length's value, and its body."""
    return b"%s%d\r\n\r\n%s" % (head, len(body), body)
