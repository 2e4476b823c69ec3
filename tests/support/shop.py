"""A separate retailer for each test: two stores, a warehouse, three channels, products, and clients of each kind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from tests.support.client import Client
from tests.support.waiting import wait_for_positions
from uriba.access import keys
from uriba.core.actor import Scope

if TYPE_CHECKING:
    from tests.support.hub import RunningHub

ERRORS = "errors { code message path }"
CART = """
    id version status quantity lastChangedBy
    subtotal { amount } tax { amount } shipping { amount } total { amount currency }
    channel { code } customer { name } order { id number status }
    lines {
        id quantity method unitPrice { amount } total { amount } location { code } variant { sku }
        warnings { code message }
    }
"""
ORDER = """
    id number status paymentStatus channel { code } cartChannel { code } location { code } customer { name }
    subtotal { amount } tax { amount } shipping { amount } total { amount currency }
    lines { id sku name quantity unitPrice { amount } total { amount } }
    taxLines { rate taxable { amount } tax { amount } }
    fulfillments { method status location { code } lines { quantity orderLine { sku } } }
    payments { method status amount { amount } reference }
    timeline { type channel actor }
"""
CHECKOUT = f"mutation ($input: CheckoutInput!) {{ checkout(input: $input) {{ order {{ {ORDER} }} {ERRORS} }} }}"
ADDRESS = {
    "name": "Hana Sato",
    "line1": "1-2-3 Jingumae",
    "city": "Tokyo",
    "postalCode": "150-0001",
    "country": "JP",
}


@dataclass
class Shop:
    """A retailer whose codes have a unique suffix, so that tests do not share rows: `shop.code("S1")`, `shop.sku("TEA")`."""

    hub: RunningHub
    suffix: str
    clients: list[Client] = field(default_factory=list)
    keys: dict[str, str] = field(default_factory=dict)

    def code(self, name: str) -> str:
        """Return the full code of a location (S1, S2, W1), a channel (app, web, stores) or a SKU."""
        return f"{name}-{self.suffix}"

    sku = code

    def _client(self, key: str | None = None, channel: str | None = None) -> Client:
        client = self.hub.client(key, channel=channel)
        self.clients.append(client)
        return client

    def guest(self, channel: str | None = "web") -> Client:
        """Return a client without a key that names a channel in its header."""
        return self._client(channel=self.code(channel) if channel else None)

    @property
    def staff(self) -> Client:
        return self._client(self.keys["staff"])

    async def terminal(self, location: str = "S1") -> Client:
        """Return a client with the key of a new terminal at a location."""
        async with self.hub.database.transaction() as session:
            issued = await keys.for_terminal(session, location=self.code(location))
        return self._client(issued.key)

    async def app(self, channel: str = "app", *scopes: Scope) -> Client:
        """Return a client with a new key of a channel's app."""
        async with self.hub.database.transaction() as session:
            issued = await keys.for_app(session, channel=self.code(channel), scopes=frozenset(scopes))
        return self._client(issued.key)

    async def customer(self, card: str = "HANA", channel: str = "app") -> Client:
        """Return a client of the customer with this card, signed in by a channel's app."""
        card = self.code(card)
        await self.staff.mutate(
            f"mutation ($c: [CustomerInput!]!) {{ customersUpsert(customers: $c) {{ count {ERRORS} }} }}",
            c=[{"loyaltyCard": card, "name": "Hana"}],
        )
        app = await self.app(channel, Scope.CUSTOMERS)
        payload = await app.mutate(
            f"mutation ($i: CustomerTokenInput!) {{ customerToken(input: $i) {{ token {ERRORS} }} }}",
            i={"loyaltyCard": card},
        )
        assert payload["token"], payload
        return self._client(payload["token"])

    async def feed_end(self) -> str:
        """Return the cursor after which the events of all later changes come: all earlier ones have their position."""
        await wait_for_positions(self.hub.database)
        return str((await self.staff.execute("{ feed { end } }"))["feed"]["end"])

    async def receive(self, **units: int) -> None:
        """Increase stock: receive(TEA_S1=10) adds 10 units of TEA at S1."""
        changes = [
            {"sku": self.sku(name.split("_")[0]), "location": self.code(name.split("_")[1]), "delta": delta}
            for name, delta in units.items()
        ]
        payload = await self.staff.mutate(
            f"mutation ($i: StockAdjustInput!) {{ stockAdjust(input: $i) {{ levels {{ onHand }} {ERRORS} }} }}",
            i={"changes": changes, "reason": "RECEIPT", "idempotencyKey": uuid4().hex},
        )
        assert not payload["errors"], payload

    async def stock_level(self, sku: str, location: str) -> dict[str, Any]:
        """Return a stock level with the fields for staff."""
        data = await self.staff.execute(
            """query ($l: String, $s: [String!]) { stockLevels(location: $l, skus: $s) { edges { node {
                id onHand committed reserved unavailable safetyStock available shortage incoming
                movements { edges { node { reason quantity onHandDelta committedDelta reservedDelta reference actor } } }
            } } } }""",
            l=self.code(location),
            s=[self.sku(sku)],
        )
        (edge,) = data["stockLevels"]["edges"]
        return edge["node"]  # type: ignore[no-any-return]

    async def create_cart(self, client: Client, channel: str | None = None, **quantities: int) -> dict[str, Any]:
        """Create a cart of the client: cart(guest, TEA=2)."""
        lines = [{"sku": self.sku(name), "quantity": quantity} for name, quantity in quantities.items()]
        cart_input = {"lines": lines, **({"channel": self.code(channel)} if channel else {})}
        payload = await client.mutate(
            f"mutation ($i: CartCreateInput!) {{ cartCreate(input: $i) {{ cart {{ {CART} }} {ERRORS} }} }}",
            i=cart_input,
        )
        assert not payload["errors"], payload
        return payload["cart"]  # type: ignore[no-any-return]

    async def add_lines(
        self, client: Client, cart: dict[str, Any], *, key: str | None = None, **quantities: int
    ) -> dict[str, Any]:
        """Call cartLinesAdd and return its payload."""
        return await client.mutate(
            f"""mutation ($c: ID!, $l: [CartLineInput!]!, $k: String) {{
                cartLinesAdd(cartId: $c, lines: $l, idempotencyKey: $k) {{ cart {{ {CART} }} {ERRORS} }} }}""",
            c=cart["id"],
            l=[{"sku": self.sku(name), "quantity": quantity} for name, quantity in quantities.items()],
            k=key,
        )

    async def set_fulfillment(self, client: Client, cart: dict[str, Any], method: str, **fields: Any) -> dict[str, Any]:
        """Call cartFulfillment and return its payload. `location` is a name without suffix, such as S1."""
        if "location" in fields:
            fields["location"] = self.code(fields["location"])
        return await client.mutate(
            f"""mutation ($c: ID!, $i: CartFulfillmentInput!) {{
                cartFulfillment(cartId: $c, input: $i) {{ cart {{ {CART} }} {ERRORS} }} }}""",
            c=cart["id"],
            i={"method": method, **fields},
        )

    async def check_out(
        self,
        client: Client,
        cart: dict[str, Any],
        *,
        total: str | None = None,
        method: str = "TEST",
        token: str | None = "ok",
        key: str | None = None,
        **fields: Any,
    ) -> dict[str, Any]:
        """Call checkout with one payment of the cart's total and return the payload. A terminal pays with method="CASH"."""
        amount = {"amount": total or cart["total"]["amount"], "currency": "JPY"}
        payment = {"method": method, "amount": amount, **({"token": token} if method == "TEST" else {})}
        return await client.mutate(
            CHECKOUT,
            input={
                "cartId": cart["id"],
                "idempotencyKey": key or uuid4().hex,
                "payments": [payment],
                **fields,
            },
        )

    async def close(self) -> None:
        for client in self.clients:
            await client.close()


async def open_shop(hub: RunningHub) -> Shop:
    """Create a shop without stock.

    S1 and S2 are stores that offer pickup and ship, W1 is a warehouse that ships. TEA costs ¥648 with 8 % tax, POT ¥3,300
    and CUP ¥13,582 with 10 %; prices include tax. Shipping is free, except ¥500 in the channel web."""
    shop = Shop(hub, uuid4().hex[:8])
    async with hub.database.transaction() as session:
        shop.keys["staff"] = (await keys.for_staff(session, name="Aiko")).key
    staff, code = shop.staff, shop.code
    rates = [{"taxClass": "standard", "rate": "0.10"}, {"taxClass": "reduced", "rate": "0.08"}]
    locations = [code("W1"), code("S1"), code("S2")]
    for mutation, rows in (
        (
            "locationsUpsert(locations",
            [
                {
                    "code": code("S1"),
                    "name": "Shibuya",
                    "kind": "STORE",
                    "timezone": "Asia/Tokyo",
                    "offersPickup": True,
                    "shipsOrders": True,
                },
                {
                    "code": code("S2"),
                    "name": "Sapporo",
                    "kind": "STORE",
                    "timezone": "Asia/Tokyo",
                    "offersPickup": True,
                    "shipsOrders": True,
                },
                {"code": code("W1"), "name": "Warehouse", "kind": "WAREHOUSE", "shipsOrders": True},
            ],
        ),
        (
            "channelsUpsert(channels",
            [
                {
                    "code": code("app"),
                    "name": "App",
                    "kind": "APP",
                    "currency": "JPY",
                    "locations": locations,
                    "taxRates": rates,
                },
                {
                    "code": code("web"),
                    "name": "Web",
                    "kind": "WEB",
                    "currency": "JPY",
                    "locations": locations,
                    "taxRates": rates,
                    "shippingPrice": "500",
                },
                {
                    "code": code("stores"),
                    "name": "Stores",
                    "kind": "STORE",
                    "currency": "JPY",
                    "locations": [code("S1"), code("S2"), code("W1")],
                    "taxRates": rates,
                },
            ],
        ),
        (
            "productsUpsert(products",
            [
                {
                    "handle": code(name.lower()),
                    "name": name.title(),
                    "category": "Kitchen",
                    "variants": [{"sku": code(name), "name": name.title(), "taxClass": tax}],
                }
                for name, tax in (("TEA", "reduced"), ("POT", "standard"), ("CUP", "standard"))
            ],
        ),
        (
            "pricesUpsert(prices",
            [
                {"sku": code(name), "channel": code(channel), "amount": {"amount": amount, "currency": "JPY"}}
                for name, amount in (("TEA", "648"), ("POT", "3300"), ("CUP", "13582"))
                for channel in ("app", "web", "stores")
            ],
        ),
    ):
        field_name, argument = mutation.split("(")
        kind = {
            "locations": "LocationInput",
            "channels": "ChannelInput",
            "products": "ProductInput",
            "prices": "PriceInput",
        }[argument]
        payload = await staff.mutate(
            f"mutation ($rows: [{kind}!]!) {{ {field_name}({argument}: $rows) {{ count {ERRORS} }} }}",
            rows=rows,
        )
        assert not payload["errors"], payload
    return shop
