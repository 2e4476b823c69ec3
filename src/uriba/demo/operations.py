"""The GraphQL operations of the journey: the documents, and a short form of each to print."""

from __future__ import annotations

from dataclasses import dataclass

ERRORS = "errors { code message path }"
CART = """
    id version status quantity lastChangedBy total { amount } order { number }
    lines { id quantity method variant { sku name } }
"""
ORDER = """
    id number status paymentStatus channel { code } cartChannel { code } location { code name } customer { name }
    subtotal { amount } tax { amount } shipping { amount } total { amount currency }
    lines { sku name quantity total { amount } }
    taxLines { rate taxable { amount } tax { amount } }
    fulfillments { method status location { code name } lines { quantity orderLine { sku } } }
    payments { method status amount { amount } }
    timeline { type at channel actor }
"""


@dataclass(frozen=True, slots=True)
class Operation:
    """A document, and a short form of it for readers."""

    summary: str
    document: str


def _cart_mutation(summary: str, head: str, call: str) -> Operation:
    return Operation(summary, f"mutation {head} {{ {call} {{ cart {{ {CART} }} {ERRORS} }} }}")


CHANNEL_STORES = Operation(
    "query channels { code locations { code name } }",
    "query { channels { code locations { code name } } }",
)
CUSTOMER = Operation(
    "mutation customersUpsert(customers: [{loyaltyCard, name}])",
    f"mutation ($c: [CustomerInput!]!) {{ customersUpsert(customers: $c) {{ count {ERRORS} }} }}",
)
TOKEN = Operation(
    "mutation customerToken(input: {loyaltyCard}) { token expiresAt }",
    f"mutation ($i: CustomerTokenInput!) {{ customerToken(input: $i) {{ token expiresAt {ERRORS} }} }}",
)
ME = Operation(
    "query me { name carts { … } }",
    f"query {{ me {{ id name carts {{ {CART} }} }} }}",
)
BROWSE = Operation(
    'query products(channel: "app", search: …) { name price availability { quantity pickup { location } } }',
    """query ($search: String, $after: String) {
        products(channel: "app", search: $search, first: 20, after: $after) {
            edges { node { name variants {
                sku name taxClass price { amount }
                availability { quantity pickup(first: 20) { quantity location { code } } }
            } } }
            pageInfo { hasNextPage endCursor }
        }
    }""",
)
LEVELS = Operation(
    "query stockLevels(skus: [three]) { onHand committed available movements { … } }",
    """query ($skus: [String!], $after: String) {
        stockLevels(skus: $skus, first: 100, after: $after) {
            edges { node {
                onHand committed reserved available variant { sku name } location { code name }
                movements(first: 2) { edges { node { id reason onHandDelta committedDelta reference actor } } }
            } }
            pageInfo { hasNextPage endCursor }
        }
    }""",
)
COUNT = Operation(
    "mutation stockSet(input: {changes: [{sku, location, onHand: 0}]})",
    f"mutation ($i: StockSetInput!) {{ stockSet(input: $i) {{ levels {{ onHand }} {ERRORS} }} }}",
)
BEGIN_CART = _cart_mutation("mutation cartCreate(input: {}) { cart { … } }", "", "cartCreate(input: {})")
ADD = _cart_mutation(
    "mutation cartLinesAdd(cartId, lines: [{sku, quantity}])",
    "($cart: ID!, $lines: [CartLineInput!]!, $key: String)",
    "cartLinesAdd(cartId: $cart, lines: $lines, idempotencyKey: $key)",
)
SET = _cart_mutation(
    "mutation cartLinesUpdate(cartId, lines: [{lineId, quantity}], expectedVersion)",
    "($cart: ID!, $lines: [CartLineUpdateInput!]!, $version: Int)",
    "cartLinesUpdate(cartId: $cart, lines: $lines, expectedVersion: $version)",
)
WATCH_CART = Operation(
    "subscription cartChanged(cartId) { status quantity lines … order }",
    f"subscription ($cart: ID!) {{ cartChanged(cartId: $cart) {{ {CART} }} }}",
)
HANDOFF = Operation(
    "mutation cartHandoff(cartId) { code qr expiresAt }",
    f"mutation ($cart: ID!) {{ cartHandoff(cartId: $cart) {{ code qr expiresAt {ERRORS} }} }}",
)
CLAIM = _cart_mutation(
    "mutation cartClaim(code) { cart { lines { method } } }", "($code: String!)", "cartClaim(code: $code)"
)
SHIP = _cart_mutation(
    "mutation cartFulfillment(cartId, input: {method: SHIP, lineIds, address})",
    "($cart: ID!, $i: CartFulfillmentInput!)",
    "cartFulfillment(cartId: $cart, input: $i)",
)
CHECKOUT = Operation(
    "mutation checkout(input: {cartId, payments: [{method: CASH, amount}], expectedTotal})",
    f"mutation ($i: CheckoutInput!) {{ checkout(input: $i) {{ order {{ {ORDER} }} {ERRORS} }} }}",
)
RECEIPT = Operation(
    "query order(number) { lines taxLines fulfillments payments timeline }",
    f"query ($number: String) {{ order(number: $number) {{ {ORDER} }} }}",
)
