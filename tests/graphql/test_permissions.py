"""Permissions: every root field of the schema, called by every kind of caller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.support.client import Client, Refused
from tests.support.invalid_inputs import UNKNOWN_CART, fill
from tests.support.shop import CHECKOUT, ERRORS, Shop
from uriba.config import Settings
from uriba.graphql.schema import api_schema

if TYPE_CHECKING:
    from tests.support.api_scenario import Scenario
    from tests.support.table_rows import Unchanged

CALLERS = (
    "guest",
    "hana",
    "till",
    "elsewhere",
    "app",
    "app catalog",
    "app customers",
    "app inventory",
    "staff",
)
EVERYBODY = frozenset(CALLERS)
RETAILER = EVERYBODY - {"guest", "hana"}
COUNTER = frozenset({"till", "elsewhere", "staff"})
BUYERS = EVERYBODY - {"staff"}
CATALOG = frozenset({"app catalog", "staff"})
CUSTOMERS = frozenset({"app customers", "staff"})
STOCK_KEYS = frozenset({"till", "app inventory", "staff"})
STOCK_KEYS_OF_ALL_LOCATIONS = STOCK_KEYS | {"elsewhere"}
OFFICE = frozenset({"app inventory", "staff"})
TILLS = frozenset({"till", "elsewhere"})
FEED = frozenset({"app", "app catalog", "app customers", "app inventory", "staff"})

EMPTY = f"{{ count {ERRORS} }}"
CART = f"{{ cart {{ id }} {ERRORS} }}"
TRANSFER = f"{{ transfer {{ id }} {ERRORS} }}"
STOCK = {"sku": "$sku:TEA", "location": "$code:S1"}
NO_UNITS = {"sku": "$sku:TEA", "quantity": 0}
NOTHING_MOVES = {"quantity": 0, "from": "SELLABLE", "to": "DAMAGED"}

Operation = tuple[frozenset[str], str, dict[str, Any]]
"""By operation: who may call it, a document, and variables that change nothing even where they are allowed."""

OPERATIONS: dict[str, Operation] = {
    "Query.node": (EVERYBODY, "query ($id: ID!) { node(id: $id) { id } }", {"id": "$cart:guest"}),
    "Query.channels": (EVERYBODY, "{ channels { code locations { code } } }", {}),
    "Query.locations": (EVERYBODY, "{ locations { edges { node { code } } } }", {}),
    "Query.products": (EVERYBODY, "{ products { edges { node { handle } } } }", {}),
    "Query.product": (EVERYBODY, 'query { product(handle: "x") { id } }', {}),
    "Query.variant": (EVERYBODY, "query ($sku: String) { variant(sku: $sku) { id } }", {"sku": "$sku:TEA"}),
    "Query.cart": (EVERYBODY, "query ($id: ID!) { cart(id: $id) { id } }", {"id": "$cart:guest"}),
    "Query.checkoutOptions": (
        EVERYBODY,
        "query ($id: ID!) { checkoutOptions(cartId: $id) { lines { inStock } shipping { possible } } }",
        {"id": "$cart:guest"},
    ),
    "Query.me": (EVERYBODY, "{ me { id } }", {}),
    "Query.customer": (COUNTER, 'query { customer(phone: "12345") { id } }', {}),
    "Query.order": (EVERYBODY, 'query { order(number: "x") { id } }', {}),
    "Query.orders": (RETAILER, "{ orders { edges { node { id } } } }", {}),
    "Query.document": (EVERYBODY, "query ($id: ID) { document(orderId: $id) { number } }", {"id": UNKNOWN_CART}),
    "Query.stockLevels": (RETAILER, "{ stockLevels { edges { node { id } } } }", {}),
    "Query.stockLevel": (
        RETAILER,
        "query ($sku: String!, $at: String!) { stockLevel(sku: $sku, location: $at) { id } }",
        {"sku": "$sku:TEA", "at": "$code:S1"},
    ),
    "Query.workQueue": (
        RETAILER,
        "query ($at: String) { workQueue(location: $at, statuses: []) { edges { node { id } } } }",
        {"at": "$code:S1"},
    ),
    "Query.stockTransfer": (RETAILER, "query ($id: ID!) { stockTransfer(id: $id) { id } }", {"id": UNKNOWN_CART}),
    "Query.stockTransfers": (RETAILER, "{ stockTransfers { edges { node { id } } } }", {}),
    "Query.conflicts": (OFFICE, "{ conflicts { edges { node { id } } } }", {}),
    "Query.posPull": (TILLS, "{ posPull(first: 1) { more } }", {}),
    "Query.giftCard": (RETAILER, 'query { giftCard(code: "no such code") { id } }', {}),
    "Mutation.channelsUpsert": (CATALOG, f"mutation {{ channelsUpsert(channels: []) {EMPTY} }}", {}),
    "Mutation.locationsUpsert": (CATALOG, f"mutation {{ locationsUpsert(locations: []) {EMPTY} }}", {}),
    "Mutation.productsUpsert": (CATALOG, f"mutation {{ productsUpsert(products: []) {EMPTY} }}", {}),
    "Mutation.pricesUpsert": (CATALOG, f"mutation {{ pricesUpsert(prices: []) {EMPTY} }}", {}),
    "Query.promotions": (CATALOG, "{ promotions { edges { node { code } } } }", {}),
    "Query.promotion": (CATALOG, 'query { promotion(code: "x") { code } }', {}),
    "Mutation.promotionsUpsert": (CATALOG, f"mutation {{ promotionsUpsert(promotions: []) {EMPTY} }}", {}),
    "Mutation.couponsUpsert": (CATALOG, f"mutation {{ couponsUpsert(coupons: []) {EMPTY} }}", {}),
    "Mutation.cartCouponAdd": (
        EVERYBODY,
        f'mutation ($id: ID!) {{ cartCouponAdd(cartId: $id, code: "x") {CART} }}',
        {"id": UNKNOWN_CART},
    ),
    "Mutation.cartCouponRemove": (
        EVERYBODY,
        f'mutation ($id: ID!) {{ cartCouponRemove(cartId: $id, code: "x") {CART} }}',
        {"id": UNKNOWN_CART},
    ),
    "Mutation.customersUpsert": (CUSTOMERS, f"mutation {{ customersUpsert(customers: []) {EMPTY} }}", {}),
    "Mutation.customerToken": (CUSTOMERS, f"mutation {{ customerToken(input: {{}}) {{ token {ERRORS} }} }}", {}),
    "Mutation.cartCreate": (
        EVERYBODY,
        f'mutation {{ cartCreate(input: {{ lines: [{{ sku: "x" }}] }}) {CART} }}',
        {},
    ),
    "Mutation.cartLinesAdd": (
        EVERYBODY,
        f"mutation ($id: ID!) {{ cartLinesAdd(cartId: $id, lines: []) {CART} }}",
        {"id": UNKNOWN_CART},
    ),
    "Mutation.cartLinesUpdate": (
        EVERYBODY,
        f"mutation ($id: ID!) {{ cartLinesUpdate(cartId: $id, lines: []) {CART} }}",
        {"id": UNKNOWN_CART},
    ),
    "Mutation.cartHandoff": (
        EVERYBODY,
        f"mutation ($id: ID!) {{ cartHandoff(cartId: $id) {{ code {ERRORS} }} }}",
        {"id": UNKNOWN_CART},
    ),
    "Mutation.cartClaim": (EVERYBODY, f'mutation {{ cartClaim(code: "\\u0000") {CART} }}', {}),
    "Mutation.cartMerge": (
        EVERYBODY,
        f"mutation ($id: ID!) {{ cartMerge(fromCartId: $id) {CART} }}",
        {"id": UNKNOWN_CART},
    ),
    "Mutation.cartFulfillment": (
        EVERYBODY,
        f"mutation ($id: ID!) {{ cartFulfillment(cartId: $id, input: {{ method: SHIP }}) {CART} }}",
        {"id": UNKNOWN_CART},
    ),
    "Mutation.checkout": (
        BUYERS,
        CHECKOUT,
        {"input": {"cartId": UNKNOWN_CART, "idempotencyKey": "$key", "payments": []}},
    ),
    "Mutation.stockAdjust": (
        STOCK_KEYS,
        f"mutation ($input: StockAdjustInput!) {{ stockAdjust(input: $input) {{ levels {{ id }} {ERRORS} }} }}",
        {"input": {"changes": [STOCK | {"delta": 0}], "idempotencyKey": "$key"}},
    ),
    "Mutation.stockSet": (
        STOCK_KEYS,
        f"mutation ($input: StockSetInput!) {{ stockSet(input: $input) {{ levels {{ id }} {ERRORS} }} }}",
        {"input": {"changes": [STOCK | {"onHand": -1}], "idempotencyKey": "$key"}},
    ),
    "Mutation.stockMove": (
        STOCK_KEYS,
        f"mutation ($input: StockMoveInput!) {{ stockMove(input: $input) {{ levels {{ id }} {ERRORS} }} }}",
        {"input": {"moves": [STOCK | NOTHING_MOVES], "idempotencyKey": "$key"}},
    ),
    "Mutation.stockCountSubmit": (
        STOCK_KEYS,
        f"mutation ($input: StockCountInput!) {{ stockCountSubmit(input: $input) {{ levels {{ id }} {ERRORS} }} }}",
        {"input": {"location": "$code:S1", "lines": [{"sku": "$sku:TEA", "counted": -1}], "idempotencyKey": "$key"}},
    ),
    "Mutation.stockTransferCreate": (
        STOCK_KEYS,
        f"mutation ($input: StockTransferCreateInput!) {{ stockTransferCreate(input: $input) {TRANSFER} }}",
        {"input": {"from": "$code:S1", "to": "$code:W1", "lines": [NO_UNITS], "idempotencyKey": "$key"}},
    ),
    "Mutation.stockTransferShip": (
        STOCK_KEYS_OF_ALL_LOCATIONS,
        f"mutation ($input: StockTransferShipInput!) {{ stockTransferShip(input: $input) {TRANSFER} }}",
        {"input": {"id": UNKNOWN_CART, "idempotencyKey": "$key"}},
    ),
    "Mutation.stockTransferReceive": (
        STOCK_KEYS_OF_ALL_LOCATIONS,
        f"mutation ($input: StockTransferReceiveInput!) {{ stockTransferReceive(input: $input) {TRANSFER} }}",
        {"input": {"id": UNKNOWN_CART, "lines": [], "close": True, "idempotencyKey": "$key"}},
    ),
    "Mutation.stockTransferCancel": (
        STOCK_KEYS_OF_ALL_LOCATIONS,
        f"mutation ($input: StockTransferCancelInput!) {{ stockTransferCancel(input: $input) {TRANSFER} }}",
        {"input": {"id": UNKNOWN_CART, "idempotencyKey": "$key"}},
    ),
    "Mutation.posSync": (
        TILLS,
        f"mutation ($input: PosSyncInput!) {{ posSync(input: $input) {{ acknowledged {ERRORS} }} }}",
        {"input": {"sentAt": "2026-01-01T00:00:00Z", "epoch": 0, "events": []}},
    ),
    "Mutation.conflictResolve": (
        OFFICE,
        f"mutation ($input: ConflictResolveInput!) {{ conflictResolve(input: $input) {{ conflict {{ id }} {ERRORS} }} }}",
        {"input": {"id": UNKNOWN_CART, "action": "DISMISS", "note": "x"}},
    ),
    "Mutation.orderCancel": (
        RETAILER,
        f"mutation ($id: ID!) {{ orderCancel(orderId: $id) {{ order {{ id }} {ERRORS} }} }}",
        {"id": UNKNOWN_CART},
    ),
    "Mutation.fulfillmentUpdate": (
        RETAILER,
        f"mutation ($id: ID!) {{ fulfillmentUpdate(fulfillmentId: $id, status: PICKED) {{ order {{ id }} {ERRORS} }} }}",
        {"id": UNKNOWN_CART},
    ),
    "Mutation.orderReturn": (
        RETAILER,
        f"mutation ($input: OrderReturnInput!) {{ orderReturn(input: $input) {{ order {{ id }} {ERRORS} }} }}",
        {"input": {"orderId": UNKNOWN_CART, "lines": [], "idempotencyKey": "$key"}},
    ),
    "Mutation.orderExchange": (
        TILLS,
        f"mutation ($input: OrderExchangeInput!) {{ orderExchange(input: $input) {{ order {{ id }} {ERRORS} }} }}",
        {"input": {"orderId": UNKNOWN_CART, "lines": [], "cartId": UNKNOWN_CART, "idempotencyKey": "$key"}},
    ),
    "Mutation.refundPayOut": (
        TILLS,
        f"mutation ($id: ID!) {{ refundPayOut(refundId: $id) {{ order {{ id }} {ERRORS} }} }}",
        {"id": UNKNOWN_CART},
    ),
    "Mutation.giftCardIssue": (
        CUSTOMERS,
        f"mutation ($input: GiftCardIssueInput!) {{ giftCardIssue(input: $input) {{ code {ERRORS} }} }}",
        {"input": {"amount": {"amount": "0", "currency": "JPY"}, "idempotencyKey": "$key"}},
    ),
    "Mutation.giftCardBlock": (
        CUSTOMERS,
        f"mutation ($id: ID!) {{ giftCardBlock(id: $id) {{ giftCard {{ id }} {ERRORS} }} }}",
        {"id": UNKNOWN_CART},
    ),
    "Mutation.giftCardAdjust": (
        CUSTOMERS,
        f"mutation ($input: GiftCardAdjustInput!) {{ giftCardAdjust(input: $input) {{ giftCard {{ id }} {ERRORS} }} }}",
        {
            "input": {
                "id": UNKNOWN_CART,
                "amount": {"amount": "1", "currency": "JPY"},
                "reason": "x",
                "idempotencyKey": "$key",
            }
        },
    ),
    "Mutation.pointsAdjust": (
        CUSTOMERS,
        f"mutation ($input: PointsAdjustInput!) {{ pointsAdjust(input: $input) {{ customer {{ id }} {ERRORS} }} }}",
        {"input": {"customerId": UNKNOWN_CART, "points": 1, "reason": "x", "idempotencyKey": "$key"}},
    ),
    "Query.events": (FEED, "{ events(first: 1) { pageInfo { endCursor } } }", {}),
    "Query.feed": (FEED, "{ feed { earliest end } }", {}),
    "Query.endpoints": (FEED, "{ endpoints { id url deliveries { edges { node { id } } } } }", {}),
    "Mutation.endpointCreate": (
        FEED,
        f'mutation {{ endpointCreate(input: {{ url: "ftp://x" }}) {{ secret {ERRORS} }} }}',
        {},
    ),
    "Mutation.endpointDelete": (
        FEED,
        f"mutation ($id: ID!) {{ endpointDelete(id: $id) {{ secret {ERRORS} }} }}",
        {"id": UNKNOWN_CART},
    ),
    "Mutation.endpointPause": (
        FEED,
        f"mutation ($id: ID!) {{ endpointPause(id: $id) {{ secret {ERRORS} }} }}",
        {"id": UNKNOWN_CART},
    ),
    "Mutation.endpointResume": (
        FEED,
        f"mutation ($id: ID!) {{ endpointResume(id: $id) {{ secret {ERRORS} }} }}",
        {"id": UNKNOWN_CART},
    ),
    "Mutation.endpointTest": (
        FEED,
        f"mutation ($id: ID!) {{ endpointTest(id: $id) {{ secret {ERRORS} }} }}",
        {"id": UNKNOWN_CART},
    ),
    "Mutation.endpointRotateSecret": (
        FEED,
        f"mutation ($id: ID!) {{ endpointRotateSecret(id: $id) {{ secret {ERRORS} }} }}",
        {"id": UNKNOWN_CART},
    ),
    "Mutation.endpointReplay": (
        FEED,
        f'mutation ($id: ID!) {{ endpointReplay(id: $id, after: "MA==") {{ secret {ERRORS} }} }}',
        {"id": UNKNOWN_CART},
    ),
    "Mutation.deliveryReplay": (
        FEED,
        f"mutation ($id: ID!) {{ deliveryReplay(id: $id) {{ delivery {{ id }} {ERRORS} }} }}",
        {"id": UNKNOWN_CART},
    ),
    "Mutation.deliveryGiveUp": (
        FEED,
        f"mutation ($id: ID!) {{ deliveryGiveUp(id: $id) {{ delivery {{ id }} {ERRORS} }} }}",
        {"id": UNKNOWN_CART},
    ),
    "Query.connectors": (CATALOG, "{ connectors { id code runs { edges { node { sent } } } } }", {}),
    "Query.connectorDifferences": (
        CATALOG,
        "query ($id: ID!) { connectorDifferences(id: $id) { edges { node { sku } } } }",
        {"id": UNKNOWN_CART},
    ),
    "Mutation.connectorCreate": (
        CATALOG,
        f'mutation {{ connectorCreate(input: {{ code: "NO CODE", kind: FILE }}) {{ connector {{ id }} {ERRORS} }} }}',
        {},
    ),
    "Mutation.connectorUpdate": (
        CATALOG,
        f"mutation ($id: ID!) {{ connectorUpdate(input: {{ id: $id }}) {{ connector {{ id }} {ERRORS} }} }}",
        {"id": UNKNOWN_CART},
    ),
    "Mutation.connectorDelete": (
        CATALOG,
        f"mutation ($id: ID!) {{ connectorDelete(id: $id) {{ connector {{ id }} {ERRORS} }} }}",
        {"id": UNKNOWN_CART},
    ),
    "Mutation.connectorRun": (
        CATALOG,
        f"mutation ($id: ID!) {{ connectorRun(id: $id) {{ connector {{ id }} {ERRORS} }} }}",
        {"id": UNKNOWN_CART},
    ),
    "Query.channelHealth": (FEED, "{ channelHealth { endpoints { lagEvents } readers { key } } }", {}),
    "Query.channelParity": (FEED, "{ channelParity { count differences { subject } } }", {}),
    "Query.terminalHealth": (
        STOCK_KEYS_OF_ALL_LOCATIONS,
        "{ terminalHealth { edges { node { terminal location { code } } } } }",
        {},
    ),
    "Query.alerts": (OFFICE, "{ alerts { edges { node { id } } } }", {}),
    "Mutation.alertAcknowledge": (
        OFFICE,
        f"mutation ($id: ID!) {{ alertAcknowledge(id: $id) {{ alert {{ id }} {ERRORS} }} }}",
        {"id": UNKNOWN_CART},
    ),
    "Subscription.alertsChanged": (
        OFFICE,
        "subscription ($at: String) { alertsChanged(location: $at) { id } }",
        {"at": "$code:W1"},
    ),
    "Subscription.events": (
        FEED,
        'subscription { events(after: "MA==", types: ["alert.opened"]) { cursor node { id } } }',
        {},
    ),
    "Subscription.workQueueChanged": (
        RETAILER,
        "subscription ($at: String) { workQueueChanged(location: $at) { id status } }",
        {"at": "$code:W1"},
    ),
    "Subscription.cartChanged": (
        EVERYBODY,
        "subscription ($id: ID!) { cartChanged(cartId: $id) { id } }",
        {"id": "$cart:guest"},
    ),
    "Subscription.orderChanged": (
        EVERYBODY,
        "subscription ($id: ID!) { orderChanged(orderId: $id) { id } }",
        {"id": UNKNOWN_CART},
    ),
    "Subscription.stockChanged": (
        RETAILER,
        "subscription ($skus: [String!]) { stockChanged(skus: $skus) { id } }",
        {"skus": ["$sku:TEA"]},
    ),
    "Subscription.availabilityChanged": (
        EVERYBODY,
        "subscription ($skus: [String!]!, $at: String!) { availabilityChanged(channel: $at, skus: $skus) { sku } }",
        {"skus": ["$sku:TEA"], "at": "$code:app"},
    ),
}


def test_every_root_field_is_in_the_matrix() -> None:
    schema = api_schema(Settings())._schema
    roots = (schema.query_type, schema.mutation_type, schema.subscription_type)

    assert {f"{root.name}.{name}" for root in roots if root for name in root.fields} == set(OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_only_callers_with_the_permission_may_call(
    scenario: Scenario, unchanged: Unchanged, operation: str
) -> None:
    allowed, document, variables = OPERATIONS[operation]

    async with unchanged():
        answers = {
            caller: await refusals(scenario[caller], operation, document, fill(variables, scenario))
            for caller in CALLERS
        }

    assert answers == {
        caller: set() if caller in allowed else {"UNAUTHENTICATED" if caller == "guest" else "FORBIDDEN"}
        for caller in CALLERS
    }


async def refusals(client: Client, operation: str, document: str, variables: dict[str, Any]) -> set[str]:
    """Return the error codes that refuse a caller for lack of permission."""
    try:
        if operation.startswith("Subscription"):
            async with client.subscribe(document, **variables) as subscription:
                await subscription.next()
        else:
            await client.execute(document, **variables)
    except Refused as refused:
        return set(refused.codes) & {"FORBIDDEN", "UNAUTHENTICATED"} or _other(refused)
    return set()


def _other(refused: Refused) -> set[str]:
    """Return no codes for other errors: an unknown object, or a feed that another test has shortened."""
    assert set(refused.codes) <= {"NOT_FOUND", "CURSOR_EXPIRED"}, refused
    return set()


@pytest.mark.parametrize("caller", CALLERS)
async def test_stock_of_a_variant_is_for_the_retailers_keys(scenario: Scenario, caller: str) -> None:
    query = "query ($s: String) { variant(sku: $s) { sku stockLevels { edges { node { onHand } } } } }"

    answer = await scenario[caller].post(query, s=scenario.shop.sku("TEA"))

    if caller in RETAILER:
        assert answer["data"]["variant"]["stockLevels"]["edges"]
    else:
        (error,) = answer["errors"]
        assert answer["data"] == {"variant": None}
        assert error["path"] == ["variant", "stockLevels"]
        assert error["extensions"]["code"] == ("UNAUTHENTICATED" if caller == "guest" else "FORBIDDEN")


@pytest.mark.parametrize("operation", ["Mutation.stockAdjust", "Mutation.stockSet"])
async def test_a_terminal_changes_no_other_locations_stock(
    scenario: Scenario, unchanged: Unchanged, operation: str
) -> None:
    document = OPERATIONS[operation][1]
    change = {"delta": 1} if operation == "Mutation.stockAdjust" else {"onHand": 7}
    changes = [
        {"sku": scenario.shop.sku("TEA"), "location": scenario.shop.code(place), **change} for place in ("S1", "S2")
    ]

    async with unchanged():
        for rows in (changes, changes[1:], [*changes, {**changes[0], "sku": "NO-SUCH"}]):
            with pytest.raises(Refused) as refused:
                await scenario["till"].mutate(document, input={"changes": rows, "idempotencyKey": uuid4().hex})

            assert refused.value.codes == ["FORBIDDEN"]


async def test_a_terminal_changes_its_own_locations_stock(shop: Shop) -> None:
    till = await shop.terminal("S2")
    change = {"sku": shop.sku("TEA"), "location": shop.code("S2"), "delta": 3}

    payload = await till.mutate(
        OPERATIONS["Mutation.stockAdjust"][1], input={"changes": [change], "idempotencyKey": uuid4().hex}
    )

    assert payload["errors"] == []
    assert (await shop.stock_level("TEA", "S2"))["onHand"] == 3
