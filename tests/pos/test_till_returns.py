"""Sales as orders, and returns linked to them: before or after the sale arrives, in the same or another store."""

from __future__ import annotations

from typing import Any

from tests.support.shop import ERRORS, ORDER, Shop
from tests.support.tills import Fact, Till, conflicts, now, on_hand, open_till, orders, statuses
from uriba.access import keys
from uriba.pos import sync
from uriba.pos.enums import PosEventType
from uriba.pos.facts import FactLine, TillFact

BY_RECEIPT = f"query ($r: String) {{ orders(receipt: $r) {{ edges {{ node {{ {ORDER} }} }} }} }}"
BY_NUMBER = f"query ($n: String) {{ order(number: $n) {{ {ORDER} }} }}"
BY_CARD = "query ($c: String) { customer(loyaltyCard: $c) { orders { edges { node { number } } } } }"


def return_of(till: Till, sale: Fact | str, back: int, *, paid: str | None = None, **units: int) -> Fact:
    """Return a RETURN of a sale, some minutes ago. `paid`: what was paid back."""
    receipt = sale if isinstance(sale, str) else sale["receipt"]
    fact = {**till.stock_fact("RETURN", now(minutes=back), **units), "originalReceipt": receipt}
    return {**fact, "tenders": [{"method": "CASH", "amount": paid}]} if paid else fact


async def money(shop: Shop, order: dict[str, Any]) -> tuple[str, int, list[int]]:
    """Return payment status, refunded amount, and returned units of each line."""
    async with shop.hub.database.reading() as session:
        row = await session.fetchrow(
            "SELECT payment_status, refunded_minor, (SELECT array_agg(returned_quantity ORDER BY position) FROM "
            "order_line l WHERE l.order_id = o.id) AS back FROM orders o WHERE number = $1",
            order["number"],
        )
    assert row is not None
    return row["payment_status"], row["refunded_minor"], row["back"]


async def test_a_sale_is_found_by_receipt_number_and_loyalty_card(shop: Shop) -> None:
    till, card = await open_till(shop), shop.code("CARD")
    await till.verdicts({**till.sale(TEA=1, price=648), "receipt": shop.code("R"), "loyaltyCard": card})

    (mine,) = await orders(shop)
    other = await open_till(shop, "S2")
    by_receipt = (await other.client.execute(BY_RECEIPT, r=shop.code("R")))["orders"]["edges"]
    by_number = (await other.client.execute(BY_NUMBER, n=mine["number"]))["order"]
    by_card = (await other.client.execute(BY_CARD, c=card))["customer"]["orders"]["edges"]

    assert ([edge["node"] for edge in by_receipt], by_number) == ([mine], mine)
    assert [edge["node"]["number"] for edge in by_card] == [mine["number"]]
    assert (mine["channel"]["code"], mine["location"]["code"]) == (shop.code("stores"), shop.code("S1"))
    assert [(f["method"], f["status"]) for f in mine["fulfillments"]] == [("CARRY_OUT", "HANDED_OVER")]
    assert [t["type"] for t in mine["timeline"]] == ["order.placed", "payment.updated", "order.completed"]


async def test_tax_is_computed_from_the_total_once_per_rate(shop: Shop) -> None:
    till = await open_till(shop)
    lines = [
        till.line("TEA", 3, unitPrice="105", discount="10"),
        till.line("POT", 1, unitPrice="333"),
        till.line("TEA", 1, unitPrice="99"),
    ]
    tenders = [{"method": "CASH", "amount": "500"}, {"method": "CARD", "amount": "237", "reference": "A1"}]

    assert await till.verdicts(till.fact("SALE", lines, tenders=tenders)) == ["APPLIED"]

    (order,) = await orders(shop)
    taxes = {t["rate"]: (t["taxable"]["amount"], t["tax"]["amount"]) for t in order["taxLines"]}
    # 404 at 8 %: 404 - 404 / 1.08 = 29.9; 333 at 10 %: 30.3.
    assert {rate: tax for rate, (_, tax) in taxes.items()} == {"0.08": "30", "0.1": "30"}
    assert (order["total"]["amount"], order["tax"]["amount"]) == ("737", "60")
    assert sorted((p["method"], p["amount"]["amount"], p["reference"]) for p in order["payments"]) == [
        ("CARD", "237", "A1"),
        ("CASH", "500", None),
    ]


async def test_a_channel_with_prices_without_tax_keeps_the_printed_prices(shop: Shop) -> None:
    rates = [{"taxClass": "standard", "rate": "0.10"}, {"taxClass": "reduced", "rate": "0.08"}]
    channel = {"code": shop.code("stores"), "name": "Stores", "kind": "STORE", "currency": "JPY", "taxRates": rates}
    places = [shop.code("S1"), shop.code("S2")]
    payload = await shop.staff.mutate(
        f"mutation ($c: [ChannelInput!]!) {{ channelsUpsert(channels: $c) {{ count {ERRORS} }} }}",
        c=[{**channel, "locations": places, "pricesIncludeTax": False}],
    )
    assert not payload["errors"]
    till = await open_till(shop)

    # 648 without tax is 699.84 with it: the till printed 700. If it sends no price, the hub adds tax to its own.
    printed, silent = till.sale(now(minutes=2), TEA=2, price=700), till.stock_fact("SALE", now(minutes=1), TEA=1)
    assert await till.verdicts(printed, silent) == ["APPLIED"] * 2

    latest, first = await orders(shop)
    assert (first["total"]["amount"], first["tax"]["amount"]) == ("1400", "104")
    assert (latest["total"]["amount"], latest["tax"]["amount"]) == ("700", "52")
    assert await conflicts(shop, k="PRICE_VARIANCE") == []


async def test_a_sale_without_tenders_has_an_unspecified_payment_unless_it_is_free(shop: Shop) -> None:
    till = await open_till(shop)
    free = till.fact("SALE", [till.line("TEA", 1, unitPrice="100", discount="100")])
    none = {**free, "eventId": "none", "sequence": next(till.sequences), "tenders": []}
    zero = {**none, "eventId": "zero", "sequence": next(till.sequences), "tenders": [{"method": "CASH", "amount": "0"}]}
    at_the_hubs_price = till.stock_fact("SALE", TEA=2)

    payload = await till.send(free, none, zero, at_the_hubs_price)

    assert statuses(payload) == ["APPLIED"] * 4, payload
    assert sorted(order["total"]["amount"] for order in await orders(shop)) == ["0", "0", "0", "1296"]
    (paid,) = [order for order in await orders(shop) if order["total"]["amount"] == "1296"]
    assert [p["method"] for p in paid["payments"]] == ["UNSPECIFIED"]
    assert await on_hand(shop) == -5


async def test_links_a_return_to_its_sale_in_any_order(shop: Shop) -> None:
    till = await open_till(shop)
    sale = till.sale(now(hours=2), TEA=5, price=648)
    early, late = return_of(till, sale, 60, TEA=2, paid="1296"), return_of(till, sale, 30, TEA=1, paid="648")

    await till.verdicts(early)
    await till.verdicts(sale)
    await till.verdicts(late)

    (order,) = await orders(shop)
    assert await money(shop, order) == ("PARTIALLY_REFUNDED", 1944, [3])
    assert (await on_hand(shop), await conflicts(shop, k="RETURN_MISMATCH")) == (-2, [])
    assert [t["type"] for t in order["timeline"]].count("return.created") == 2


async def test_links_a_return_in_another_store(shop: Shop) -> None:
    here, there = await open_till(shop), await open_till(shop, "S2")
    sale = here.sale(now(hours=2), POT=1, price=3300)

    await there.verdicts(return_of(there, sale, 30, POT=1, paid="3300"))
    await here.verdicts(sale)

    (order,) = await orders(shop)
    assert await money(shop, order) == ("REFUNDED", 3300, [1])
    assert [await on_hand(shop, "POT", store) for store in ("S1", "S2")] == [-1, 1]


async def test_of_equal_receipts_the_one_of_the_store_is_linked(shop: Shop) -> None:
    here, there = await open_till(shop), await open_till(shop, "S2")
    for till in (here, there):
        await till.verdicts({**till.sale(now(hours=1), TEA=1, price=648), "receipt": shop.code("SAME")})

    await there.verdicts(return_of(there, shop.code("SAME"), 10, TEA=1))

    (mine,), (theirs,) = await orders(shop), await orders(shop, "S2")
    assert [(await money(shop, order))[2] for order in (mine, theirs)] == [[0], [1]]


async def test_a_return_of_more_than_was_bought_opens_a_conflict(shop: Shop) -> None:
    till = await open_till(shop)
    sale = till.sale(now(hours=2), TEA=1, price=648)

    back = return_of(till, sale, 30, TEA=3, POT=1, paid="5000")
    assert await till.verdicts(sale, back, back) == ["APPLIED", "APPLIED", "DUPLICATE"]

    (order,) = await orders(shop)
    assert await money(shop, order) == ("REFUNDED", 648, [1])
    (case,) = await conflicts(shop, k="RETURN_MISMATCH")
    assert (case["quantity"], case["order"]["number"]) == (3, order["number"])
    assert [await on_hand(shop, sku) for sku in ("TEA", "POT")] == [2, 1]


async def test_a_return_without_a_known_sale_increases_on_hand(shop: Shop) -> None:
    till = await open_till(shop)

    assert await till.verdicts(return_of(till, "never-printed", 30, TEA=2), till.stock_fact("RETURN", TEA=1)) == [
        "APPLIED",
        "APPLIED",
    ]

    assert (await on_hand(shop), await conflicts(shop), await orders(shop)) == (3, [], [])
    assert (await shop.stock_level("TEA", "S1"))["unavailable"] == 0


async def test_a_price_variance_opens_one_conflict_while_it_is_open(shop: Shop) -> None:
    till = await open_till(shop)

    await till.verdicts(till.sale(TEA=1, price=648), till.stock_fact("SALE", POT=1))
    equal = await conflicts(shop, k="PRICE_VARIANCE")
    payload = await till.send(till.sale(TEA=1, price=600), till.sale(TEA=1, price=601), till.sale(POT=1, price=1))
    await till.verdicts(till.sale(TEA=2, price=602))

    found = await conflicts(shop, k="PRICE_VARIANCE")
    assert (equal, sorted(case["variant"]["sku"] for case in found)) == ([], [shop.sku("POT"), shop.sku("TEA")])
    assert [[w["code"] for w in r["warnings"]] for r in payload["results"]] == [["PRICE_CHANGED"]] * 3
    assert next(order["total"]["amount"] for order in await orders(shop)) == "1204"


async def test_price_checks_can_be_switched_off(shop: Shop) -> None:
    till = await open_till(shop)
    assert till.client.key is not None
    sold = TillFact(
        event_id="quiet",
        sequence=1,
        type=PosEventType.SALE,
        occurred_at=now(hours=1),
        lines=(FactLine(shop.sku("TEA"), 1, "1"),),
    )
    async with shop.hub.database.reading() as session:
        found = await keys.authenticate(session, till.client.key)
    assert found is not None

    async with shop.hub.database.transaction() as session:
        synced = await sync.sync(
            session,
            actor=found[0],
            settings=shop.hub.settings.model_copy(update={"price_variance": False}),
            sent_at=now(),
            epoch=1,
            facts=[sold],
        )

    assert [(v.status, list(v.warnings)) for v in synced.verdicts] == [("APPLIED", [])]
    assert await conflicts(shop, k="PRICE_VARIANCE") == []
    assert [order["total"]["amount"] for order in await orders(shop)] == ["1"]
