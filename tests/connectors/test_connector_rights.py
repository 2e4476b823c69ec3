"""Who may see and change connectors, and what is no connector at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from stall import CREATE, DELETE, DIFFERENCES, RUN, UPDATE, Stall, open_stall

from shop import Shop
from uriba.core.actor import Scope

REST = {"kind": "REST", "url": "https://example.com/api", "token": "s3cret"}


@pytest.fixture
async def stall(shop: Shop, tmp_path: Path) -> AsyncIterator[Stall]:
    yield await open_stall(shop, tmp_path)


async def test_an_app_has_its_own_channels_connectors_and_sees_no_others(shop: Shop, stall: Stall) -> None:
    own = await shop.app("market", Scope.CATALOG)
    other = await shop.app("app", Scope.CATALOG)
    listed = "{ connectors { id } }"

    assert [one["id"] for one in (await own.run(listed))["connectors"]] == [stall.id]
    assert (await other.run(listed))["connectors"] == []
    assert (await own.run(DIFFERENCES, id=stall.id))["connectorDifferences"] is not None
    assert (await other.run(DIFFERENCES, id=stall.id))["connectorDifferences"] is None
    for mutation in (RUN, DELETE):
        assert [one["code"] for one in (await other.do(mutation, id=stall.id))["errors"]] == ["NOT_FOUND"]
    changed = await other.do(UPDATE, i={"id": stall.id, "paused": True})
    assert [one["code"] for one in changed["errors"]] == ["NOT_FOUND"]
    assert not (await own.do(RUN, id=stall.id))["errors"]
    created = await other.do(CREATE, i={"code": f"x-{shop.mark}", "kind": "FILE", "channel": shop.code("market")})
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
async def test_what_is_no_connector_is_refused(shop: Shop, stall: Stall, given: dict[str, Any]) -> None:
    payload = await shop.staff.do(CREATE, i={"channel": shop.code("market"), **given})

    assert payload["connector"] is None
    assert {one["code"] for one in payload["errors"]} == {"INVALID"}


async def test_a_code_is_taken_once(shop: Shop, stall: Stall) -> None:
    payload = await shop.staff.do(CREATE, i={"code": stall.code, "kind": "FILE", "channel": shop.code("market")})

    assert [one["code"] for one in payload["errors"]] == ["INVALID_STATE"]


async def test_one_that_was_deleted_comes_back_and_knows_its_orders(shop: Shop, stall: Stall) -> None:
    await shop.receive(TEA_W1=5)
    stall.put("a.json", [stall.order("M-1", paid="648", TEA=1)])
    await stall.run()
    await shop.staff.do(DELETE, id=stall.id)
    gone = await shop.staff.run("{ connectors { id } }")
    created = await shop.staff.do(CREATE, i={"code": stall.code, "kind": "FILE", "channel": shop.code("market")})
    stall.put("b.json", [stall.order("M-1", paid="648", TEA=1)])
    report = await stall.run()

    assert stall.id not in {one["id"] for one in gone["connectors"]}
    assert created["connector"]["id"] == stall.id
    assert report.accepted == 4
    assert len(await stall.orders()) == 1


async def test_a_paused_connector_is_not_asked_to_run(shop: Shop, stall: Stall) -> None:
    await shop.staff.do(UPDATE, i={"id": stall.id, "paused": True})

    payload = await shop.staff.do(RUN, id=stall.id)

    assert [one["code"] for one in payload["errors"]] == ["INVALID_STATE"]


async def test_callers_of_the_api_pay_nothing_by_external(shop: Shop) -> None:
    """Only imports may say that the money was taken elsewhere; nothing else is wrong with these checkouts."""
    await shop.receive(TEA_S1=2)
    guest, till = shop.guest(), await shop.terminal()
    picked_up = (await shop.fulfil(guest, await shop.cart(guest, TEA=1), "PICKUP", location="S1"))["cart"]
    carried_out = await shop.cart(till, TEA=1)

    for caller, cart in ((guest, picked_up), (till, carried_out)):
        refused = await shop.check_out(caller, cart, method="EXTERNAL")
        assert refused["order"] is None
        assert [(one["code"], one["path"]) for one in refused["errors"]] == [("INVALID", ["payments", "0", "method"])]
        allowed = "CASH" if caller is till else "TEST"
        assert (await shop.check_out(caller, cart, method=allowed))["order"]
