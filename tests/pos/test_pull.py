"""posPull: a till that applies all entries in order has the same entries as after a first pull."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from typing import Any

import pytest

from tests.support.client import Client, Refused
from tests.support.shop import ERRORS, Shop
from tests.support.tills import conflicts, key_id, now, on_hand, open_till
from tests.support.waiting import wait_until
from uriba.access import keys
from uriba.pos import pull

PULL = """query ($c: String, $f: Int) { posPull(cursor: $c, first: $f) { cursor more location { code } entries {
    kind key
    variant { sku barcode name taxClass discontinued prices {
        amount { amount currency } channel location validFrom validTo } }
    stock { onHand available committed reserved unavailable safetyStock version }
    taxes { taxClass rate } carts { id version quantity } revocations } } }"""

State = dict[tuple[str, str], Any]


class TillStorage:
    """The entries that one till has stored."""

    def __init__(self, client: Client, first: int | None = None) -> None:
        self.client, self.first = client, first
        self.state: State = {}
        self.cursor: str | None = None
        self.pages: list[int] = []

    async def catch_up(self) -> State:
        """Pull until there are no more entries."""
        more = True
        while more:
            page = (await self.client.execute(PULL, c=self.cursor, f=self.first))["posPull"]
            self.state |= {(entry["kind"], entry["key"]): entry for entry in page["entries"]}
            self.pages.append(len(page["entries"]))
            self.cursor, more = page["cursor"], page["more"]
        return self.state


async def first_pull_state(client: Client) -> State:
    """Return the state of a till after a first pull, once the feed has all events."""
    return await TillStorage(client).catch_up()


async def wait_for_feed(shop: Shop) -> None:
    """Wait until the feed has all events."""

    async def look() -> bool:
        async with shop.hub.database.reading() as session:
            return not await session.fetchval("SELECT EXISTS (SELECT FROM outbox_event WHERE position IS NULL)")

    await wait_until(look)


async def upsert(shop: Shop, mutation: str, argument: str, kind: str, /, **row: Any) -> None:
    payload = await shop.staff.mutate(
        f"mutation ($r: [{kind}!]!) {{ {mutation}({argument}: $r) {{ count {ERRORS} }} }}", r=[row]
    )
    assert not payload["errors"], payload


async def store_channel(shop: Shop, *, include: bool = True, standard: str = "0.10") -> None:
    rates = [{"taxClass": "standard", "rate": standard}, {"taxClass": "reduced", "rate": "0.08"}]
    channel = {"code": shop.code("stores"), "name": "Stores", "kind": "STORE", "currency": "JPY", "taxRates": rates}
    places = [shop.code("S1"), shop.code("S2"), shop.code("W1")]
    await upsert(
        shop, "channelsUpsert", "channels", "ChannelInput", **channel, locations=places, pricesIncludeTax=include
    )


async def price(shop: Shop, sku: str, amount: str, **given: Any) -> None:
    money = {"amount": amount, "currency": "JPY"}
    await upsert(shop, "pricesUpsert", "prices", "PriceInput", sku=shop.sku(sku), amount=money, **given)


async def variant(shop: Shop, sku: str, **given: Any) -> None:
    row = {"sku": shop.sku(sku), "name": sku, "taxClass": "standard", **given}
    product = {"handle": shop.code(sku.lower()), "name": sku, "category": "Kitchen", "variants": [row]}
    await upsert(shop, "productsUpsert", "products", "ProductInput", **product)


async def revoked(shop: Shop, store: str = "S1") -> str:
    other = await open_till(shop, store)
    async with shop.hub.database.transaction() as session:
        await keys.revoke(session, key_id=key_id(other))
    return key_id(other)


async def test_the_first_pull_returns_everything(shop: Shop) -> None:
    await shop.receive(TEA_S1=7, TEA_S2=99, POT_S2=99)
    till = await open_till(shop)
    gone = await revoked(shop)
    cart = await shop.create_cart(till.client, TEA=2)
    await wait_for_feed(shop)

    state = await first_pull_state(till.client)

    tea = state["VARIANT", shop.sku("TEA")]["variant"]
    assert [(p["amount"]["amount"], p["channel"]) for p in tea["prices"]] == [("648", shop.code("stores"))]
    stock = {key: entry["stock"]["onHand"] for (kind, key), entry in state.items() if kind == "STOCK"}
    assert stock == {shop.sku("TEA"): 7}
    taxes = {tax["taxClass"]: tax["rate"] for tax in state["TAXES", "taxes"]["taxes"]}
    assert taxes == {"reduced": "0.08", "standard": "0.1"}
    assert [(c["id"], c["quantity"]) for c in state["CARTS", "carts"]["carts"]] == [(cart["id"], 2)]
    assert state["REVOCATIONS", "revocations"]["revocations"] == [gone]


async def test_after_all_kinds_of_changes_a_till_has_the_entries_of_a_first_pull(shop: Shop) -> None:
    await shop.receive(TEA_S1=7)
    till = await open_till(shop)
    await wait_for_feed(shop)
    storage = TillStorage(till.client)
    before = dict(await storage.catch_up())

    await price(shop, "TEA", "700", channel=shop.code("stores"))
    await price(shop, "POT", "3000", location=shop.code("S1"), validFrom=now(days=-1).isoformat())
    await variant(shop, "HAT", barcode=shop.suffix)
    await variant(shop, "CUP", discontinued=True)
    await shop.receive(POT_S1=3, TEA_S2=5)
    await till.verdicts(till.sale(TEA=1, price=700), till.stock_fact("DAMAGE", TEA=1), till.stock_fact("COUNT", HAT=4))
    await store_channel(shop, standard="0.12")
    await shop.create_cart(till.client, TEA=1)
    await revoked(shop)
    await wait_for_feed(shop)
    after = await storage.catch_up()

    assert after == await first_pull_state(till.client)
    changed = {kind for key in after if after[key] != before.get(key) for kind in [key[0]]}
    assert changed == {"VARIANT", "STOCK", "TAXES", "CARTS", "REVOCATIONS"}
    assert after["STOCK", shop.sku("TEA")]["stock"]["onHand"] == 6


async def test_a_pull_without_changes_is_an_empty_page(shop: Shop) -> None:
    till = await open_till(shop)
    await wait_for_feed(shop)
    storage = TillStorage(till.client)
    await storage.catch_up()
    storage.pages.clear()

    await shop.receive(TEA_S2=5)
    await wait_for_feed(shop)
    await storage.catch_up()

    assert storage.pages == [0]


@pytest.mark.parametrize("include", [True, False])
async def test_changed_channel_terms_change_printed_prices(shop: Shop, include: bool) -> None:
    till = await open_till(shop)
    await store_channel(shop, include=include)
    storage = TillStorage(till.client)
    first = dict(await storage.catch_up())

    await store_channel(shop, include=False, standard="0.20")
    await wait_for_feed(shop)
    state = await storage.catch_up()

    pots = [s["VARIANT", shop.sku("POT")]["variant"]["prices"][0]["amount"]["amount"] for s in (first, state)]
    assert pots == ["3300" if include else "3630", "3960"]
    assert state == await first_pull_state(till.client)


@pytest.mark.parametrize("first", [100, 1_000])
async def test_pages_have_at_most_the_requested_size(shop: Shop, first: int) -> None:
    await shop.receive(TEA_S1=1, POT_S1=1, CUP_S1=1)
    till = await open_till(shop)
    await wait_for_feed(shop)
    storage = TillStorage(till.client, first)
    await storage.catch_up()
    for sku in ("TEA", "POT", "CUP"):
        await price(shop, sku, "999", channel=shop.code("stores"))
    await shop.create_cart(till.client, TEA=1)
    await wait_for_feed(shop)

    state = await storage.catch_up()

    assert max(storage.pages) <= first
    assert state == await first_pull_state(till.client)


async def test_pages_of_one_entry_come_to_an_end(shop: Shop) -> None:
    till = await open_till(shop)
    await wait_for_feed(shop)
    storage = TillStorage(till.client)
    await storage.catch_up()
    await shop.receive(TEA_S1=1, POT_S1=1)
    await shop.create_cart(till.client, TEA=1)
    await wait_for_feed(shop)
    storage.first, storage.pages = 1, []

    assert await storage.catch_up() == await first_pull_state(till.client)
    assert max(storage.pages) == 1


async def test_a_till_that_is_far_behind_starts_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    till = await open_till(shop)
    await wait_for_feed(shop)
    storage = TillStorage(till.client, 100)
    await storage.catch_up()
    await shop.receive(TEA_S1=3)
    await price(shop, "TEA", "5", channel=shop.code("stores"))
    await wait_for_feed(shop)
    monkeypatch.setattr(pull, "BEHIND_MAX", 1)
    storage.pages.clear()

    state = await storage.catch_up()

    assert len(storage.pages) > 1
    monkeypatch.undo()
    assert state == await first_pull_state(till.client)


def forged(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "", "nonsense", "\x00", "売り場", forged("[-1,null]"), forged("[0,-1]"), forged(f"[0,{2**64}]"),
        forged(f"[{2**70},null]"), forged('[0,"1"]'), forged('[0,null,["a"]]'), forged("[0]"), forged("{}"),
        forged("[999999999999,null]"),
    ],
)  # fmt: skip
async def test_refuses_invalid_cursors(shop: Shop, cursor: str) -> None:
    till = await open_till(shop)

    with pytest.raises(Refused) as refused:
        await till.client.execute(PULL, c=cursor)

    assert refused.value.codes == ["INVALID"] or "INTERNAL" not in refused.value.codes


@pytest.mark.parametrize("first", [0, -1, 1_001])
async def test_refuses_invalid_page_sizes(shop: Shop, first: int) -> None:
    till = await open_till(shop)

    with pytest.raises(Refused) as refused:
        await till.client.execute(PULL, f=first)

    assert "INTERNAL" not in refused.value.codes


async def test_only_terminals_pull(shop: Shop) -> None:
    for caller in (shop.staff, await shop.app(), await shop.customer(), shop.guest()):
        with pytest.raises(Refused) as refused:
            await caller.execute(PULL)
        assert set(refused.value.codes) <= {"FORBIDDEN", "UNAUTHENTICATED"}


async def test_a_store_without_a_channel_has_stock_and_parks_sales(shop: Shop) -> None:
    await upsert(shop, "locationsUpsert", "locations", "LocationInput", code=shop.code("S9"), name="New", kind="STORE")
    till = await open_till(shop, "S9")

    verdicts = await till.verdicts(
        till.stock_fact("RECEIPT", TEA=3), till.sale(TEA=1), till.stock_fact("RETURN", TEA=1)
    )
    await wait_for_feed(shop)

    assert verdicts == ["APPLIED", "PARKED", "PARKED"]
    assert {c["errors"][0]["code"] for c in await conflicts(shop, "S9")} == {"INVALID_STATE"}
    state = await first_pull_state(till.client)
    assert (await on_hand(shop, "TEA", "S9"), state["STOCK", shop.sku("TEA")]["stock"]["onHand"]) == (3, 3)
    assert state["VARIANT", shop.sku("TEA")]["variant"]["prices"] == []


async def test_a_price_with_times_outside_the_calendar_has_no_ends(shop: Shop) -> None:
    till = await open_till(shop)
    span = {"validFrom": "0001-01-01T00:00:00+10:00", "validTo": "9999-12-31T23:59:59-10:00"}
    await price(shop, "TEA", "999", channel=shop.code("stores"), **span)

    listed = (await first_pull_state(till.client))["VARIANT", shop.sku("TEA")]["variant"]["prices"]

    assert [
        (p["amount"]["amount"], p["validFrom"], p["validTo"]) for p in listed if p["amount"]["amount"] == "999"
    ] == [("999", None, None)]
