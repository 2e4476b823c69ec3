"""The API of gift cards and points: permissions, limits of wrong codes, and answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.support.client import Client, Refused
from tests.support.shop import ERRORS, Shop
from uriba.core import ids
from uriba.core.actor import Scope
from uriba.stored_value import codes

if TYPE_CHECKING:
    from tests.support.hub import RunningHub

CARD = "id last4 balance { amount currency } expiresAt blocked"
ISSUE = f"""mutation ($i: GiftCardIssueInput!) {{
    giftCardIssue(input: $i) {{ code giftCard {{ {CARD} }} {ERRORS} }} }}"""
LOOK = f"query ($c: String!) {{ giftCard(code: $c) {{ {CARD} }} }}"
BLOCK = f"""mutation ($id: ID!, $b: Boolean!) {{
    giftCardBlock(id: $id, blocked: $b) {{ giftCard {{ {CARD} }} {ERRORS} }} }}"""
ADJUST = f"""mutation ($i: GiftCardAdjustInput!) {{
    giftCardAdjust(input: $i) {{ giftCard {{ {CARD} }} {ERRORS} }} }}"""
POINTS = f"""mutation ($i: PointsAdjustInput!) {{
    pointsAdjust(input: $i) {{ customer {{ points pointsOwed }} {ERRORS} }} }}"""


async def issue(client: Client, yen: str = "1000", **given: Any) -> dict[str, Any]:
    money = {"amount": yen, "currency": "JPY"}
    return await client.mutate(ISSUE, i={"amount": money, "idempotencyKey": uuid4().hex} | given)


async def look(client: Client, code: str) -> Any:
    return (await client.execute(LOOK, c=code))["giftCard"]


async def adjust(client: Client, card: dict[str, Any], amount: str, key: str | None = None) -> dict[str, Any]:
    money = {"amount": amount, "currency": "JPY"}
    given = {"id": card["id"], "amount": money, "reason": "a mistake", "idempotencyKey": key or uuid4().hex}
    return await client.mutate(ADJUST, i=given)


async def test_issues_a_card_that_can_be_looked_up_by_its_code(shop: Shop) -> None:
    app, till = await shop.app("app", Scope.CUSTOMERS), await shop.terminal()

    payload = await issue(app, "1500", expiresAt="2099-01-01T00:00:00Z")
    seen = await look(till, payload["code"].lower())

    assert payload["errors"] == []
    assert seen == payload["giftCard"]
    assert seen["balance"] == {"amount": "1500", "currency": "JPY"}
    assert seen["last4"] == codes.last4(payload["code"])
    assert seen["expiresAt"].startswith("2099-01-01")


async def test_repeating_an_issue_returns_the_card_without_its_code(shop: Shop) -> None:
    staff, key = shop.staff, uuid4().hex

    first, again = [await issue(staff, idempotencyKey=key) for _ in range(2)]
    other = await issue(staff, "999", idempotencyKey=key)

    assert first["code"] and again["code"] is None
    assert first["giftCard"] == again["giftCard"]
    assert [e["code"] for e in other["errors"]] == ["IDEMPOTENCY_KEY_REUSED"]


async def test_unusable_and_unknown_cards_get_the_same_answer(shop: Shop) -> None:
    staff, app = shop.staff, await shop.app()
    issued = await issue(staff)
    blocked = await staff.mutate(BLOCK, id=issued["giftCard"]["id"], b=True)

    answers = [await look(app, code) for code in (issued["code"], codes.generate(), "", "x" * 3000, "💥")]
    again = await staff.mutate(BLOCK, id=issued["giftCard"]["id"], b=False)

    assert blocked["giftCard"]["blocked"] and not again["giftCard"]["blocked"]
    assert answers == [None] * 5
    assert await look(app, issued["code"]) == again["giftCard"]


async def test_limits_the_wrong_codes_of_a_caller(shop: Shop, hub: RunningHub) -> None:
    till, other, issued = await shop.terminal(), await shop.terminal(), await issue(shop.staff)
    most = hub.settings.handoff_guesses_max

    for _ in range(most):
        assert await look(till, codes.generate()) is None
    refused = []
    for code in (codes.generate(), issued["code"]):
        with pytest.raises(Refused) as no:
            await look(till, code)
        refused.append(no.value.codes)

    assert refused == [["LIMIT_EXCEEDED"]] * 2
    assert await look(other, issued["code"]) == issued["giftCard"]


async def test_lookups_of_existing_cards_do_not_count_as_guesses(shop: Shop, hub: RunningHub) -> None:
    till, issued = await shop.terminal(), await issue(shop.staff)

    seen = [await look(till, issued["code"]) for _ in range(hub.settings.handoff_guesses_max + 2)]

    assert all(card == issued["giftCard"] for card in seen)


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"amount": {"amount": "0", "currency": "JPY"}}, ["amount", "amount"]),
        ({"amount": {"amount": "-1", "currency": "JPY"}}, ["amount", "amount"]),
        ({"amount": {"amount": "1.5", "currency": "JPY"}}, ["amount", "amount"]),
        ({"amount": {"amount": "1" * 17, "currency": "JPY"}}, ["amount", "amount"]),
        ({"amount": {"amount": "5", "currency": "nothing"}}, ["amount", "currency"]),
        ({"code": "1234"}, ["code"]),
        ({"expiresAt": "2020-01-01T00:00:00Z"}, ["expiresAt"]),
        ({"idempotencyKey": ""}, ["idempotencyKey"]),
    ],
)
async def test_refuses_invalid_input_of_an_issue(shop: Shop, given: dict[str, Any], path: list[str]) -> None:
    payload = await issue(shop.staff, **given)

    assert [(e["code"], e["path"]) for e in payload["errors"]] == [("INVALID", path)]
    assert payload["giftCard"] is None and payload["code"] is None


async def test_an_adjustment_is_an_entry_of_the_ledger(shop: Shop) -> None:
    staff, issued = shop.staff, await issue(shop.staff)
    card, key = issued["giftCard"], uuid4().hex

    changed = [await adjust(staff, card, "-300", key) for _ in range(2)]
    too_much = await adjust(staff, card, "-701")
    data = await staff.execute(
        """query ($id: ID!) { node(id: $id) { ... on GiftCard { entries(first: 1) {
            edges { cursor node { kind amount { amount } reference actor order { id } } } pageInfo { hasNextPage } } } } }""",
        id=card["id"],
    )
    page = data["node"]["entries"]
    rest = await staff.execute(
        "query ($id: ID!, $a: String) { node(id: $id) { ... on GiftCard { entries(after: $a) { edges { node { kind } } } } } }",
        id=card["id"],
        a=page["edges"][0]["cursor"],
    )

    assert [one["giftCard"]["balance"]["amount"] for one in changed] == ["700", "700"]
    assert [(e["code"], e["path"]) for e in too_much["errors"]] == [("INVALID", ["amount", "amount"])]
    assert page["pageInfo"]["hasNextPage"]
    (edge,) = page["edges"]
    assert edge["node"]["kind"] == "ADJUST" and edge["node"]["amount"] == {"amount": "-300"}
    assert edge["node"]["reference"] == "a mistake" and edge["node"]["actor"].startswith("staff:")
    assert edge["node"]["order"] is None
    assert [e["node"]["kind"] for e in rest["node"]["entries"]["edges"]] == ["ISSUE"]


async def test_refuses_an_adjustment_in_another_currency(shop: Shop) -> None:
    issued = await issue(shop.staff)
    given = {"id": issued["giftCard"]["id"], "reason": "x", "idempotencyKey": uuid4().hex}

    payload = await shop.staff.mutate(ADJUST, i=given | {"amount": {"amount": "1", "currency": "USD"}})

    assert [(e["code"], e["path"]) for e in payload["errors"]] == [("CURRENCY_MISMATCH", ["amount", "currency"])]


async def test_terminals_cannot_read_the_ledger_of_a_card(shop: Shop) -> None:
    till, issued = await shop.terminal(), await issue(shop.staff)

    with pytest.raises(Refused) as refused:
        await till.execute(
            "query ($c: String!) { giftCard(code: $c) { entries { edges { cursor } } } }", c=issued["code"]
        )

    assert refused.value.codes == ["FORBIDDEN"]


async def test_staff_adjust_points_and_their_customer_sees_them(shop: Shop) -> None:
    hana = await shop.customer()
    me = (await hana.execute("{ me { id points } }"))["me"]
    given = {"customerId": me["id"], "points": 30, "reason": "a gift", "idempotencyKey": uuid4().hex}

    payloads = [await shop.staff.mutate(POINTS, i=given) for _ in range(2)]
    fewer = await shop.staff.mutate(POINTS, i=given | {"points": -31, "idempotencyKey": uuid4().hex})
    seen = await hana.execute("{ me { points pointsOwed pointsEntries { edges { node { kind points reference } } } } }")

    assert me["points"] == 0
    assert [p["customer"] for p in payloads] == [{"points": 30, "pointsOwed": 0}] * 2
    assert [(e["code"], e["path"]) for e in fewer["errors"]] == [("INVALID_QUANTITY", ["points"])]
    assert seen["me"]["points"] == 30
    assert seen["me"]["pointsEntries"]["edges"] == [{"node": {"kind": "ADJUST", "points": 30, "reference": "a gift"}}]


async def test_refuses_to_adjust_points_without_a_customer_or_a_reason(shop: Shop) -> None:
    nobody = ids.global_id("Customer", ids.new_id())
    given = {"points": 30, "reason": "a gift", "idempotencyKey": "k"}

    answers = [await shop.staff.mutate(POINTS, i=given | {"customerId": one}) for one in (nobody, "x")]
    without_reason = await shop.staff.mutate(POINTS, i=given | {"customerId": nobody, "reason": " "})

    assert [[(e["code"], e["path"]) for e in p["errors"]] for p in answers] == [[("NOT_FOUND", ["customerId"])]] * 2
    assert [(e["code"], e["path"]) for e in without_reason["errors"]] == [("INVALID", ["reason"])]
