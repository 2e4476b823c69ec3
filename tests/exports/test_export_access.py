"""Exports are for staff and apps; what is asked for wrongly is refused, never answered with all rows."""

from __future__ import annotations

import pytest
from export_client import ask

from shop import Shop
from uriba.exports.snapshot import CURSOR_KEY


async def test_staff_and_apps_may_take_exports(shop: Shop) -> None:
    for client in (shop.staff, await shop.app("web")):
        for name in ("products.csv", "stock.parquet", "orders.csv"):
            answer = await ask(client, name)

            assert answer.status_code == 200
            assert answer.headers[CURSOR_KEY]
            assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
            assert answer.headers["cache-control"] == "private, no-store"


async def test_terminals_and_customers_may_not(shop: Shop) -> None:
    for client in (await shop.terminal("S1"), await shop.customer()):
        answer = await ask(client, "stock.csv")

        assert (answer.status_code, CURSOR_KEY in answer.headers) == (403, False)


async def test_guests_and_forged_keys_are_not_known(shop: Shop) -> None:
    forged = shop.hub.client("uriba_staff_" + "x" * 43)
    shop.clients.append(forged)

    assert [(await ask(client, "orders.csv")).status_code for client in (shop.guest(), forged)] == [401, 401]


@pytest.mark.parametrize("name", ["customers.csv", "stock.xlsx", "stock", "stock.csv.gz", ".csv"])
async def test_there_are_no_other_exports(shop: Shop, name: str) -> None:
    assert (await ask(shop.staff, name)).status_code == 404


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
async def test_a_filter_that_cannot_be_meant_is_refused(
    shop: Shop, name: str, filters: dict[str, str], status: int
) -> None:
    assert (await ask(shop.staff, name, **filters)).status_code == status


@pytest.mark.parametrize("since", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
async def test_moments_at_the_ends_of_time_are_answered(shop: Shop, since: str) -> None:
    assert (await ask(shop.staff, "orders.csv", since=since)).status_code in (200, 400)
