"""A scenario for tests of the API: a shop with a caller of every kind, and carts, orders and codes of theirs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support.client import Client
from tests.support.shop import ADDRESS, ERRORS, Shop, open_shop
from uriba.alerts import alerts
from uriba.alerts.enums import AlertKind
from uriba.alerts.rules import Signal
from uriba.catalog import locations
from uriba.core.actor import Scope
from uriba.core.ids import global_id, uuid

if TYPE_CHECKING:
    from tests.support.hub import RunningHub


@dataclass
class Scenario:
    """A shop, its callers by name, and the ids of their objects. Its tests change nothing, so that they share one."""

    shop: Shop
    callers: dict[str, Client]
    carts: dict[str, dict[str, Any]]
    codes: dict[str, str]
    order: dict[str, Any]
    alert: str

    def __getitem__(self, caller: str) -> Client:
        return self.callers[caller]

    def cart_id(self, name: str) -> str:
        cart_id: str = self.carts[name]["id"]
        return cart_id


async def open_scenario(hub: RunningHub) -> Scenario:
    """Carts: "guest" ships 2 TEA (¥1,796 with shipping), "empty", "full" (99,999 TEA), "dollars" (another currency),
    "hana" (a customer's) and "ordered" (a guest's, checked out). One alert, about the warehouse, is open."""
    shop = await open_shop(hub)
    await shop.receive(TEA_S1=5, TEA_W1=50, POT_S1=5)
    await _add_dollar_channel(shop)
    guest, hana = shop.guest(), await shop.customer("HANA")
    callers = {
        "guest": guest,
        "hana": hana,
        "ken": await shop.customer("KEN"),
        "till": await shop.terminal("S1"),
        "elsewhere": await shop.terminal("S2"),
        "app": await shop.app("app"),
        "app catalog": await shop.app("app", Scope.CATALOG),
        "app customers": await shop.app("app", Scope.CUSTOMERS),
        "app inventory": await shop.app("app", Scope.INVENTORY),
        "staff": shop.staff,
    }
    carts = {
        "guest": await _choose_shipping(shop, guest, await shop.create_cart(guest, TEA=2)),
        "empty": await shop.create_cart(guest),
        "full": await shop.create_cart(guest, TEA=99_999),
        "dollars": await shop.create_cart(guest, "usd", TEA=1),
        "hana": await _choose_shipping(shop, hana, await shop.create_cart(hana, TEA=1)),
        "ordered": await _choose_shipping(shop, guest, await shop.create_cart(guest, TEA=1)),
    }
    order = (await shop.check_out(guest, carts["ordered"]))["order"]
    handoff = f"mutation ($c: ID!) {{ cartHandoff(cartId: $c) {{ code {ERRORS} }} }}"
    codes = {name: (await shop.staff.mutate(handoff, c=carts[name]["id"]))["code"] for name in ("dollars", "hana")}
    async with hub.database.transaction(notify=False) as session:
        await session.run(
            "UPDATE handoff SET expires_at = now() + interval '1 day' WHERE cart_id = ANY($1)",
            [uuid(carts[name]["id"], "Cart") for name in codes],
        )
    return Scenario(shop, callers, carts, codes, order, await _open_alert(shop))


async def _choose_shipping(shop: Shop, client: Client, cart: dict[str, Any]) -> dict[str, Any]:
    payload = await shop.set_fulfillment(client, cart, "SHIP", address=ADDRESS)
    assert not payload["errors"], payload
    return payload["cart"]  # type: ignore[no-any-return]


async def _add_dollar_channel(shop: Shop) -> None:
    """Add a channel "usd" that sells TEA in dollars."""
    channel = {
        "code": shop.code("usd"),
        "name": "Abroad",
        "kind": "WEB",
        "currency": "USD",
        "locations": [shop.code("W1")],
        "taxRates": [],
    }
    price = {
        "sku": shop.sku("TEA"),
        "channel": shop.code("usd"),
        "amount": {"amount": "4.50", "currency": "USD"},
    }
    data = await shop.staff.execute(
        f"""mutation ($c: [ChannelInput!]!, $p: [PriceInput!]!) {{
            channelsUpsert(channels: $c) {{ {ERRORS} }} pricesUpsert(prices: $p) {{ {ERRORS} }} }}""",
        c=[channel],
        p=[price],
    )
    assert not any(payload["errors"] for payload in data.values()), data


async def _open_alert(shop: Shop) -> str:
    """Open an alert about the warehouse; return its id."""
    database, place = shop.hub.database, shop.code("W1")
    async with database.transaction() as session:
        at = (await locations.by_code(session, [place]))[place]["id"]
        about = f"StockLevel:0:{at}"
        await alerts.open_alerts(session, [(Signal(AlertKind.LOW_STOCK, about, 1, 1, location_id=at), 5)])
    async with database.reading() as session:
        alert_id = await session.fetchval("SELECT id FROM alert WHERE subject = $1", about)
    return global_id("Alert", alert_id)
