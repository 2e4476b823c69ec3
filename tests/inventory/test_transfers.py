"""Transfers: planned, shipped, received in parts, closed with a reason, or cancelled."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from tests.support.client import Client
from tests.support.shop import Shop
from tests.support.stock_calls import adjust_stock, codes, level_ids, place_pickup_order
from tests.support.transfer_calls import CANCEL, CREATE, RECEIVE, SHIP, change_transfer
from uriba.core.actor import SYSTEM, Scope
from uriba.core.ids import global_id, new_id, uuid
from uriba.db import Row, Session
from uriba.db.statements import Statement
from uriba.inventory import transfer_receipts, transfers
from uriba.inventory.transfer_receipts import ReceivedUnits
from uriba.inventory.transfers import SkuUnits


async def plan(shop: Shop, *, by: Client | None = None, given: dict[str, Any] | None = None, **units: int) -> Any:
    """Call stockTransferCreate from S1 to S2, as in plan(shop, TEA=3), and return the payload."""
    lines = [{"sku": shop.sku(sku), "quantity": quantity} for sku, quantity in units.items()]
    wanted = {"from": shop.code("S1"), "to": shop.code("S2"), "lines": lines, "idempotencyKey": uuid4().hex}
    return await (by or shop.staff).mutate(CREATE, i=wanted | (given or {}))


async def planned(shop: Shop, **units: int) -> str:
    """Create a transfer and return its id."""
    payload = await plan(shop, **units)
    assert not payload["errors"], payload
    return payload["transfer"]["id"]  # type: ignore[no-any-return]


async def shipped(shop: Shop, **units: int) -> str:
    """Receive units at S1, ship all of them to S2, and return the transfer's id."""
    await shop.receive(**{f"{sku}_S1": quantity for sku, quantity in units.items()})
    transfer = await planned(shop, **units)
    payload = await change_transfer(shop, SHIP, transfer)
    assert not payload["errors"], payload
    return transfer


def arrived(shop: Shop, *rows: tuple[str, int] | tuple[str, int, str]) -> list[dict[str, Any]]:
    names = ("sku", "quantity", "reason")
    return [dict(zip(names, (shop.sku(row[0]), *row[1:]), strict=False)) for row in rows]


async def units(shop: Shop, sku: str, location: str) -> tuple[int, int, int, int]:
    """Return on hand, available, unavailable and incoming."""
    level = await shop.stock_level(sku, location)
    return level["onHand"], level["available"], level["unavailable"], level["incoming"]


async def movements(shop: Shop, sku: str, location: str) -> list[tuple[Any, ...]]:
    """Return (reason, quantity, on hand, incoming, unavailable, state, reference, actor), the oldest first."""
    key = await level_ids(shop, sku, location)
    async with shop.hub.database.reading() as session:
        rows = await session.fetch(
            "SELECT reason, quantity, on_hand_delta, incoming_delta, unavailable_delta, state, reference, actor "
            "FROM stock_movement WHERE (variant_id, location_id) = ($1, $2) ORDER BY recorded_at, id",
            *key,
        )
    return [tuple(row.values()) for row in rows]


def number(transfer: str) -> str:
    """Return the reference of a transfer's movements."""
    return f"transfer:{uuid(transfer, 'StockTransfer')}"


async def test_a_plan_moves_no_stock(shop: Shop) -> None:
    await shop.receive(TEA_S1=5)

    payload = await plan(shop, TEA=3, POT=1, given={"reference": " truck 7 "})

    transfer = payload["transfer"]
    assert (transfer["status"], transfer["reference"], transfer["shippedAt"]) == ("DRAFT", "truck 7", None)
    assert (transfer["from"]["code"], transfer["to"]["code"]) == (shop.code("S1"), shop.code("S2"))
    assert [(row["variant"]["sku"], row["quantity"], row["shipped"]) for row in transfer["lines"]] == [
        (shop.sku("TEA"), 3, 0),
        (shop.sku("POT"), 1, 0),
    ]
    assert await units(shop, "TEA", "S1") == (5, 5, 0, 0)


async def test_shipping_reduces_on_hand_and_increases_incoming(shop: Shop) -> None:
    await shop.receive(TEA_S1=5)
    transfer = await planned(shop, TEA=3)

    payload = await change_transfer(shop, SHIP, transfer)

    assert payload["transfer"]["status"] == "IN_TRANSIT"
    assert payload["transfer"]["shippedAt"] and not payload["transfer"]["closedAt"]
    assert await units(shop, "TEA", "S1") == (2, 2, 0, 0)
    assert await units(shop, "TEA", "S2") == (0, 0, 0, 3)
    staff = f"staff:{shop.staff.key.split('_')[2]}"  # type: ignore[union-attr]
    assert (await movements(shop, "TEA", "S1"))[1:] == [("TRANSFER_OUT", 3, -3, 0, 0, None, number(transfer), staff)]
    assert await movements(shop, "TEA", "S2") == [("TRANSFER_IN", 3, 0, 3, 0, None, number(transfer), staff)]


async def test_ships_a_part_of_the_plan(shop: Shop) -> None:
    await shop.receive(TEA_S1=5, POT_S1=5)
    transfer = await planned(shop, TEA=3, POT=2)

    await change_transfer(shop, SHIP, transfer, lines=arrived(shop, ("TEA", 2)))
    payload = await change_transfer(shop, RECEIVE, transfer, lines=arrived(shop, ("TEA", 2)))

    assert payload["transfer"]["status"] == "RECEIVED"
    assert [(row["quantity"], row["shipped"], row["received"]) for row in payload["transfer"]["lines"]] == [
        (3, 2, 2),
        (2, 0, 0),
    ]
    assert await units(shop, "POT", "S1") == (5, 5, 0, 0)


async def test_refuses_to_ship_unavailable_units(shop: Shop) -> None:
    await shop.receive(TEA_S1=5, POT_S1=5, CUP_S1=1)
    await place_pickup_order(shop, "TEA", 3)
    transfer = await planned(shop, POT=5, CUP=2, TEA=3)

    refused = await change_transfer(shop, SHIP, transfer)

    assert sorted(codes(refused)) == [
        ("OUT_OF_STOCK", ("lines", "1", "quantity")),
        ("OUT_OF_STOCK", ("lines", "2", "quantity")),
    ]
    assert await units(shop, "POT", "S1") == (5, 5, 0, 0)
    assert await status(shop, transfer) == "DRAFT"


async def status(shop: Shop, transfer: str) -> str:
    data = await shop.staff.execute("query ($id: ID!) { stockTransfer(id: $id) { status } }", id=transfer)
    return data["stockTransfer"]["status"]  # type: ignore[no-any-return]


async def test_safety_stock_is_not_shipped(shop: Shop) -> None:
    await shop.receive(TEA_S1=5)
    await shop.staff.mutate(
        "mutation ($i: StockSetInput!) { stockSet(input: $i) { errors { code } } }",
        i={
            "changes": [{"sku": shop.sku("TEA"), "location": shop.code("S1"), "onHand": 5, "safetyStock": 2}],
            "idempotencyKey": uuid4().hex,
        },
    )
    transfer = await planned(shop, TEA=4)

    refused = await change_transfer(shop, SHIP, transfer)
    taken = await change_transfer(shop, SHIP, transfer, lines=arrived(shop, ("TEA", 3)))

    assert codes(refused) == [("OUT_OF_STOCK", ("lines", "0", "quantity"))]
    assert "Only 3" in refused["errors"][0]["message"]
    assert not taken["errors"]
    assert await units(shop, "TEA", "S1") == (2, 0, 0, 0)


async def test_receives_a_transfer_in_parts(shop: Shop) -> None:
    transfer = await shipped(shop, TEA=5, POT=1)

    first = await change_transfer(shop, RECEIVE, transfer, lines=arrived(shop, ("TEA", 2)))
    between = await units(shop, "TEA", "S2")
    second = await change_transfer(shop, RECEIVE, transfer, lines=arrived(shop, ("TEA", 3), ("POT", 1)))

    assert first["transfer"]["status"] == "PARTIALLY_RECEIVED"
    assert between == (2, 2, 0, 3)
    assert second["transfer"]["status"] == "RECEIVED"
    assert second["transfer"]["closedAt"]
    assert await units(shop, "TEA", "S2") == (5, 5, 0, 0)
    assert await units(shop, "POT", "S2") == (1, 1, 0, 0)


async def test_received_damaged_units_are_on_hand_and_unavailable(shop: Shop) -> None:
    transfer = await shipped(shop, TEA=5)

    payload = await change_transfer(shop, RECEIVE, transfer, lines=arrived(shop, ("TEA", 3), ("TEA", 2, "DAMAGED")))

    (line,) = payload["transfer"]["lines"]
    assert payload["transfer"]["status"] == "RECEIVED"
    assert (line["received"], line["discrepancy"]) == (5, "DAMAGED")
    assert await units(shop, "TEA", "S2") == (5, 3, 2, 0)
    assert [row[:6] for row in (await movements(shop, "TEA", "S2"))[1:]] == [
        ("TRANSFER_IN", 3, 3, -3, 0, None),
        ("TRANSFER_IN", 2, 2, -2, 2, "DAMAGED"),
    ]


async def test_closing_with_missing_units_needs_a_reason(shop: Shop) -> None:
    transfer = await shipped(shop, TEA=5, POT=2)

    refused = await change_transfer(shop, RECEIVE, transfer, lines=arrived(shop, ("TEA", 3)), close=True)
    closed = await change_transfer(
        shop, RECEIVE, transfer, lines=arrived(shop, ("TEA", 3, "MISCOUNTED"), ("POT", 0, "LOST")), close=True
    )

    assert codes(refused) == [("INVALID", ("lines", "0", "reason")), ("INVALID", ("lines",))]
    assert closed["transfer"]["status"] == "RECEIVED"
    assert [(line["received"], line["discrepancy"]) for line in closed["transfer"]["lines"]] == [
        (3, "MISCOUNTED"),
        (0, "LOST"),
    ]
    assert await units(shop, "TEA", "S2") == (3, 3, 0, 0)
    assert await units(shop, "POT", "S2") == (0, 0, 0, 0)
    assert [row[:4] for row in (await movements(shop, "TEA", "S2"))[1:]] == [
        ("TRANSFER_IN", 3, 3, -3),
        ("TRANSFER_IN", 2, 0, -2),
    ]


async def test_closing_with_additional_units_needs_a_reason(shop: Shop) -> None:
    transfer = await shipped(shop, TEA=5)

    open_yet = await change_transfer(shop, RECEIVE, transfer, lines=arrived(shop, ("TEA", 7)))
    between = await units(shop, "TEA", "S2")
    refused = await change_transfer(shop, RECEIVE, transfer, lines=[], close=True)
    closed = await change_transfer(shop, RECEIVE, transfer, lines=arrived(shop, ("TEA", 0, "MISCOUNTED")), close=True)

    assert open_yet["transfer"]["status"] == "PARTIALLY_RECEIVED"
    assert between == (7, 7, 0, 0)
    assert codes(refused) == [("INVALID", ("lines",))]
    assert (closed["transfer"]["status"], closed["transfer"]["lines"][0]["discrepancy"]) == ("RECEIVED", "MISCOUNTED")
    assert await units(shop, "TEA", "S2") == (7, 7, 0, 0)


async def test_an_earlier_reason_is_sufficient(shop: Shop) -> None:
    transfer = await shipped(shop, TEA=5)

    await change_transfer(shop, RECEIVE, transfer, lines=arrived(shop, ("TEA", 4, "LOST")))
    closed = await change_transfer(shop, RECEIVE, transfer, lines=[], close=True)

    assert closed["errors"] == []
    assert (closed["transfer"]["status"], closed["transfer"]["lines"][0]["discrepancy"]) == ("RECEIVED", "LOST")
    assert await units(shop, "TEA", "S2") == (4, 4, 0, 0)


async def test_damaged_units_do_not_explain_missing_units(shop: Shop) -> None:
    transfer = await shipped(shop, TEA=5)
    damaged = ("TEA", 1, "DAMAGED")

    refused = await change_transfer(shop, RECEIVE, transfer, lines=arrived(shop, ("TEA", 1), damaged), close=True)
    await change_transfer(shop, RECEIVE, transfer, lines=arrived(shop, damaged))
    still = await change_transfer(shop, RECEIVE, transfer, lines=arrived(shop, ("TEA", 1)), close=True)
    closed = await change_transfer(
        shop, RECEIVE, transfer, lines=arrived(shop, damaged, ("TEA", 2, "LOST")), close=True
    )

    assert [codes(refused), codes(still)] == [[("INVALID", ("lines", "0", "reason"))]] * 2
    assert closed["errors"] == []
    assert closed["transfer"]["lines"][0]["discrepancy"] == "LOST"
    assert await units(shop, "TEA", "S2") == (4, 2, 2, 0)


async def test_damaged_with_zero_units_explains_missing_units(shop: Shop) -> None:
    transfer = await shipped(shop, TEA=5)

    closed = await change_transfer(
        shop, RECEIVE, transfer, lines=arrived(shop, ("TEA", 3), ("TEA", 0, "DAMAGED")), close=True
    )

    assert closed["errors"] == []
    assert closed["transfer"]["lines"][0]["discrepancy"] == "DAMAGED"
    assert await units(shop, "TEA", "S2") == (3, 3, 0, 0)


async def test_cancelling_a_plan_moves_no_stock(shop: Shop) -> None:
    await shop.receive(TEA_S1=5)
    transfer = await planned(shop, TEA=3)

    payload = await change_transfer(shop, CANCEL, transfer, reason="no truck")

    assert (payload["transfer"]["status"], payload["transfer"]["reason"]) == ("CANCELLED", "no truck")
    assert len(await movements(shop, "TEA", "S1")) == 1
    assert await movements(shop, "TEA", "S2") == []


async def test_cancelling_returns_units_on_the_way_to_the_source(shop: Shop) -> None:
    transfer = await shipped(shop, TEA=5, POT=1)
    await change_transfer(shop, RECEIVE, transfer, lines=arrived(shop, ("TEA", 2)))

    payload = await change_transfer(shop, CANCEL, transfer)

    assert payload["transfer"]["status"] == "CANCELLED"
    assert [(line["received"], line["returned"]) for line in payload["transfer"]["lines"]] == [(2, 3), (0, 1)]
    assert await units(shop, "TEA", "S1") == (3, 3, 0, 0)
    assert await units(shop, "TEA", "S2") == (2, 2, 0, 0)
    assert await units(shop, "POT", "S1") == (1, 1, 0, 0)
    assert (await movements(shop, "TEA", "S1"))[-1][:4] == ("TRANSFER_IN", 3, 3, 0)
    assert (await movements(shop, "TEA", "S2"))[-1][:4] == ("TRANSFER_OUT", 3, 0, -3)


async def test_received_units_settle_a_shortage(shop: Shop) -> None:
    transfer = await shipped(shop, TEA=5)
    await shop.receive(TEA_S2=2)
    guest = shop.guest()
    chosen = await shop.set_fulfillment(guest, await shop.create_cart(guest, TEA=2), "PICKUP", location="S2")
    await shop.check_out(guest, chosen["cart"], email="hana@example.com")
    await adjust_stock(shop, ("TEA", "S2", -2))
    short = (await shop.stock_level("TEA", "S2"))["shortage"]

    await change_transfer(shop, RECEIVE, transfer, lines=arrived(shop, ("TEA", 5)))

    assert short == 2
    assert (await shop.stock_level("TEA", "S2"))["shortage"] == 0


ILLEGAL = [
    ([], RECEIVE, "DRAFT", "IN_TRANSIT or CANCELLED"),
    ([SHIP], SHIP, "IN_TRANSIT", "PARTIALLY_RECEIVED or RECEIVED or CANCELLED"),
    ([SHIP, RECEIVE], SHIP, "RECEIVED", "cannot change"),
    ([SHIP, RECEIVE], RECEIVE, "RECEIVED", "cannot change"),
    ([SHIP, RECEIVE], CANCEL, "RECEIVED", "cannot change"),
    ([CANCEL], SHIP, "CANCELLED", "cannot change"),
    ([CANCEL], RECEIVE, "CANCELLED", "cannot change"),
    ([CANCEL], CANCEL, "CANCELLED", "cannot change"),
]


@pytest.mark.parametrize(
    ("before", "then", "is_now", "legal"), ILLEGAL, ids=lambda given: given if isinstance(given, str) else ""
)
async def test_refuses_impossible_steps_and_names_the_possible_ones(
    shop: Shop, before: list[str], then: str, is_now: str, legal: str
) -> None:
    await shop.receive(TEA_S1=5)
    transfer = await planned(shop, TEA=3)
    lines = {RECEIVE: {"lines": arrived(shop, ("TEA", 3))}}
    for step in before:
        assert not (await change_transfer(shop, step, transfer, **lines.get(step, {})))["errors"]

    refused = await change_transfer(shop, then, transfer, **lines.get(then, {}))

    assert codes(refused) == [("INVALID_STATE", ("id",))]
    assert is_now in refused["errors"][0]["message"] and legal in refused["errors"][0]["message"]
    assert await status(shop, transfer) == is_now


async def test_reports_every_invalid_line_of_a_plan(shop: Shop) -> None:
    rows = [("TEA", 0), ("POT", -1), ("CUP", 100_001), ("TEA", 1), ("nothing", 1)]
    lines = [{"sku": shop.sku(sku), "quantity": quantity} for sku, quantity in rows]

    payload = await plan(shop, given={"lines": lines, "to": "nowhere"})
    to_itself = await plan(shop, TEA=1, given={"to": shop.code("S1")})
    from_nowhere = await plan(shop, TEA=1, given={"from": "nowhere"})

    assert sorted(codes(payload)) == [
        ("INVALID", ("lines", "3", "sku")),
        ("INVALID_QUANTITY", ("lines", "0", "quantity")),
        ("INVALID_QUANTITY", ("lines", "1", "quantity")),
        ("INVALID_QUANTITY", ("lines", "2", "quantity")),
        ("NOT_FOUND", ("lines", "4", "sku")),
        ("NOT_FOUND", ("to",)),
    ]
    assert codes(to_itself) == [("INVALID", ("to",))]
    assert codes(from_nowhere) == [("NOT_FOUND", ("from",))]
    assert [payload["transfer"], to_itself["transfer"]] == [None, None]


async def test_refuses_a_plan_without_lines_or_with_too_many(shop: Shop) -> None:
    many = [{"sku": shop.sku("TEA"), "quantity": 1}] * 1_001

    assert codes(await plan(shop)) == [("INVALID", ("lines",))]
    assert codes(await plan(shop, given={"lines": many})) == [("LIMIT_EXCEEDED", ("lines",))]
    assert codes(await plan(shop, TEA=1, given={"reference": "x" * 201})) == [("INVALID", ("reference",))]


@pytest.mark.parametrize(
    ("row", "wrong"),
    [
        (("TEA", 0), ("INVALID_QUANTITY", ("lines", "0", "quantity"))),
        (("TEA", -1), ("INVALID_QUANTITY", ("lines", "0", "quantity"))),
        (("TEA", 100_001), ("INVALID_QUANTITY", ("lines", "0", "quantity"))),
        (("CUP", 1), ("NOT_FOUND", ("lines", "0", "sku"))),
        (("nothing", 1), ("NOT_FOUND", ("lines", "0", "sku"))),
    ],
)
async def test_refuses_to_ship_or_receive_invalid_lines(shop: Shop, row: Any, wrong: Any) -> None:
    await shop.receive(TEA_S1=5)
    transfer = await planned(shop, TEA=3)

    shipping = await change_transfer(shop, SHIP, transfer, lines=arrived(shop, row))
    await change_transfer(shop, SHIP, transfer)
    receiving = await change_transfer(shop, RECEIVE, transfer, lines=arrived(shop, row))

    assert wrong in codes(shipping)
    assert codes(receiving) == [wrong]
    assert await units(shop, "TEA", "S2") == (0, 0, 0, 3)


async def test_refuses_duplicate_lines(shop: Shop) -> None:
    await shop.receive(TEA_S1=5)
    transfer = await planned(shop, TEA=3)
    twice = arrived(shop, ("TEA", 1), ("TEA", 1))

    shipping = await change_transfer(shop, SHIP, transfer, lines=twice)
    more = await change_transfer(shop, SHIP, transfer, lines=arrived(shop, ("TEA", 4)))
    nothing = await change_transfer(shop, SHIP, transfer, lines=[])
    await change_transfer(shop, SHIP, transfer)
    receiving = [
        await change_transfer(shop, RECEIVE, transfer, lines=lines)
        for lines in (twice, arrived(shop, ("TEA", 1, "DAMAGED"), ("TEA", 1, "DAMAGED")), [])
    ]
    nothing_at_all = await change_transfer(shop, RECEIVE, transfer, lines=arrived(shop, ("TEA", 0, "LOST")))

    assert codes(shipping) == [("INVALID", ("lines", "1", "sku"))]
    assert codes(more) == [("INVALID_QUANTITY", ("lines", "0", "quantity"))]
    assert codes(nothing) == [("INVALID", ("lines",))]
    assert [codes(payload) for payload in receiving] == [
        [("INVALID", ("lines", "1", "sku"))],
        [("INVALID", ("lines", "1", "sku"))],
        [("INVALID", ("lines",))],
    ]
    assert codes(nothing_at_all) == [("INVALID_QUANTITY", ("lines", "0", "quantity"))]


@pytest.mark.parametrize("mutation", [SHIP, RECEIVE, CANCEL], ids=["ship", "receive", "cancel"])
async def test_an_unknown_transfer_is_not_found(shop: Shop, mutation: str) -> None:
    lines = {"lines": arrived(shop, ("TEA", 1))} if mutation is RECEIVE else {}
    for transfer in (global_id("StockTransfer", new_id()), global_id("Order", new_id()), "x", ""):
        assert codes(await change_transfer(shop, mutation, transfer, **lines)) == [("NOT_FOUND", ("id",))]


async def test_does_each_step_once_for_each_key(shop: Shop) -> None:
    await shop.receive(TEA_S1=9)
    keys = {verb: uuid4().hex for verb in (CREATE, SHIP, RECEIVE, CANCEL)}
    first = await plan(shop, TEA=3, given={"idempotencyKey": keys[CREATE]})
    again = await plan(shop, TEA=3, given={"idempotencyKey": keys[CREATE]})
    other = await plan(shop, TEA=4, given={"idempotencyKey": keys[CREATE]})
    transfer = first["transfer"]["id"]

    answers = {}
    for verb, given in ((SHIP, {}), (RECEIVE, {"lines": arrived(shop, ("TEA", 1))}), (CANCEL, {})):
        answers[verb] = [
            await change_transfer(shop, verb, transfer, idempotencyKey=keys[verb], **given) for _ in range(2)
        ]
        reused = await change_transfer(
            shop, verb, transfer, idempotencyKey=keys[verb], **{**given, **another(shop, verb)}
        )
        assert codes(reused) == [("IDEMPOTENCY_KEY_REUSED", ("idempotencyKey",))]

    assert again == first
    assert codes(other) == [("IDEMPOTENCY_KEY_REUSED", ("idempotencyKey",))]
    assert all(one == two and not one["errors"] for one, two in answers.values())
    assert await units(shop, "TEA", "S1") == (8, 8, 0, 0)
    assert await units(shop, "TEA", "S2") == (1, 1, 0, 0)


def another(shop: Shop, verb: str) -> dict[str, Any]:
    """Another input of the same verb."""
    return {"reason": "else"} if verb is CANCEL else {"lines": arrived(shop, ("TEA", 2))}


async def test_a_terminal_ships_from_and_receives_at_its_own_location(shop: Shop) -> None:
    here, there, elsewhere = [await shop.terminal(place) for place in ("S1", "S2", "W1")]
    await shop.receive(TEA_S1=5)
    transfer = (await plan(shop, TEA=3, by=there))["transfer"]["id"]

    foreign = [await raw(CREATE, elsewhere, **foreign_plan(shop))]
    foreign += [await raw(SHIP, by, id=transfer) for by in (there, elsewhere)]
    sent = await change_transfer(shop, SHIP, transfer, by=here)
    foreign += [await raw(RECEIVE, by, id=transfer, lines=arrived(shop, ("TEA", 3))) for by in (here, elsewhere)]
    foreign += [await raw(CANCEL, by, id=transfer) for by in (there, elsewhere)]
    received = await change_transfer(shop, RECEIVE, transfer, by=there, lines=arrived(shop, ("TEA", 2)))
    cancelled = await change_transfer(shop, CANCEL, transfer, by=here)

    assert foreign == ["FORBIDDEN"] * 7
    assert [p["errors"] for p in (sent, received, cancelled)] == [[], [], []]
    assert await units(shop, "TEA", "S1") == (3, 3, 0, 0)


def foreign_plan(shop: Shop) -> dict[str, Any]:
    return {"from": shop.code("S1"), "to": shop.code("S2"), "lines": arrived(shop, ("TEA", 3))}


async def raw(document: str, by: Client, **given: Any) -> str:
    """The code of a refusal at the top of the answer."""
    answer = await by.post(document, i={"idempotencyKey": uuid4().hex, **given})
    return answer["errors"][0]["extensions"]["code"]  # type: ignore[no-any-return]


async def test_an_app_needs_the_scope_and_customers_read_no_transfer(shop: Shop) -> None:
    transfer = await planned(shop, TEA=3)
    read = "query ($id: ID!) { stockTransfer(id: $id) { id } }"
    node = "query ($id: ID!) { node(id: $id) { __typename } }"
    app, allowed = await shop.app("app"), await shop.app("app", Scope.INVENTORY)
    customer, guest = await shop.customer(), shop.guest()

    refused = [await raw(CANCEL, by, id=transfer) for by in (app, customer, guest)]
    unseen = [await by.post(read, id=transfer) for by in (customer, guest)]
    nodes = [(await by.execute(node, id=transfer))["node"] for by in (customer, guest, app, allowed)]
    cancelled = await change_transfer(shop, CANCEL, transfer, by=allowed)

    assert refused == ["FORBIDDEN", "FORBIDDEN", "UNAUTHENTICATED"]
    assert [one["errors"][0]["extensions"]["code"] for one in unseen] == ["FORBIDDEN", "UNAUTHENTICATED"]
    assert nodes == [None, None, {"__typename": "StockTransfer"}, {"__typename": "StockTransfer"}]
    assert cancelled["transfer"]["status"] == "CANCELLED"


async def test_transfers_are_filtered_by_location_and_status_newest_first(shop: Shop) -> None:
    made = [await planned(shop, TEA=1) for _ in range(3)]
    back = (await plan(shop, TEA=1, given={"from": shop.code("S2"), "to": shop.code("W1")}))["transfer"]["id"]
    await change_transfer(shop, CANCEL, made[1])

    assert await listed(shop, location="S1") == made[::-1]
    assert await listed(shop, location="S2") == [back, *made[::-1]]
    assert await listed(shop, location="W1") == [back]
    assert await listed(shop, location="S1", status="DRAFT") == [made[2], made[0]]
    assert await listed(shop, location="S2", status="CANCELLED") == [made[1]]
    unknown = await shop.staff.post('{ stockTransfers(location: "nowhere") { edges { node { id } } } }')
    assert unknown["errors"][0]["extensions"]["code"] == "NOT_FOUND"


async def listed(shop: Shop, *, location: str, status: str | None = None) -> list[str]:
    """Return the ids of all pages of 2."""
    query = """query ($l: String, $s: StockTransferStatus, $a: String) {
        stockTransfers(first: 2, location: $l, status: $s, after: $a) {
            edges { node { id } } pageInfo { hasNextPage endCursor } } }"""
    found: list[str] = []
    after = None
    while True:
        page = (await shop.staff.execute(query, l=shop.code(location), s=status, a=after))["stockTransfers"]
        found += [edge["node"]["id"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return found


async def test_concurrent_steps_move_the_units_once(shop: Shop) -> None:
    await shop.receive(TEA_S1=10)
    transfer = await planned(shop, TEA=3)

    sent = await asyncio.gather(*(change_transfer(shop, SHIP, transfer) for _ in range(4)))
    got = await asyncio.gather(
        *(change_transfer(shop, RECEIVE, transfer, lines=arrived(shop, ("TEA", 3))) for _ in range(4))
    )

    for payloads in (sent, got):
        assert sorted(len(payload["errors"]) for payload in payloads) == [0, 1, 1, 1]
        assert {code for payload in payloads for code, _ in codes(payload)} == {"INVALID_STATE"}
    assert await units(shop, "TEA", "S1") == (7, 7, 0, 0)
    assert await units(shop, "TEA", "S2") == (3, 3, 0, 0)


async def test_concurrent_transfers_in_both_directions_do_not_deadlock(shop: Shop) -> None:
    await shop.receive(TEA_S1=20, POT_S1=20, TEA_S2=20, POT_S2=20)
    there = [await planned(shop, TEA=1, POT=1) for _ in range(8)]
    reverse = {"from": shop.code("S2"), "to": shop.code("S1")}
    back = [(await plan(shop, POT=1, TEA=1, given=reverse))["transfer"]["id"] for _ in range(8)]

    payloads = await asyncio.gather(
        *(change_transfer(shop, SHIP, transfer) for pair in zip(there, back, strict=True) for transfer in pair)
    )

    assert all(not payload["errors"] for payload in payloads)
    assert await units(shop, "TEA", "S1") == (12, 12, 0, 8)
    assert await units(shop, "POT", "S2") == (12, 12, 0, 8)


async def test_many_lines_take_as_many_statements_as_one(shop: Shop) -> None:
    skus = [shop.sku(f"BULK{n}") for n in range(50)]
    await shop.staff.mutate(
        "mutation ($p: [ProductInput!]!) { productsUpsert(products: $p) { count errors { code } } }",
        p=[{"handle": sku, "name": sku, "variants": [{"sku": sku, "name": sku}]} for sku in skus],
    )
    await adjust_stock(shop, *[(f"BULK{n}", "S1", 5) for n in range(50)])

    assert await statements(shop, skus[:1]) == await statements(shop, skus) == (4, 5, 5)


async def statements(shop: Shop, skus: list[str]) -> tuple[int, int, int]:
    """Return how many statements it takes to plan, to ship and to receive."""
    lines = [SkuUnits(sku, 2) for sku in skus]
    transfer_id = new_id()
    found = []
    for step in ("plan", "ship", "receive"):
        async with shop.hub.database.transaction() as session:
            counting = Counting(session.driver)
            if step == "plan":
                await transfers.create(
                    counting,
                    transfer_id=transfer_id,
                    actor=SYSTEM,
                    source=shop.code("S1"),
                    destination=shop.code("S2"),
                    note=None,
                    lines=lines,
                )
            elif step == "ship":
                await transfers.ship(counting, actor=SYSTEM, transfer_id=transfer_id, lines=lines)
            else:
                arrivals = [ReceivedUnits(sku, 2) for sku in skus]
                await transfer_receipts.receive(
                    counting, actor=SYSTEM, transfer_id=transfer_id, units=arrivals, close=False
                )
            found.append(counting.statements)
    return found[0], found[1], found[2]


class Counting(Session):
    """A session that counts its statements."""

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self.statements = 0

    async def fetch(self, statement: Statement | str, /, *args: object, **params: object) -> list[Row]:
        self.statements += 1
        return await super().fetch(statement, *args, **params)

    async def fetchrow(self, statement: Statement | str, /, *args: object, **params: object) -> Row | None:
        self.statements += 1
        return await super().fetchrow(statement, *args, **params)

    async def run(self, statement: Statement | str, /, *args: object, **params: object) -> None:
        self.statements += 1
        await super().run(statement, *args, **params)

    async def flush(self) -> None:
        self.statements += 1
        await super().flush()
