"""Invalid facts: each is parked whole as a conflict, and the others of the batch are applied."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.client import Refused
from tests.support.shop import Shop
from tests.support.tills import (
    SYNC,
    Fact,
    Till,
    conflicts,
    now,
    on_hand,
    open_till,
    orders,
    reasons,
    statuses,
    stored_facts,
)

SOLD = {"sku": "TEA", "quantity": 2, "unitPrice": "100"}
LINE, TENDER = ("lines", "0"), ("tenders", "0")


def cash(*amounts: str) -> dict[str, Any]:
    return {"tenders": [{"method": "CASH", "amount": amount} for amount in amounts]}


# Changes of a sale of two TEA for 100 each, and the code and path of the error.
WRONG: list[Any] = [
    pytest.param({"sku": "no-such-sku"}, {}, "NOT_FOUND", (*LINE, "sku"), id="unknown SKU"),
    pytest.param({"sku": "4901234567894"}, {}, "NOT_FOUND", (*LINE, "sku"), id="unknown barcode"),
    pytest.param({"sku": ""}, {}, "NOT_FOUND", (*LINE, "sku"), id="empty SKU"),
    pytest.param({"sku": "TEA\x00"}, {}, "NOT_FOUND", (*LINE, "sku"), id="NUL in the SKU"),
    pytest.param({"sku": "x" * 5_000}, {}, "NOT_FOUND", (*LINE, "sku"), id="very long SKU"),
    pytest.param({"quantity": 0}, {}, "INVALID_QUANTITY", (*LINE, "quantity"), id="nothing sold"),
    pytest.param({"quantity": -2}, {}, "INVALID_QUANTITY", (*LINE, "quantity"), id="less than nothing sold"),
    pytest.param({"quantity": 100_001}, {}, "INVALID_QUANTITY", (*LINE, "quantity"), id="too many"),
    pytest.param({"unitPrice": "-100"}, {}, "INVALID", (*LINE, "unitPrice"), id="negative price"),
    pytest.param({"unitPrice": "99.5"}, {}, "INVALID", (*LINE, "unitPrice"), id="decimals that yen do not have"),
    pytest.param({"unitPrice": "1e3"}, {}, "INVALID", (*LINE, "unitPrice"), id="an exponent"),
    pytest.param({"unitPrice": "１００"}, {}, "INVALID", (*LINE, "unitPrice"), id="wide digits"),
    pytest.param({"unitPrice": "9" * 400}, {}, "INVALID", (*LINE, "unitPrice"), id="a price beyond all sense"),
    pytest.param({"discount": "201"}, {}, "INVALID", (*LINE, "discount"), id="discount above the line"),
    pytest.param({"discount": "-1"}, {}, "INVALID", (*LINE, "discount"), id="negative discount"),
    pytest.param({}, cash("199"), "PAYMENT_MISMATCH", ("tenders",), id="paid too little"),
    pytest.param({}, cash("150", "51"), "PAYMENT_MISMATCH", ("tenders",), id="two tenders too much"),
    pytest.param({}, {"tenders": []}, "PAYMENT_MISMATCH", ("tenders",), id="not paid at all"),
    pytest.param({}, cash("300", "-100"), "INVALID", ("tenders", "1", "amount"), id="a negative tender"),
    pytest.param({}, cash(*["10"] * 21), "LIMIT_EXCEEDED", ("tenders",), id="21 tenders"),
    pytest.param({}, {"tenders": [{"method": " ", "amount": "200"}]}, "INVALID", (*TENDER, "method"), id="no method"),
    pytest.param(
        {}, {"tenders": [{"method": "C\x00", "amount": "200"}]}, "INVALID", (*TENDER, "method"), id="NUL in a method"
    ),
    pytest.param(
        {},
        {"tenders": [{"method": "CARD", "amount": "200", "reference": "\x1b[2J"}]},
        "INVALID",
        (*TENDER, "reference"),
        id="control characters in a reference",
    ),
    pytest.param({}, {"receipt": "R\x001"}, "INVALID", ("receipt",), id="NUL in the receipt"),
    pytest.param({}, {"receipt": "R" * 201}, "INVALID", ("receipt",), id="very long receipt"),
    pytest.param({}, {"originalReceipt": "\x07"}, "INVALID", ("originalReceipt",), id="a bell"),
    pytest.param({}, {"loyaltyCard": "\x00"}, "INVALID", ("loyaltyCard",), id="NUL in the card"),
    pytest.param({}, {"loyaltyCard": ""}, "INVALID", ("loyaltyCard",), id="empty card"),
    pytest.param({}, {"loyaltyCard": "7" * 65}, "INVALID", ("loyaltyCard",), id="very long card"),
    pytest.param({}, {"cartId": "not-a-cart"}, "NOT_FOUND", ("cartId",), id="no id of a cart"),
    pytest.param({}, {"cartId": "\x00"}, "NOT_FOUND", ("cartId",), id="NUL in the cart's id"),
    pytest.param({}, {"lines": []}, "LIMIT_EXCEEDED", ("lines",), id="no lines"),
    pytest.param({}, {"sequence": 0}, "INVALID", ("sequence",), id="sequence 0"),
    pytest.param({}, {"sequence": -1}, "INVALID", ("sequence",), id="a negative sequence"),
    pytest.param({}, {"eventId": ""}, "INVALID", ("eventId",), id="no event id"),
    pytest.param({}, {"eventId": "e\x00"}, "INVALID", ("eventId",), id="NUL in the event id"),
    pytest.param({}, {"eventId": "e" * 65}, "INVALID", ("eventId",), id="very long event id"),
]


def wrong_sale(till: Till, line: dict[str, Any], given: dict[str, Any]) -> Fact:
    sold = {**SOLD, **line}
    sku = sold["sku"] if "sku" in line else till.shop.sku("TEA")
    return {**till.fact("SALE", [{**sold, "sku": sku}], tenders=cash("200")["tenders"]), **given}


@pytest.mark.parametrize(("line", "given", "code", "path"), WRONG)
async def test_parks_an_invalid_fact_and_applies_the_others(
    shop: Shop, line: dict[str, Any], given: dict[str, Any], code: str, path: tuple[str, ...]
) -> None:
    till = await open_till(shop)
    before, wrong, after = (
        till.stock_fact("RECEIPT", TEA=3),
        wrong_sale(till, line, given),
        till.stock_fact("RECEIPT", TEA=4),
    )

    first = await till.send(before, wrong, after, wrong)
    again = await till.send(wrong)

    assert statuses(first) == ["APPLIED", "PARKED", "APPLIED", "PARKED"]
    assert (code, path) in reasons(first)[1]
    assert (statuses(again), reasons(again)[0]) == (["PARKED"], reasons(first)[1])
    assert (await on_hand(shop), await orders(shop)) == (7, [])
    (case,) = await conflicts(shop, s="OPEN")
    assert (case["kind"], case["errors"][0]["code"]) == ("PARKED", reasons(first)[1][0][0])
    assert {name: case["event"][name] for name in ("eventId", "sequence")} == {
        name: wrong[name] for name in ("eventId", "sequence")
    }
    assert case["event"]["lines"] == [{"discount": "0", **sold} for sold in wrong["lines"]]


@pytest.mark.parametrize(
    ("kind", "quantity", "verdict"),
    [
        *((kind, 0, "PARKED") for kind in ("SALE", "RETURN", "RECEIPT", "DAMAGE", "ADJUSTMENT")),
        *((kind, -1, "PARKED") for kind in ("SALE", "RETURN", "RECEIPT", "DAMAGE", "COUNT")),
        *((kind, 100_001, "PARKED") for kind in ("RETURN", "RECEIPT", "DAMAGE", "ADJUSTMENT", "COUNT")),
        ("COUNT", 0, "APPLIED"),
        ("COUNT", 100_000, "APPLIED"),
        ("ADJUSTMENT", -100_000, "APPLIED"),
        ("ADJUSTMENT", -100_001, "PARKED"),
        ("RECEIPT", 100_000, "APPLIED"),
    ],
)
async def test_checks_the_limits_of_quantities(shop: Shop, kind: str, quantity: int, verdict: str) -> None:
    till = await open_till(shop)

    payload = await till.send(till.stock_fact(kind, TEA=quantity))

    assert statuses(payload) == [verdict], payload
    assert [code for code, _ in reasons(payload)[0]] == (["INVALID_QUANTITY"] if verdict == "PARKED" else [])


async def test_a_count_has_each_variant_once_by_sku_or_barcode(shop: Shop) -> None:
    till = await open_till(shop)
    twice = till.fact("COUNT", [till.line("TEA", 3), till.line("TEA", 4)])

    assert await till.verdicts(twice) == ["PARKED"]


async def test_impossible_amounts_do_not_affect_other_facts(shop: Shop) -> None:
    till = await open_till(shop)
    price = str(10**15)
    lines = [till.line("TEA", 100_000, unitPrice=price) for _ in range(100)]
    huge, back = till.fact("SALE", lines), till.fact("RETURN", lines)

    payload = await till.send(huge, back, till.stock_fact("RECEIPT", TEA=5))

    assert statuses(payload) == ["PARKED", "PARKED", "APPLIED"]


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00"])
@pytest.mark.parametrize("wrong_minutes", [0, 40, -40])
async def test_times_at_the_ends_of_the_calendar_do_not_affect_other_facts(
    shop: Shop, at: str, wrong_minutes: int
) -> None:
    till = await open_till(shop)
    strange = {**till.stock_fact("RECEIPT", TEA=1), "occurredAt": at}

    payload = await till.send(strange, till.stock_fact("RECEIPT", TEA=5), sent_at=now(minutes=-wrong_minutes))

    assert payload["results"][1]["status"] == "APPLIED"
    assert await on_hand(shop) == 5 + (payload["results"][0]["status"] == "APPLIED")


@pytest.mark.parametrize("sent_at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
async def test_a_clock_at_the_end_of_the_calendar_loses_no_fact(shop: Shop, sent_at: str) -> None:
    till = await open_till(shop)

    payload = await till.client.mutate(SYNC, i={"sentAt": sent_at, "events": [till.stock_fact("RECEIPT", TEA=5)]})

    assert (statuses(payload), payload["errors"]) == (["APPLIED"], [])
    assert await on_hand(shop) == 5


async def test_a_batch_has_at_most_a_thousand_facts(shop: Shop) -> None:
    till = await open_till(shop)
    facts = [till.stock_fact("RECEIPT", TEA=1) for _ in range(1_001)]

    refused = await till.send(*facts)
    kept = await stored_facts(till)
    taken = await till.send(*facts[:1_000])

    assert [error["code"] for error in refused["errors"]] == ["LIMIT_EXCEEDED"]
    assert (refused["results"], refused["acknowledged"], kept) == ([], 0, 0)
    assert (statuses(taken), taken["acknowledged"]) == (["APPLIED"] * 1_000, 1_000)
    assert await on_hand(shop) == 1_000


@pytest.mark.parametrize(
    "given", [{"sequence": 2**31}, {"type": "THEFT"}, {"occurredAt": "yesterday"}, {"lines": None}]
)
async def test_a_value_of_the_wrong_type_is_a_graphql_error_and_nothing_is_stored(
    shop: Shop, given: dict[str, Any]
) -> None:
    till = await open_till(shop)

    with pytest.raises(Refused) as refused:
        await till.send(till.stock_fact("RECEIPT", TEA=1), {**till.stock_fact("RECEIPT", TEA=1), **given})

    assert set(refused.value.codes).isdisjoint({"INTERNAL"})
    assert await stored_facts(till) == 0


async def test_a_quantity_beyond_32_bits_is_a_graphql_error(shop: Shop) -> None:
    till = await open_till(shop)

    with pytest.raises(Refused):
        await till.verdicts(till.stock_fact("RECEIPT", TEA=2**31))

    assert await stored_facts(till) == 0


async def test_a_lone_surrogate_parks_only_its_own_fact(shop: Shop) -> None:
    till = await open_till(shop)
    whole = till.stock_fact("RECEIPT", TEA=5)
    query = SYNC.replace("$i: PosSyncInput!", "$e: PosEventInput!").replace(
        "input: $i",
        f'input: {{sentAt: "{now().isoformat()}", events: [$e, {{eventId: "h", sequence: 2, type: RECEIPT, '
        f'occurredAt: "{now().isoformat()}", lines: [{{sku: "\\ud800", quantity: 1}}]}}]}}',
    )

    answer = await till.client.post(query, e=whole)

    if "errors" not in answer:
        assert statuses(answer["data"]["posSync"]) == ["APPLIED", "PARKED"]
    else:
        assert [error["extensions"]["code"] for error in answer["errors"]] != ["INTERNAL"]
        assert await stored_facts(till) == 0


async def test_bytes_of_another_encoding_are_a_bad_request(shop: Shop) -> None:
    till = await open_till(shop)
    body = '{"query": "{ __typename }", "variables": {"n": "売り場"}}'.encode("shift_jis")

    answer = await till.client.http.post(till.client.url, content=body, headers={"content-type": "application/json"})

    assert answer.status_code == 400


async def test_a_body_above_four_megabytes_is_too_large(shop: Shop) -> None:
    till = await open_till(shop)
    fact = till.stock_fact("RECEIPT", TEA=1)
    fact["lines"] = [till.line("x" * 60, 1)] * 50_000

    answer = await till.client.http.post(till.client.url, json={"query": SYNC, "variables": {"i": {"events": [fact]}}})

    assert answer.status_code == 413


async def test_the_same_fact_in_concurrent_batches_is_applied_once(shop: Shop) -> None:
    till = await open_till(shop)
    for n in range(1, 11):
        sale = till.sale(TEA=1)

        verdicts = await asyncio.gather(*(till.verdicts(sale) for _ in range(4)))

        assert sorted(v for (v,) in verdicts) == ["APPLIED", "DUPLICATE", "DUPLICATE", "DUPLICATE"]
        assert await on_hand(shop) == -n
