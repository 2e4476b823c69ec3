"""Faults: the caller gets a reference and nothing else; the log has the reference and the cause."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from tests.support.shop import Shop
from tests.support.websocket_client import open_websocket
from uriba.access import keys
from uriba.cart import carts
from uriba.catalog import channels, locations

if TYPE_CHECKING:
    from tests.support.api_scenario import Scenario
    from tests.support.table_rows import Unchanged

SECRET = "secret detail of 東京"
MESSAGE = re.compile(r"Something went wrong on our side\. Reference: ([0-9a-f]{32})")


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`broken(module, "function")` makes a function raise an unexpected error."""

    async def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError(SECRET)

    return lambda module, name: monkeypatch.setattr(module, name, fail)


def check(answer: dict[str, Any], text: str, logged: list[Any], path: list[str] | None) -> None:
    """Check that the one error of a response is masked, and that the log has its cause."""
    (error,) = answer["errors"]
    found = MESSAGE.fullmatch(error["message"])
    assert found
    assert error["extensions"]["code"] == "INTERNAL"
    assert error.get("path") == path
    for hidden in ("secret", "RuntimeError", "Traceback", "東京"):
        assert hidden not in text
    (entry,) = [entry for entry in logged if entry["event"] == "fault"]
    assert entry["reference"] == found[1]
    assert entry["log_level"] == "error"
    assert str(entry["exc_info"]) == SECRET


async def test_masks_a_fault_of_a_query(scenario: Scenario, broken: Any) -> None:
    broken(channels, "all_channels")

    with capture_logs() as logged:
        response = await scenario["guest"].http.post(scenario["guest"].url, json={"query": "{ channels { code } }"})

    assert response.status_code == 200
    check(response.json(), response.text, logged, ["channels"])


async def test_masks_a_fault_of_a_mutation_and_changes_nothing(
    scenario: Scenario, broken: Any, unchanged: Unchanged
) -> None:
    broken(carts, "current")
    mutation = "mutation { cartCreate(input: {}) { cart { id } errors { code } } }"

    async with unchanged():
        with capture_logs() as logged:
            response = await scenario["guest"].http.post(scenario["guest"].url, json={"query": mutation})

    check(response.json(), response.text, logged, ["cartCreate"])


async def test_masks_a_fault_of_a_nested_field_and_answers_the_other_fields(scenario: Scenario, broken: Any) -> None:
    broken(locations, "by_channel")
    query = "query ($i: ID!) { channels { code } a: cart(id: $i) { id channel { locations { code } } } }"

    with capture_logs() as logged:
        answer = await scenario["guest"].post(query, i=scenario.cart_id("guest"))

    check(answer, str(answer), logged, ["a", "channel", "locations"])
    assert answer["data"]["channels"]
    assert answer["data"]["a"] is None


async def test_masks_a_fault_over_a_websocket(scenario: Scenario, broken: Any) -> None:
    broken(channels, "all_channels")

    async with open_websocket(scenario["guest"].url) as socket:
        await socket.init()
        with capture_logs() as logged:
            await socket.subscribe("{ channels { code } }")
            answer = await socket.receive()

    check(answer["payload"], str(answer), logged, ["channels"])


async def test_masks_a_fault_of_a_subscription(shop: Shop, broken: Any) -> None:
    cart = await shop.create_cart(shop.guest(), TEA=1)
    document = "subscription ($c: ID!) { cartChanged(cartId: $c) { id } }"
    broken(carts.queries, "by_id")

    with capture_logs() as logged:
        async with shop.guest().subscribe(document, c=cart["id"]) as subscription:
            answer = await subscription.next_message()

    check(answer["payload"], str(answer), logged, None)


async def test_masks_a_fault_of_authentication(scenario: Scenario, broken: Any, shop: Shop) -> None:
    till = await shop.terminal()
    broken(keys, "authenticate")

    with capture_logs() as logged:
        response = await till.http.post(till.url, json={"query": "{ channels { code } }"})

    assert response.status_code == 500
    check(response.json(), response.text, logged, None)


async def test_a_fault_during_connection_init_closes_the_websocket(shop: Shop, broken: Any) -> None:
    till = await shop.terminal()
    broken(keys, "authenticate")

    async with open_websocket(till.url) as socket:
        await socket.send({"type": "connection_init", "payload": till.headers})
        code = await socket.close_code()

    assert code >= 4000


async def test_a_request_after_a_fault_succeeds(
    scenario: Scenario, broken: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(channels, "all_channels")
    assert "errors" in await scenario["guest"].post("{ channels { code } }")

    monkeypatch.undo()

    assert "errors" not in await scenario["guest"].post("{ channels { code } }")
