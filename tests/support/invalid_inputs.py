"""Requests with invalid input, with the codes and paths of their errors.

"$cart:guest" and the like stand for what the scenario knows: see `fill`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from tests.support.shop import ADDRESS, CHECKOUT, ERRORS
from uriba.core.ids import global_id, new_secret_id

if TYPE_CHECKING:
    from tests.support.api_scenario import Scenario

UNKNOWN_CART = global_id("Cart", new_secret_id())
NO_LINE = global_id("CartLine", 0)

CREATE = f"mutation ($input: CartCreateInput!) {{ cartCreate(input: $input) {{ cart {{ id }} {ERRORS} }} }}"
ADD = f"""mutation ($cartId: ID!, $lines: [CartLineInput!]!) {{
    cartLinesAdd(cartId: $cartId, lines: $lines) {{ cart {{ id }} {ERRORS} }} }}"""
SET = f"""mutation ($cartId: ID!, $lines: [CartLineUpdateInput!]!, $version: Int) {{
    cartLinesUpdate(cartId: $cartId, lines: $lines, expectedVersion: $version) {{ cart {{ id }} {ERRORS} }} }}"""
HANDOFF = f"mutation ($cartId: ID!) {{ cartHandoff(cartId: $cartId) {{ code qr expiresAt {ERRORS} }} }}"
CLAIM = f"mutation ($code: String!) {{ cartClaim(code: $code) {{ cart {{ id }} {ERRORS} }} }}"
MERGE = f"""mutation ($fromCartId: ID!, $intoCartId: ID) {{
    cartMerge(fromCartId: $fromCartId, intoCartId: $intoCartId) {{ cart {{ id }} {ERRORS} }} }}"""
FULFIL = f"""mutation ($cartId: ID!, $input: CartFulfillmentInput!) {{
    cartFulfillment(cartId: $cartId, input: $input) {{ cart {{ id }} {ERRORS} }} }}"""
ADJUST = f"mutation ($input: StockAdjustInput!) {{ stockAdjust(input: $input) {{ levels {{ id }} {ERRORS} }} }}"
COUNT = f"mutation ($input: StockSetInput!) {{ stockSet(input: $input) {{ levels {{ id }} {ERRORS} }} }}"
PRICES = f"mutation ($prices: [PriceInput!]!) {{ pricesUpsert(prices: $prices) {{ count {ERRORS} }} }}"
CHANNELS = f"mutation ($channels: [ChannelInput!]!) {{ channelsUpsert(channels: $channels) {{ count {ERRORS} }} }}"
LOCATIONS = (
    f"mutation ($locations: [LocationInput!]!) {{ locationsUpsert(locations: $locations) {{ count {ERRORS} }} }}"
)
PRODUCTS = f"mutation ($products: [ProductInput!]!) {{ productsUpsert(products: $products) {{ count {ERRORS} }} }}"
CUSTOMERS = (
    f"mutation ($customers: [CustomerInput!]!) {{ customersUpsert(customers: $customers) {{ count {ERRORS} }} }}"
)
TOKEN = f"mutation ($input: CustomerTokenInput!) {{ customerToken(input: $input) {{ token expiresAt {ERRORS} }} }}"


class Request(NamedTuple):
    """A mutation by one of the scenario's callers."""

    caller: str
    document: str
    variables: dict[str, Any]


class Case(NamedTuple):
    """A request and its errors; paths as in "lines.0.quantity", with a space between two."""

    request: Request
    code: str
    paths: str


def fill(value: Any, scenario: Scenario) -> Any:
    """Replace "$cart:name", "$line:cart", "$sku:name" … by the scenario's ids and codes."""
    if isinstance(value, dict):
        return {key: fill(part, scenario) for key, part in value.items()}
    if isinstance(value, list):
        return [fill(part, scenario) for part in value]
    if not (isinstance(value, str) and value.startswith("$")):
        return value
    kind, _, name = value[1:].partition(":")
    match kind:
        case "cart":
            return scenario.cart_id(name)
        case "line":
            return scenario.carts[name]["lines"][0]["id"]
        case "handoff":
            return scenario.codes[name]
        case "key":
            return uuid4().hex
    return scenario.shop.code(name)


def create(caller: str = "guest", **fields: Any) -> Request:
    return Request(caller, CREATE, {"input": fields})


def add(cart: str = "$cart:guest", **line: Any) -> Request:
    return Request("guest", ADD, {"cartId": cart, "lines": [{"sku": "$sku:TEA"} | line]})


def set_lines(cart: str = "guest", line: str | None = None, **fields: Any) -> Request:
    lines = [{"lineId": line or f"$line:{cart}", "quantity": fields.pop("quantity", 1)}]
    return Request("guest", SET, {"cartId": f"$cart:{cart}", "lines": lines} | fields)


def fulfil(cart: str = "$cart:guest", **fields: Any) -> Request:
    return Request("guest", FULFIL, {"cartId": cart, "input": {"method": "SHIP"} | fields})


def merge(source: str, into: str | None = None, caller: str = "guest") -> Request:
    return Request(caller, MERGE, {"fromCartId": source, "intoCartId": into})


def coupon(what: str, cart: str) -> Request:
    field = f'cartCoupon{what}(cartId: $cartId, code: "x")'
    document = f"mutation ($cartId: ID!) {{ {field} {{ cart {{ id }} {ERRORS} }} }}"
    return Request("guest", document, {"cartId": cart})


def pay(amount: str = "1796", currency: str = "JPY", *, cart: str = "$cart:guest", **fields: Any) -> Request:
    """A checkout of the guest's cart, valid but for the given fields."""
    payment = {"method": "TEST", "token": "ok", "amount": {"amount": amount, "currency": currency}}
    for field in ("method", "token"):
        payment |= {field: fields.pop(field)} if field in fields else {}
    checkout = {"cartId": cart, "idempotencyKey": "$key", "payments": [payment]} | fields
    return Request("guest", CHECKOUT, {"input": checkout})


def expect(amount: str, currency: str = "JPY") -> Request:
    return pay(expectedTotal={"amount": amount, "currency": currency})


def adjust(reason: str = "ADJUSTMENT", **change: Any) -> Request:
    changes = [{"sku": "$sku:TEA", "location": "$code:S1", "delta": 1} | change]
    return Request("staff", ADJUST, {"input": {"changes": changes, "reason": reason, "idempotencyKey": "$key"}})


def count(**change: Any) -> Request:
    changes = [{"sku": "$sku:TEA", "location": "$code:S1", "onHand": 1} | change]
    return Request("staff", COUNT, {"input": {"changes": changes, "idempotencyKey": "$key"}})


def price(amount: str = "650", currency: str = "JPY", **fields: Any) -> Request:
    row = {"sku": "$sku:TEA", "channel": "$code:app", "amount": {"amount": amount, "currency": currency}}
    return Request("staff", PRICES, {"prices": [row | fields]})


def channel(**fields: Any) -> Request:
    row = {"code": "$code:app", "name": "New", "kind": "APP", "currency": "JPY", "locations": [], "taxRates": []}
    return Request("staff", CHANNELS, {"channels": [row | fields]})


def location(**fields: Any) -> Request:
    return Request("staff", LOCATIONS, {"locations": [{"code": "$code:S1", "name": "New", "kind": "STORE"} | fields]})


def product(**variant: Any) -> Request:
    variants = [{"sku": "$sku:NEW", "name": "New"} | variant]
    return Request("staff", PRODUCTS, {"products": [{"handle": "$code:new", "name": "New", "variants": variants}]})


def customers(*rows: dict[str, Any]) -> Request:
    return Request("staff", CUSTOMERS, {"customers": list(rows)})


def token(**fields: Any) -> Request:
    return Request("staff", TOKEN, {"input": fields})


def times(request: Request, rows: int) -> Request:
    """Repeat the list of rows in a request."""

    def repeat(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: repeat(part) for key, part in value.items()}
        return value * rows if isinstance(value, list) else value

    return request._replace(variables=repeat(request.variables))


UNKNOWN = {
    "SKU": Case(add(sku="NO-SUCH"), "NOT_FOUND", "lines.0.sku"),
    "SKU of a new cart": Case(create(lines=[{"sku": "NO-SUCH"}]), "NOT_FOUND", "lines.0.sku"),
    "variant": Case(add(sku=None, variantId="Tm9uZQ=="), "NOT_FOUND", "lines.0.variantId"),
    "variant with a cart's id": Case(add(sku=None, variantId="$cart:guest"), "NOT_FOUND", "lines.0.variantId"),
    "SKU to adjust": Case(adjust(sku="NO-SUCH"), "NOT_FOUND", "changes.0.sku"),
    "SKU to count": Case(count(sku="NO-SUCH"), "NOT_FOUND", "changes.0.sku"),
    "SKU to price": Case(price(sku="NO-SUCH"), "NOT_FOUND", "prices.0.sku"),
    "channel": Case(create(channel="no-such"), "NOT_FOUND", "channel"),
    "channel without a name": Case(create(channel=""), "NOT_FOUND", "channel"),
    "channel to price": Case(price(channel="no-such"), "NOT_FOUND", "prices.0.channel"),
    "location to adjust": Case(adjust(location="no-such"), "NOT_FOUND", "changes.0.location"),
    "location to count": Case(count(location="no-such"), "NOT_FOUND", "changes.0.location"),
    "location to price": Case(price(location="no-such"), "NOT_FOUND", "prices.0.location"),
    "location to sell from": Case(channel(locations=["no-such"]), "NOT_FOUND", "channels.0.locations.0"),
    "store of a pickup": Case(fulfil(method="PICKUP", location="no-such"), "NOT_FOUND", "location"),
    "cart": Case(add(UNKNOWN_CART), "NOT_FOUND", "cartId"),
    "cart without an id": Case(add("5"), "NOT_FOUND", "cartId"),
    "cart to hand off": Case(Request("guest", HANDOFF, {"cartId": UNKNOWN_CART}), "NOT_FOUND", "cartId"),
    "cart to fulfil": Case(fulfil(UNKNOWN_CART), "NOT_FOUND", "cartId"),
    "cart to merge": Case(merge(UNKNOWN_CART, caller="hana"), "NOT_FOUND", "fromCartId"),
    "cart to merge into": Case(merge("$cart:guest", UNKNOWN_CART), "NOT_FOUND", "intoCartId"),
    "cart to check out": Case(pay(cart=UNKNOWN_CART), "NOT_FOUND", "cartId"),
    "line": Case(set_lines(line=NO_LINE), "NOT_FOUND", "lines.0.lineId"),
    "line: another cart's": Case(set_lines(line="$line:full"), "NOT_FOUND", "lines.0.lineId"),
    "line to fulfil": Case(fulfil(lineIds=["$line:guest", NO_LINE]), "NOT_FOUND", "lineIds.1"),
    "customer": Case(token(loyaltyCard="no-such"), "NOT_FOUND", "loyaltyCard"),
}

QUANTITIES = {
    **{f"add {n}": Case(add(quantity=n), "INVALID_QUANTITY", "lines.0.quantity") for n in (0, -1, 100_001, 2**31 - 1)},
    **{f"set {n}": Case(set_lines(quantity=n), "INVALID_QUANTITY", "lines.0.quantity") for n in (-1, 100_001)},
    **{f"adjust by {n}": Case(adjust(delta=n), "INVALID_QUANTITY", "changes.0.delta") for n in (0, 100_001, -100_001)},
    **{f"count {n}": Case(count(onHand=n), "INVALID_QUANTITY", "changes.0.onHand") for n in (-1, 100_001)},
    "safety stock of -1": Case(count(safetyStock=-1), "INVALID_QUANTITY", "changes.0.safetyStock"),
    "a new cart with quantity 0": Case(
        create(lines=[{"sku": "$sku:TEA", "quantity": 0}]), "INVALID_QUANTITY", "lines.0.quantity"
    ),
    "remove more than on hand": Case(adjust(delta=-1_000_000), "INVALID_QUANTITY", "changes.0.delta"),
    "more than 100,000 units": Case(add("$cart:full", quantity=2), "INVALID_QUANTITY", "lines.0.quantity"),
    "more than 100,000 units in two lines": Case(
        times(add(quantity=50_001), 2), "INVALID_QUANTITY", "lines.0.quantity lines.1.quantity"
    ),
    "merge to more than 100,000": Case(merge("$cart:guest", "$cart:full"), "INVALID_QUANTITY", "fromCartId"),
}

IDENTIFIERS = {
    "a line with SKU and variant": Case(add(variantId="VmFyaWFudDox"), "INVALID", "lines.0"),
    "a line without SKU and variant": Case(add(sku=None), "INVALID", "lines.0"),
    "a token without identifier": Case(token(), "INVALID", "loyaltyCard"),
    "a token with two identifiers": Case(token(loyaltyCard="A", phone="12345"), "INVALID", "phone"),
    "a customer without identifier": Case(customers({"name": "Ken"}), "INVALID", "customers.0"),
    "the same customer twice": Case(
        customers({"phone": "12345"}, {"phone": "1-23-45"}), "INVALID", "customers.1.phone"
    ),
    "the same level twice": Case(times(count(), 2), "INVALID", "changes.1"),
    "the same price twice": Case(times(price(), 2), "INVALID", "prices.1"),
    "the same channel twice": Case(times(channel(), 2), "INVALID", "channels.1.code"),
    "a cart into itself": Case(merge("$cart:guest", "$cart:guest"), "INVALID", "intoCartId"),
    "a cart into no customer's": Case(merge("$cart:guest"), "INVALID", "intoCartId"),
}

CURRENCIES = {
    "pay in dollars": Case(pay(currency="USD"), "CURRENCY_MISMATCH", "payments.0.amount.currency"),
    "expect dollars": Case(expect("1796", "USD"), "CURRENCY_MISMATCH", "expectedTotal.currency"),
    "a price in dollars": Case(price("6.50", "USD"), "CURRENCY_MISMATCH", "prices.0.amount.currency"),
    "a price in an unknown currency": Case(price(currency="YEN"), "INVALID", "prices.0.amount.currency"),
    "a price in a lower-case currency": Case(price(currency="jpy"), "INVALID", "prices.0.amount.currency"),
    "a channel in an unknown currency": Case(channel(code="$code:new", currency="¥"), "INVALID", "channels.0.currency"),
    "a channel that changes its currency": Case(channel(currency="USD"), "INVALID", "channels.0.currency"),
    "merge dollars into yen": Case(merge("$cart:dollars", "$cart:guest"), "CURRENCY_MISMATCH", "fromCartId"),
    "claim dollars at a till": Case(Request("till", CLAIM, {"code": "$handoff:dollars"}), "CURRENCY_MISMATCH", "code"),
}

NO_AMOUNTS = (
    "100.5",
    "1e3",
    "1,080",
    "１０８０",
    "",
    "NaN",
    "Infinity",
    " 5",
    "5 ",
    "+5",
    "0x10",
    "1_0",
    "05",
    "5.",
    ".5",
)
AMOUNTS = {
    **{f"pay {a!r}": Case(pay(a), "INVALID", "payments.0.amount.amount") for a in (*NO_AMOUNTS, "0", "-5")},
    **{f"expect {a!r}": Case(expect(a), "INVALID", "expectedTotal.amount") for a in NO_AMOUNTS},
    **{f"price {a!r}": Case(price(a), "INVALID", "prices.0.amount.amount") for a in (*NO_AMOUNTS, "-1")},
    **{f"ship for {a!r}": Case(channel(shippingPrice=a), "INVALID", "channels.0.shippingPrice") for a in NO_AMOUNTS},
    **{
        f"tax of {rate!r}": Case(
            channel(taxRates=[{"taxClass": "standard", "rate": rate}]), "INVALID", "channels.0.taxRates.0.rate"
        )
        for rate in ("1.1", "-0.1", "10%", "1e-1", "0.1234567", "")
    },
    "a price of 400 digits": Case(price("9" * 400), "INVALID", "prices.0.amount.amount"),
    "a price of 17 digits": Case(price("9" * 17), "INVALID", "prices.0.amount.amount"),
    "a price with too many decimals": Case(
        price("4.505", "USD", channel="$code:usd"), "INVALID", "prices.0.amount.amount"
    ),
}

PAYMENTS = {
    "too little": Case(pay("1795"), "PAYMENT_MISMATCH", "payments"),
    "too much": Case(pay("1797"), "PAYMENT_MISMATCH", "payments"),
    "no payments": Case(pay(payments=[]), "PAYMENT_MISMATCH", "payments"),
    "the total twice": Case(times(pay(), 2), "PAYMENT_MISMATCH", "payments"),
    "too many payments": Case(times(pay("1"), 21), "LIMIT_EXCEEDED", "payments"),
    "another total than expected": Case(expect("1795"), "PRICE_CHANGED", "expectedTotal"),
    "cash without a till": Case(pay(method="CASH"), "INVALID", "payments.0.method"),
    "with an unknown provider": Case(pay(method="NO-SUCH"), "INVALID", "payments.0.method"),
    "with an unknown token": Case(pay(token="no-such"), "INVALID", "payments.0.token"),
    "with no token": Case(pay(token=None), "INVALID", "payments.0.token"),
    "with no e-mail address": Case(pay(email="hana"), "INVALID", "email"),
    "with no phone number": Case(pay(phone="call me"), "INVALID", "phone"),
    "with an empty key": Case(pay(idempotencyKey=""), "INVALID", "idempotencyKey"),
    "with a too long key": Case(pay(idempotencyKey="k" * 256), "INVALID", "idempotencyKey"),
}

CARTS = {
    "check out an empty one": Case(pay("1", cart="$cart:empty"), "EMPTY_CART", "cartId"),
    "check out an ordered one": Case(pay("1148", cart="$cart:ordered"), "CART_NOT_ACTIVE", "cartId"),
    "add to an ordered one": Case(add("$cart:ordered"), "CART_NOT_ACTIVE", "cartId"),
    "set an ordered one": Case(set_lines("ordered"), "CART_NOT_ACTIVE", "cartId"),
    "ship an ordered one": Case(fulfil("$cart:ordered", address=ADDRESS), "CART_NOT_ACTIVE", "cartId"),
    "hand an ordered one off": Case(
        Request("guest", HANDOFF, {"cartId": "$cart:ordered"}), "CART_NOT_ACTIVE", "cartId"
    ),
    "merge an ordered one": Case(merge("$cart:ordered", "$cart:guest"), "CART_NOT_ACTIVE", "fromCartId"),
    "merge into an ordered one": Case(merge("$cart:guest", "$cart:ordered"), "CART_NOT_ACTIVE", "intoCartId"),
    "set lines of another version": Case(set_lines(version=0), "VERSION_CONFLICT", "expectedVersion"),
    "add nothing": Case(times(add(), 0), "INVALID", "lines"),
    "in the channel of another key": Case(create("app", channel="$code:web"), "INVALID", "channel"),
    "carry out without a till": Case(fulfil(method="CARRY_OUT"), "INVALID", "method"),
    "pick up without a location": Case(fulfil(method="PICKUP"), "INVALID", "location"),
    "pick up at a warehouse": Case(fulfil(method="PICKUP", location="$code:W1"), "INVALID", "location"),
    **{
        f"ship to {field} {value[:9]!r}": Case(fulfil(address=ADDRESS | {field: value}), "INVALID", f"address.{field}")
        for field, value in (("name", " "), ("line1", ""), ("postalCode", "x" * 201), ("country", "Japan"))
    },
}

MASTER_DATA = {
    "another on hand than expected": Case(count(expectedOnHand=4), "VERSION_CONFLICT", "changes.0.expectedOnHand"),
    "a count as an adjustment": Case(adjust("COUNT"), "INVALID", "reason"),
    "a token for 0 seconds": Case(token(loyaltyCard="A", ttlSeconds=0), "INVALID", "ttlSeconds"),
    "a token for 68 years": Case(token(loyaltyCard="A", ttlSeconds=2**31 - 1), "INVALID", "ttlSeconds"),
    "a price that ends before it begins": Case(
        price(validFrom="2026-02-01T00:00:00Z", validTo="2026-02-01T08:59:59+09:00"), "INVALID", "prices.0.validTo"
    ),
    "no time zone": Case(location(timezone="Tokyo"), "INVALID", "locations.0.timezone"),
    "no name": Case(location(name=" "), "INVALID", "locations.0.name"),
    "no SKU": Case(product(sku=" "), "INVALID", "products.0.variants.0.sku"),
    "a long SKU": Case(product(sku="x" * 65), "INVALID", "products.0.variants.0.sku"),
    "no e-mail address": Case(customers({"email": "@"}), "INVALID", "customers.0.email"),
    "no phone number": Case(customers({"phone": "++81"}), "INVALID", "customers.0.phone"),
}

TOO_MANY = {
    "501 lines": Case(times(add(), 501), "LIMIT_EXCEEDED", "lines"),
    "501 lines to set": Case(times(set_lines(), 501), "LIMIT_EXCEEDED", "lines"),
    "1,001 changes": Case(times(adjust(), 1_001), "LIMIT_EXCEEDED", "changes"),
    "1,001 counts": Case(times(count(), 1_001), "LIMIT_EXCEEDED", "changes"),
    "1,001 prices": Case(times(price(), 1_001), "LIMIT_EXCEEDED", "prices"),
    "1,001 channels": Case(times(channel(), 1_001), "LIMIT_EXCEEDED", "channels"),
    "1,001 locations": Case(times(location(), 1_001), "LIMIT_EXCEEDED", "locations"),
    "1,001 customers": Case(times(customers({"phone": "12345"}), 1_001), "LIMIT_EXCEEDED", "customers"),
}

OF_A_CART = {
    "add": lambda cart: add(cart),
    "set": lambda cart: Request("", SET, {"cartId": cart, "lines": [{"lineId": "$line:hana", "quantity": 0}]}),
    "fulfil": lambda cart: fulfil(cart, address=ADDRESS),
    "fulfil a line": lambda cart: fulfil(cart, lineIds=["$line:hana"], address=ADDRESS),
    "hand off": lambda cart: Request("", HANDOFF, {"cartId": cart}),
    "give a coupon": lambda cart: coupon("Add", cart),
    "take a coupon out": lambda cart: coupon("Remove", cart),
    "merge": lambda cart: merge(cart),
    "merge into another": lambda cart: merge(cart, "$cart:guest"),
    "merge another into it": lambda cart: merge("$cart:guest", cart),
    "check out": lambda cart: pay("648", cart=cart),
    "check out with an invalid amount": lambda cart: pay("nonsense", cart=cart, email="hana"),
}
"""Every mutation of a cart by its id."""

CASES = {
    f"{group}: {name}": case
    for group, cases in (
        ("unknown", UNKNOWN),
        ("quantity", QUANTITIES),
        ("identifier", IDENTIFIERS),
        ("currency", CURRENCIES),
        ("amount", AMOUNTS),
        ("payment", PAYMENTS),
        ("cart", CARTS),
        ("master data", MASTER_DATA),
        ("too many", TOO_MANY),
    )
    for name, case in cases.items()
}
