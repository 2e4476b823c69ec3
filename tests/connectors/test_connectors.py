"""Connectors through the API: who may see and change them, and which inputs are refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.connector_harness import CREATE, DELETE, DIFFERENCES, RUN, UPDATE, ConnectorHarness, open_connector
from tests.support.shop import Shop
from uriba.core.actor import Scope

REST = {"kind": "REST", "url": "https://example.com/api", "token": "s3cret"}


@pytest.fixture
async def harness(shop: Shop, tmp_path: Path) -> AsyncIterator[ConnectorHarness]:
    yield await open_connector(shop, tmp_path)


async def test_an_app_reaches_only_the_connectors_of_its_channel(shop: Shop, harness: ConnectorHarness) -> None:
    own = await shop.app("market", Scope.CATALOG)
    other = await shop.app("app", Scope.CATALOG)
    listed = "{ connectors { id } }"

    assert [one["id"] for one in (await own.execute(listed))["connectors"]] == [harness.id]
    assert (await other.execute(listed))["connectors"] == []
    assert (await own.execute(DIFFERENCES, id=harness.id))["connectorDifferences"] is not None
    assert (await other.execute(DIFFERENCES, id=harness.id))["connectorDifferences"] is None
    for mutation in (RUN, DELETE):
        assert [one["code"] for one in (await other.mutate(mutation, id=harness.id))["errors"]] == ["NOT_FOUND"]
    changed = await other.mutate(UPDATE, i={"id": harness.id, "paused": True})
    assert [one["code"] for one in changed["errors"]] == ["NOT_FOUND"]
    assert not (await own.mutate(RUN, id=harness.id))["errors"]
    created = await other.mutate(CREATE, i={"code": f"x-{shop.suffix}", "kind": "FILE", "channel": shop.code("market")})
    assert [one["code"] for one in created["errors"]] == ["NOT_FOUND"]


@pytest.mark.parametrize(
    "given",
    [
        {"code": "../x", "kind": "FILE"},
        {"code": "", "kind": "FILE"},
        {"code": "a/b", "kind": "FILE"},
        {"code": "A", "kind": "FILE"},
        {"code": "x", "kind": "FILE", "url": "https://example.com"},
        {"code": "x", "kind": "REST"},
        {"code": "x", **REST, "url": "ftp://example.com"},
        {"code": "x", **REST, "token": "a\nb"},
        {"code": "x", "kind": "FILE", "everySeconds": 1},
    ],
)
async def test_refuses_invalid_connectors(shop: Shop, harness: ConnectorHarness, given: dict[str, Any]) -> None:
    payload = await shop.staff.mutate(CREATE, i={"channel": shop.code("market"), **given})

    assert payload["connector"] is None
    assert {one["code"] for one in payload["errors"]} == {"INVALID"}


async def test_refuses_a_code_that_exists(shop: Shop, harness: ConnectorHarness) -> None:
    payload = await shop.staff.mutate(CREATE, i={"code": harness.code, "kind": "FILE", "channel": shop.code("market")})

    assert [one["code"] for one in payload["errors"]] == ["INVALID_STATE"]


async def test_a_deleted_connector_can_be_created_again_and_knows_its_orders(
    shop: Shop, harness: ConnectorHarness
) -> None:
    await shop.receive(TEA_W1=5)
    harness.put_file("a.json", [harness.order("M-1", paid="648", TEA=1)])
    await harness.run()
    await shop.staff.mutate(DELETE, id=harness.id)
    gone = await shop.staff.execute("{ connectors { id } }")
    created = await shop.staff.mutate(CREATE, i={"code": harness.code, "kind": "FILE", "channel": shop.code("market")})
    harness.put_file("b.json", [harness.order("M-1", paid="648", TEA=1)])
    report = await harness.run()

    assert harness.id not in {one["id"] for one in gone["connectors"]}
    assert created["connector"]["id"] == harness.id
    assert report.accepted == 4
    assert len(await harness.orders()) == 1


async def test_refuses_to_run_a_paused_connector(shop: Shop, harness: ConnectorHarness) -> None:
    await shop.staff.mutate(UPDATE, i={"id": harness.id, "paused": True})

    payload = await shop.staff.mutate(RUN, id=harness.id)

    assert [one["code"] for one in payload["errors"]] == ["INVALID_STATE"]


async def test_refuses_external_payments_of_api_callers(shop: Shop) -> None:
    """Only imports may use EXTERNAL; the same checkouts succeed with another method."""
    await shop.receive(TEA_S1=2)
    guest, till = shop.guest(), await shop.terminal()
    picked_up = (await shop.set_fulfillment(guest, await shop.create_cart(guest, TEA=1), "PICKUP", location="S1"))[
        "cart"
    ]
    carried_out = await shop.create_cart(till, TEA=1)

    for caller, cart in ((guest, picked_up), (till, carried_out)):
        refused = await shop.check_out(caller, cart, method="EXTERNAL")
        assert refused["order"] is None
        assert [(one["code"], one["path"]) for one in refused["errors"]] == [("INVALID", ["payments", "0", "method"])]
        allowed = "CASH" if caller is till else "TEST"
        assert (await shop.check_out(caller, cart, method=allowed))["order"]
