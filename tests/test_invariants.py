"""The invariants: each finds the rows that violate it. Rows are violated in a transaction that is rolled back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from tests.support.client import Client
from tests.support.shop import Shop, open_shop
from uriba import invariants
from uriba.core.ids import local_id, uuid
from uriba.db.statements import statement
from uriba.invariants import INVARIANTS, Invariant

if TYPE_CHECKING:
    from tests.support.hub import RunningHub


@dataclass(frozen=True)
class Fixture:
    """The data that statements violate: an order waiting for pickup, one that was carried out, an open cart, a count."""

    waiting: UUID
    carried_out: UUID
    cart: UUID
    variant: int
    here: int
    there: int
    terminal: str


@pytest.fixture(scope="module")
async def data(hub: RunningHub) -> AsyncIterator[Fixture]:
    shop = await open_shop(hub)
    await shop.receive(TEA_S1=20, TEA_S2=1)
    guest, till = shop.guest(), await shop.terminal("S1")
    chosen = await shop.set_fulfillment(guest, await shop.create_cart(guest, TEA=3), "PICKUP", location="S1")
    waiting = await shop.check_out(guest, chosen["cart"], email="hana@example.com")
    carried_out = await shop.check_out(till, await shop.create_cart(till, TEA=2), method="CASH")
    cart = await shop.create_cart(guest, TEA=1)
    await _count(shop, till)
    yield await _fixture(shop, waiting["order"]["id"], carried_out["order"]["id"], cart["id"], till.key or "")
    await shop.close()


async def _count(shop: Shop, till: Client) -> None:
    """Report a count of one unit less than the hub knows of, the till's first fact."""
    now = datetime.now(UTC).isoformat()
    lines = [{"sku": shop.sku("TEA"), "quantity": 17}]
    fact = {"eventId": uuid4().hex, "sequence": 1, "type": "COUNT", "occurredAt": now, "lines": lines}
    payload = await till.mutate(
        "mutation ($i: PosSyncInput!) { posSync(input: $i) { results { status } } }",
        i={"sentAt": now, "events": [fact]},
    )
    assert payload["results"] == [{"status": "APPLIED"}]


async def _fixture(shop: Shop, waiting: str, carried_out: str, cart: str, key: str) -> Fixture:
    levels = [
        str(local_id((await shop.stock_level("TEA", place))["id"], "StockLevel")).split(":") for place in ("S1", "S2")
    ]
    ids = [uuid(waiting, "Order"), uuid(carried_out, "Order"), uuid(cart, "Cart")]
    assert all(ids)
    return Fixture(
        waiting=ids[0],  # type: ignore[arg-type]
        carried_out=ids[1],  # type: ignore[arg-type]
        cart=ids[2],  # type: ignore[arg-type]
        variant=int(levels[0][0]),
        here=int(levels[0][1]),
        there=int(levels[1][1]),
        terminal=key.split("_")[2],
    )


LEVEL = "WHERE (variant_id, location_id) = ({g.variant}, {g.here})"
NO_CHECK = "ALTER TABLE {table} DROP CONSTRAINT {name}"
NO_LEVEL_CHECK = NO_CHECK.format(table="stock_level", name="ck_stock_level_shortage")
INSERT_MOVEMENT = """
    INSERT INTO stock_movement (variant_id, location_id, reason, quantity, on_hand_delta, committed_delta,
        reserved_delta, unavailable_delta, actor, occurred_at) VALUES
"""
OF_TERMINAL = "WHERE terminal_id = (SELECT id FROM pos_terminal WHERE key_id = '{g.terminal}')"
OF_COUNT = "WHERE reference = 'pos:{g.terminal}:0000000001:0000000001'"
INSERT_TRANSFER = """
    INSERT INTO stock_transfer (id, from_location_id, to_location_id, status, actor)
    VALUES ('{g.cart}', {g.here}, {g.there}, 'IN_TRANSIT', 'test');
    INSERT INTO stock_transfer_line (transfer_id, variant_id, position, quantity, shipped)
    VALUES ('{g.cart}', {g.variant}, 1, 2, 2)
"""
FULFILLMENTS = "(SELECT id FROM fulfillment WHERE order_id = '{g.waiting}')"

VIOLATIONS: dict[str, list[str]] = {
    "each stock level is the sum of its movements": [
        f"UPDATE stock_level SET on_hand = on_hand + 1 {LEVEL}",
        f"{NO_LEVEL_CHECK}; UPDATE stock_level SET unavailable = unavailable + 1 {LEVEL}",
        f"{INSERT_MOVEMENT} ({{g.variant}}, {{g.here}}, 'SALE', 1, -1, 0, 0, 0, 'test', now())",
        f"{INSERT_MOVEMENT} (0, 0, 'SALE', 1, -1, 0, 0, 0, 'test', now())",
        "DELETE FROM stock_movement WHERE id = (SELECT max(id) FROM stock_movement WHERE variant_id = {g.variant})",
    ],
    "every unavailable unit has a state": [
        f"{NO_LEVEL_CHECK}; UPDATE stock_level SET unavailable = unavailable + 1 {LEVEL}",
        "INSERT INTO stock_unavailable VALUES ({g.variant}, {g.here}, 'DAMAGED', 1)",
        "INSERT INTO stock_unavailable VALUES ({g.variant}, {g.here}, 'DAMAGED', 1), ({g.variant}, {g.here}, 'DISPLAY', -1)",
        "INSERT INTO stock_unavailable VALUES (0, 0, 'DAMAGED', 1)",
    ],
    "incoming equals the units in open transfers": [
        f"UPDATE stock_level SET incoming = incoming + 1 {LEVEL}",
        INSERT_TRANSFER,
        f"{INSERT_TRANSFER}; UPDATE stock_level SET incoming = 2 WHERE (variant_id, location_id) = ({{g.variant}}, {{g.there}}); "
        "UPDATE stock_transfer SET status = 'RECEIVED' WHERE id = '{g.cart}'",
    ],
    "committed equals the units of open fulfillments": [
        f"UPDATE stock_level SET committed = committed - 1 {LEVEL}",
        f"UPDATE fulfillment SET status = 'CANCELLED' WHERE id IN {FULFILLMENTS}",
        f"UPDATE fulfillment SET location_id = {{g.there}} WHERE id IN {FULFILLMENTS}",
        f"UPDATE fulfillment_line SET quantity = 9 WHERE fulfillment_id IN {FULFILLMENTS}",
    ],
    "reserved equals the units of live holds": [
        f"UPDATE stock_level SET reserved = reserved + 1 {LEVEL}",
        "INSERT INTO hold (owner_id, variant_id, location_id, quantity, expires_at) "
        "VALUES ('{g.cart}', {g.variant}, {g.here}, 1, now())",
    ],
    "every live hold belongs to a pending payment attempt": [
        "INSERT INTO hold (owner_id, variant_id, location_id, quantity, expires_at) "
        "VALUES ('{g.cart}', {g.variant}, {g.here}, 1, now())",
    ],
    "promised units that are not in stock are recorded as shortages": [
        f"{NO_LEVEL_CHECK}; UPDATE stock_level SET on_hand = committed - 2 {LEVEL}",
        f"{NO_LEVEL_CHECK}; UPDATE stock_level SET shortage = 1 {LEVEL}",
        "INSERT INTO shortage (variant_id, location_id, quantity) VALUES ({g.variant}, {g.here}, 1)",
        "INSERT INTO shortage (variant_id, location_id, quantity) VALUES (0, 0, 1)",
    ],
    "each fact has made its movements exactly once": [
        f"UPDATE pos_event SET movements = movements + 1 {OF_TERMINAL}",
        f"DELETE FROM pos_event {OF_TERMINAL}",
        f"DELETE FROM stock_movement {OF_COUNT}",
        "INSERT INTO stock_movement (variant_id, location_id, reason, quantity, on_hand_delta, committed_delta, "
        "reserved_delta, unavailable_delta, reference, actor, occurred_at) VALUES "
        "({g.variant}, {g.here}, 'SALE', 1, 0, 0, 0, 0, 'pos:{g.terminal}:0000000001:0000000002', 'test', now())",
    ],
    "each fact is applied, or parked with a conflict": [
        f"UPDATE pos_event SET status = 'PARKED' {OF_TERMINAL}",
    ],
    "every acknowledged event is stored": [
        f"UPDATE pos_epoch SET seen = '{{{{[1,3)}}}}' {OF_TERMINAL}",
        f"DELETE FROM pos_event {OF_TERMINAL}",
    ],
    "on hand equals the last count plus later movements": [
        f"UPDATE stock_level SET on_hand = on_hand + 1 {LEVEL}",
        f"UPDATE stock_level SET counted_by = counted_by || 'x' {LEVEL}",
        f"UPDATE stock_movement SET quantity = quantity + 1 {OF_COUNT}",
        f"{INSERT_MOVEMENT} ({{g.variant}}, {{g.here}}, 'SALE', 1, -1, 0, 0, 0, 'test', now())",
    ],
    "a cart is ORDERED if and only if it has an order": [
        "UPDATE cart SET status = 'ORDERED' WHERE id = '{g.cart}'",
        "UPDATE cart SET status = 'ACTIVE' WHERE id = (SELECT cart_id FROM orders WHERE id = '{g.waiting}')",
        "DELETE FROM orders WHERE id = '{g.waiting}'",
    ],
    "a cart is locked if and only if its payment attempt is pending": [
        "UPDATE cart SET checkout_id = gen_random_uuid() WHERE id = '{g.cart}'",
        "UPDATE checkout_attempt SET status = 'PENDING' WHERE order_id = '{g.waiting}'",
    ],
    "every ordered unit is in a fulfillment or cancelled": [
        f"UPDATE fulfillment_line SET quantity = 2 WHERE fulfillment_id IN {FULFILLMENTS}",
        f"UPDATE fulfillment SET status = 'REJECTED' WHERE id IN {FULFILLMENTS}",
        "UPDATE order_line SET cancelled_quantity = 1 WHERE order_id = '{g.waiting}'",
        f"DELETE FROM fulfillment_line WHERE fulfillment_id IN {FULFILLMENTS}",
    ],
    "every line has an existing variant and belongs to its fulfillment's order": [
        "UPDATE order_line SET variant_id = -1 WHERE order_id = '{g.waiting}'",
        f"UPDATE fulfillment_line SET order_line_id = gen_random_uuid() WHERE fulfillment_id IN {FULFILLMENTS}",
        f"UPDATE fulfillment SET order_id = '{{g.carried_out}}' WHERE id IN {FULFILLMENTS}",
    ],
    "an order is open if and only if it has an open fulfillment": [
        "UPDATE orders SET status = 'COMPLETED' WHERE id = '{g.waiting}'",
        "UPDATE orders SET status = 'OPEN' WHERE id = '{g.carried_out}'",
        f"UPDATE fulfillment SET status = 'HANDED_OVER' WHERE id IN {FULFILLMENTS}",
    ],
    "an order's total equals its lines, shipping and tax": [
        "ALTER TABLE orders DROP CONSTRAINT ck_orders_total; "
        "UPDATE orders SET subtotal_minor = subtotal_minor + 1 WHERE id = '{g.waiting}'",
        "UPDATE orders SET tax_minor = tax_minor + 1 WHERE id = '{g.waiting}'",
        "ALTER TABLE orders DROP CONSTRAINT ck_orders_total; "
        "UPDATE orders SET total_minor = total_minor + 1 WHERE id = '{g.waiting}'",
        "DELETE FROM order_tax_line WHERE order_id = '{g.waiting}'",
        "DELETE FROM order_line WHERE order_id = '{g.waiting}'",
    ],
    "captured less refunded is between 0 and the order's total": [
        "DELETE FROM payment WHERE order_id = '{g.waiting}'",
        "UPDATE payment SET amount_minor = amount_minor + 1, captured_minor = captured_minor + 1 "
        "WHERE order_id = '{g.waiting}'",
        "UPDATE payment SET refunded_minor = 1 WHERE order_id = '{g.waiting}'",
        "UPDATE orders SET refunded_minor = 1 WHERE id = '{g.waiting}'",
    ],
    "a payment's refunded and captured amounts equal its operations": [
        "UPDATE payment SET refunded_minor = 1 WHERE order_id = '{g.waiting}'",
        "INSERT INTO payment_operation (id, order_id, payment_id, kind, amount_minor, reason, actor) "
        "SELECT id, order_id, id, 'CAPTURE', 1, 'SHIPPED', 'x' FROM payment WHERE order_id = '{g.waiting}'",
        "INSERT INTO payment_operation (id, order_id, payment_id, kind, amount_minor, reason, actor) "
        "SELECT id, order_id, id, 'REFUND', 1, 'RETURNED', 'x' FROM payment WHERE order_id = '{g.waiting}'",
    ],
    "a line's returned units equal the units of its returns": [
        "UPDATE order_line SET returned_quantity = 1 WHERE order_id = '{g.carried_out}'",
    ],
    "a coupon's uses equal its redemptions and are within its limit": [
        "INSERT INTO coupon (code, promotion_id, used, active) VALUES ('{g.cart}', 0, 1, true)",
    ],
    "every coupon redemption belongs to an order or a pending payment attempt": [
        "INSERT INTO coupon_redemption (coupon_id, order_id) VALUES (0, '{g.cart}')",
    ],
    "an order's gift card and points payments equal the ledgers' entries": [
        "INSERT INTO points_entry (customer_id, kind, points, amount_minor, order_id, actor) "
        "VALUES ('{g.cart}', 'REDEEM', -5, -5, '{g.waiting}', 'x')",
        "INSERT INTO payment (id, order_id, method, status, amount_minor, captured_minor, reference) "
        "VALUES ('{g.cart}', '{g.waiting}', 'POINTS', 'PAID', 5, 5, '5 points')",
    ],
    "each refund to a gift card or to points is in its ledger once": [
        "INSERT INTO points_entry (customer_id, kind, points, amount_minor, order_id, operation_id, actor) "
        "VALUES ('{g.cart}', 'REFUND', 5, 5, '{g.waiting}', '{g.cart}', 'x')",
    ],
    "an order's discount equals the sum of its promotions": [
        "INSERT INTO order_promotion (order_id, position, promotion, name, amount_minor) "
        "VALUES ('{g.waiting}', 1, 'x', 'x', 7)",
    ],
    "a gift card's balance is the sum of its entries": [
        "INSERT INTO gift_card (id, digest, last4, currency, balance_minor) "
        "VALUES ('{g.cart}', '\\x00', 'x', 'JPY', 5)",
    ],
    "a customer's points are the sum of their entries": [
        "INSERT INTO points_account (customer_id, balance, owed) VALUES ('{g.cart}', 5, 0)",
    ],
    "each subject's events are numbered 1, 2, 3 …": [
        # Other tests of the same hub may have deleted old events.
        "UPDATE feed SET forgotten = 0; DELETE FROM outbox_event WHERE subject = 'Cart:{g.cart}' AND version = 1",
        "UPDATE outbox_event SET version = version + 7 WHERE subject = 'Cart:{g.cart}' AND version = "
        "(SELECT max(version) FROM outbox_event WHERE subject = 'Cart:{g.cart}')",
        "DROP INDEX uq_outbox_event_subject_version; INSERT INTO outbox_event (type, subject, version, data) "
        "VALUES ('cart.updated', 'Cart:{g.cart}', 1, '{{}}')",
    ],
    "each subject's latest event has the subject's version": [
        "UPDATE cart SET events = events + 1 WHERE id = '{g.cart}'",
        "UPDATE orders SET version = version + 1 WHERE id = '{g.waiting}'",
        f"UPDATE stock_level SET version = version + 1 {LEVEL}",
        "UPDATE variant SET events = events + 1 WHERE id = {g.variant}",
        "INSERT INTO outbox_event (type, subject, version, data) VALUES ('cart.updated', 'Cart:nobody', 1, '{{}}')",
    ],
    "the feed has no gaps": [
        "UPDATE feed SET position = position + 1",
        "UPDATE outbox_event SET position = NULL WHERE position = (SELECT max(position) - 1 FROM outbox_event)",
        "DELETE FROM outbox_event WHERE position = (SELECT max(position) FROM outbox_event)",
    ],
    "an endpoint has no deliveries beyond its position in the feed": [
        "WITH p AS (INSERT INTO endpoint (id, url, position) VALUES (gen_random_uuid(), 'http://x', 0) RETURNING id) "
        "INSERT INTO delivery (endpoint_id, position, event_id, subject, version, first_version, event_at) "
        "SELECT id, 1, 1, 'Cart:1', 1, 1, now() FROM p",
    ],
    "each order placed by a connector is in its channel and has one order number": [
        "WITH k AS (INSERT INTO connector (id, code, channel_id, kind, every_s, position) "
        "SELECT gen_random_uuid(), 'x', id, 'FILE', 30, 0 FROM channel ORDER BY id LIMIT 1 RETURNING id) "
        "INSERT INTO connector_order (connector_id, number, status, digest, cart_id, deadline) "
        "SELECT id, '1', 'PLACED', '', '{g.cart}', now() FROM k",
        "WITH k AS (INSERT INTO connector (id, code, channel_id, kind, every_s, position) "
        "SELECT gen_random_uuid(), 'x', id, 'FILE', 30, 0 FROM channel ORDER BY id LIMIT 1 RETURNING id) "
        "INSERT INTO connector_order (connector_id, number, status, digest, cart_id, deadline) "
        "SELECT k.id, n, 'PLACED', '', (SELECT cart_id FROM orders WHERE id = '{g.waiting}'), now() "
        "FROM k CROSS JOIN (VALUES ('1'), ('2')) AS v(n)",
    ],
    "an order's timeline has a line for each of its versions": [
        "DELETE FROM order_event WHERE order_id = '{g.waiting}' AND version = 1",
        "UPDATE orders SET version = version + 1 WHERE id = '{g.waiting}'",
    ],
    "terminals change the stock of their own location only": [
        f"{INSERT_MOVEMENT} ({{g.variant}}, {{g.there}}, 'SALE', 1, -1, 0, 0, 0, 'terminal:{{g.terminal}}', now())",
    ],
    "an order belongs to the customer of its cart": [
        "INSERT INTO customer (id, email) VALUES ('{g.cart}', '{g.cart}@example.com'); "
        "UPDATE orders SET customer_id = '{g.cart}' WHERE id = '{g.waiting}'",
    ],
}
CASES = [
    pytest.param(invariant, violation, id=f"{invariant.name} {n}")
    for invariant in INVARIANTS
    for n, violation in enumerate(VIOLATIONS.get(invariant.name, ()), 1)
]


class RollBack(Exception):
    """Ends a transaction without a commit."""


def test_there_are_violations_of_every_invariant() -> None:
    assert set(VIOLATIONS) == {invariant.name for invariant in INVARIANTS}
    assert len({invariant.name for invariant in INVARIANTS}) == len(INVARIANTS)


def test_there_are_invariants_of_every_number() -> None:
    assert {invariant.number for invariant in INVARIANTS} == set(range(1, 11))


@pytest.mark.parametrize(("invariant", "violation"), CASES)
async def test_finds_a_violation(hub: RunningHub, data: Fixture, invariant: Invariant, violation: str) -> None:
    try:
        async with hub.database.transaction(notify=False) as session:
            before = await session.fetch(invariant.query)
            # Without triggers and foreign keys, which would refuse the violation.
            await session.run(statement("SET LOCAL session_replication_role = replica"))
            await session.run(statement(violation.format(g=data)))
            after = await session.fetch(invariant.query)
            raise RollBack
    except RollBack:
        pass

    assert before == []
    assert len(after) >= 1


async def test_finds_nothing_in_a_correct_hub(hub: RunningHub, data: Fixture) -> None:
    assert data
    reported: list[str] = []

    findings = await invariants.check(hub.database, on_each=lambda finding: reported.append(finding.invariant.name))

    assert [finding.invariant.name for finding in findings if finding.rows] == []
    assert reported == [invariant.name for invariant in INVARIANTS]
    assert all(finding.seconds >= 0 for finding in findings)


async def test_a_finding_has_the_number_of_rows_and_some_examples(
    hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    violated = Invariant(1, "nine rows", statement(f"SELECT n, '{uuid4()}' AS mark FROM generate_series(1, 9) AS n"))
    monkeypatch.setattr(invariants, "INVARIANTS", (violated,))

    (finding,) = await invariants.check(hub.database)

    assert finding.rows == 9
    assert [example["n"] for example in finding.examples] == [1, 2, 3, 4, 5]
