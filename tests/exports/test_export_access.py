"""Access to exports over HTTP, and the refusal of unknown exports and filters."""

from __future__ import annotations

import pytest

from tests.support.export_calls import get_export
from tests.support.shop import Shop
from uriba.exports.snapshot import CURSOR_KEY


async def test_staff_and_apps_may_export(shop: Shop) -> None:
    for client in (shop.staff, await shop.app("web")):
        for name in ("products.csv", "stock.parquet", "orders.csv"):
            response = await get_export(client, name)

            assert response.status_code == 200
            assert response.headers[CURSOR_KEY]
            assert response.headers["content-disposition"] == f'attachment; filename="{name}"'
            assert response.headers["cache-control"] == "private, no-store"


async def test_terminals_and_customers_may_not_export(shop: Shop) -> None:
    for client in (await shop.terminal("S1"), await shop.customer()):
        response = await get_export(client, "stock.csv")

        assert (response.status_code, CURSOR_KEY in response.headers) == (403, False)


async def test_guests_and_forged_keys_are_unauthenticated(shop: Shop) -> None:
    forged = shop.hub.client("uriba_staff_" + "x" * 43)
    shop.clients.append(forged)

    assert [(await get_export(client, "orders.csv")).status_code for client in (shop.guest(), forged)] == [401, 401]


@pytest.mark.parametrize("name", ["customers.csv", "stock.xlsx", "stock", "stock.csv.gz", ".csv"])
async def test_unknown_exports_are_not_found(shop: Shop, name: str) -> None:
    assert (await get_export(shop.staff, name)).status_code == 404


@pytest.mark.parametrize(
    ("name", "filters", "status"),
    [
        ("stock.csv", {"location": "nowhere"}, 404),
        ("stock.csv", {"location": "\x00"}, 404),
        ("orders.csv", {"channel": "nowhere"}, 404),
        ("orders.csv", {"since": "yesterday"}, 400),
        ("orders.csv", {"until": "2026-13-01"}, 400),
        ("orders.csv", {"chanel": "web"}, 400),
        ("stock.csv", {"since": "2026-01-01"}, 400),
        ("products.csv", {"location": "S1"}, 400),
    ],
)
async def test_refuses_unknown_and_invalid_filters(shop: Shop, name: str, filters: dict[str, str], status: int) -> None:
    assert (await get_export(shop.staff, name, **filters)).status_code == status


@pytest.mark.parametrize("since", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
async def test_accepts_times_at_the_ends_of_the_calendar(shop: Shop, since: str) -> None:
    assert (await get_export(shop.staff, "orders.csv", since=since)).status_code in (200, 400)
