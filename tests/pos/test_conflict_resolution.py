"""conflictResolve: a parked fact is applied as sent or repaired, or its conflict is dismissed with a note."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.support.client import Refused
from tests.support.shop import ERRORS, Shop
from tests.support.tills import RESOLVE, Till, conflicts, now, on_hand, open_till, orders, resolve, statuses

NEW = f"mutation ($p: [ProductInput!]!) {{ productsUpsert(products: $p) {{ count {ERRORS} }} }}"


async def park_fact(shop: Shop, till: Till, kind: str = "RECEIPT", **given: Any) -> tuple[dict[str, Any], Any]:
    """Send a fact about a SKU that does not exist yet; return the fact and its conflict."""
    fact = {**till.fact(kind, [{"sku": shop.sku("HAT"), "quantity": 4}], now(hours=2)), **given}
    assert await till.verdicts(fact) == ["PARKED"]
    (case,) = await conflicts(shop, s="OPEN")
    return fact, case


async def add_to_catalog(shop: Shop, sku: str) -> None:
    """Add the SKU to the catalog."""
    product = {"handle": shop.code(sku.lower()), "name": sku, "category": "Hats"}
    variant = {"sku": shop.sku(sku), "name": sku, "taxClass": "standard"}
    payload = await shop.staff.mutate(NEW, p=[{**product, "variants": [variant]}])
    assert not payload["errors"], payload


def codes(payload: dict[str, Any]) -> list[str]:
    return [error["code"] for error in payload["errors"]]


async def test_applies_a_parked_fact_as_sent_when_the_sku_exists(shop: Shop) -> None:
    till = await open_till(shop)
    fact, case = await park_fact(shop, till)
    await add_to_catalog(shop, "HAT")
    # The count occurred after the receipt, so it includes it.
    await till.verdicts(till.stock_fact("COUNT", now(hours=1), HAT=9), till.stock_fact("RECEIPT", HAT=1))

    payload = await resolve(shop, case, "APPLY")

    assert (payload["errors"], payload["conflict"]["status"]) == ([], "RESOLVED")
    assert await on_hand(shop, "HAT") == 10
    assert await till.verdicts(fact) == ["DUPLICATE"]
    assert (await conflicts(shop, s="OPEN"), await on_hand(shop, "HAT")) == ([], 10)


async def test_a_repaired_sale_is_an_order_with_its_original_time(shop: Shop) -> None:
    till, at = await open_till(shop), now(hours=3)
    wrong = {**till.sale(at, TEA=2, price=648), "tenders": [{"method": "CASH", "amount": "1"}]}
    await till.verdicts(wrong)
    (case,) = await conflicts(shop)
    right = {**wrong, "tenders": [{"method": "CASH", "amount": "1296"}]}

    payload = await resolve(shop, case, "APPLY", event=right, note="Paid in full, says the store.")

    assert (payload["errors"], payload["conflict"]["note"]) == ([], "Paid in full, says the store.")
    (order,) = await orders(shop)
    assert (order["total"]["amount"], order["payments"][0]["amount"]["amount"]) == ("1296", "1296")
    found = await shop.staff.execute("query ($o: ID!) { order(id: $o) { placedAt } }", o=order["id"])
    assert datetime.fromisoformat(found["order"]["placedAt"]) == at
    assert (await on_hand(shop), await till.verdicts(wrong)) == (-2, ["DUPLICATE"])


async def test_a_parked_fact_from_the_future_has_the_time_of_its_receipt(shop: Shop) -> None:
    till = await open_till(shop)
    _, case = await park_fact(shop, till, occurredAt=now(days=-365).isoformat())
    await add_to_catalog(shop, "HAT")
    await till.verdicts(till.stock_fact("COUNT", HAT=9))

    await resolve(shop, case, "APPLY")

    assert await on_hand(shop, "HAT") == 9


async def test_refuses_to_apply_a_fact_that_is_still_invalid(shop: Shop) -> None:
    till = await open_till(shop)
    fact, case = await park_fact(shop, till)

    as_it_is = await resolve(shop, case, "APPLY")
    none = await resolve(shop, case, "APPLY", event={**fact, "lines": [till.line("TEA", 0)]})
    other = await resolve(shop, case, "APPLY", event={**fact, "type": "DAMAGE", "lines": [till.line("TEA", 4)]})

    assert (codes(as_it_is), codes(none), codes(other)) == (["NOT_FOUND"], ["INVALID_QUANTITY"], ["INVALID"])
    assert await till.verdicts(fact) == ["PARKED"]
    assert [c["status"] for c in await conflicts(shop)] == ["OPEN"]
    async with shop.hub.database.reading() as session:
        moved = await session.fetchval(
            "SELECT count(*) FROM stock_movement m JOIN location l ON l.id = m.location_id WHERE l.code = $1",
            shop.code("S1"),
        )
    assert moved == 0


async def test_a_repaired_fact_keeps_its_identity(shop: Shop) -> None:
    till = await open_till(shop)
    fact, case = await park_fact(shop, till)
    repaired = {**fact, "eventId": "another", "sequence": 77, "lines": [till.line("TEA", 4)]}

    payload = await resolve(shop, case, "APPLY", event=repaired)
    again = await till.send(fact)

    assert (codes(payload), statuses(again), again["acknowledged"], again["missing"]) == ([], ["DUPLICATE"], 1, [])
    assert await on_hand(shop) == 4


async def test_applies_a_tampered_fact_in_addition_to_the_first(shop: Shop) -> None:
    till = await open_till(shop)
    first = till.stock_fact("RECEIPT", TEA=5)
    other = {**first, "lines": [till.line("TEA", 7)]}
    assert (await till.verdicts(first), await till.verdicts(other, other)) == (["APPLIED"], ["PARKED"] * 2)
    (case,) = await conflicts(shop, k="TAMPERED")

    payload = await resolve(shop, case, "APPLY")

    assert (codes(payload), await on_hand(shop)) == ([], 12)
    assert await till.verdicts(first, other) == ["DUPLICATE"] * 2
    assert await on_hand(shop) == 12


async def test_applies_facts_without_an_identity(shop: Shop) -> None:
    till = await open_till(shop)
    facts = [{**till.stock_fact("RECEIPT", TEA=n), "sequence": 0, "eventId": f"bad\x00{n}"} for n in (1, 2)]
    assert await till.verdicts(*facts) == ["PARKED"] * 2

    payloads = [await resolve(shop, case, "APPLY") for case in await conflicts(shop)]

    assert [codes(payload) for payload in payloads] == [[], []]
    assert (await on_hand(shop), await till.verdicts(*facts)) == (3, ["DUPLICATE"] * 2)


async def test_dismissing_a_conflict_needs_a_note(shop: Shop) -> None:
    till = await open_till(shop)
    fact, case = await park_fact(shop, till)

    silent = [await resolve(shop, case, "DISMISS"), await resolve(shop, case, "DISMISS", note="  ")]
    dismissed = await resolve(shop, case, "DISMISS", note="A trial.")

    assert [codes(payload) for payload in silent] == [["INVALID"]] * 2
    assert (codes(dismissed), dismissed["conflict"]["note"]) == ([], "A trial.")
    assert (await till.verdicts(fact), await conflicts(shop, s="OPEN")) == (["DUPLICATE"], [])


async def test_refuses_to_resolve_a_conflict_again(shop: Shop) -> None:
    till = await open_till(shop)
    _, case = await park_fact(shop, till)
    await resolve(shop, case, "DISMISS", note="A trial.")

    again = [await resolve(shop, case, "APPLY"), await resolve(shop, case, "DISMISS", note="Again.")]

    assert [codes(payload) for payload in again] == [["INVALID_STATE"]] * 2


@pytest.mark.parametrize("unknown", ["Q29uZmxpY3Q6OTk5OTk5OTk5", "nonsense", "", "\U0001f375"])
async def test_unknown_conflicts_are_not_found(shop: Shop, unknown: str) -> None:
    assert codes(await resolve(shop, {"id": unknown}, "APPLY")) == ["NOT_FOUND"]
    assert codes(await resolve(shop, {"id": unknown}, "DISMISS", note="?")) == ["NOT_FOUND"]


async def test_refuses_to_apply_a_conflict_without_a_fact(shop: Shop) -> None:
    till = await open_till(shop)
    await till.verdicts(till.sale(TEA=1, price=1))
    (case,) = await conflicts(shop, k="PRICE_VARIANCE")
    await till.verdicts(till.stock_fact("DAMAGE", TEA=3))
    short = (await conflicts(shop, k="SHORTAGE", s="OPEN"))[0]

    refused = [await resolve(shop, found, "APPLY") for found in (case, short)]
    closed = [await resolve(shop, found, "DISMISS", note="Known.") for found in (case, short)]

    assert [codes(payload) for payload in refused] == [["INVALID_STATE"]] * 2
    assert [codes(payload) for payload in closed] == [[], []]


async def test_terminals_customers_and_guests_resolve_no_conflict(shop: Shop) -> None:
    till = await open_till(shop)
    _, case = await park_fact(shop, till)

    for caller in (till.client, await shop.customer(), shop.guest(), await shop.app()):
        with pytest.raises(Refused) as refused:
            await caller.mutate(RESOLVE, i={"id": case["id"], "action": "DISMISS", "note": "Mine."})
        assert set(refused.value.codes) <= {"FORBIDDEN", "UNAUTHENTICATED"}
    assert len(await conflicts(shop, s="OPEN")) == 1
