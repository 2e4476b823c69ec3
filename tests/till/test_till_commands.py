"""The commands of `uriba till` as a person types them."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.support.shop import Shop
from tests.support.till_folders import make_till
from uriba.till.commands import till_cli
from uriba.till.local_catalog import LocalCatalog
from uriba.till.till_folder import CATALOG_FILE


@pytest.fixture(autouse=True)
def wide_console(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def run_till(folder: Path, arguments: str, *, status: int = 0) -> str:
    """Run `uriba till ARGUMENTS`, check its exit status, and return its output."""
    result = CliRunner().invoke(till_cli, [*arguments.split(), "--folder", str(folder)])
    assert result.exit_code == status, result.output
    return result.output


def test_a_sale_prints_its_receipt(tmp_path: Path) -> None:
    make_till(tmp_path)

    receipt = run_till(tmp_path, "sell TEA:2 4901234567894 --card")

    assert receipt == "SALE  receipt 7-1  2 TEA, 1 TEA  1944  CARD 1944\n"
    assert run_till(tmp_path, "return TEA --receipt 7-1") == "RETURN  receipt 7-2  1 TEA  648  CASH 648\n"
    assert run_till(tmp_path, "adjust TEA:-2") == "ADJUSTMENT  event 3  -2 TEA\n"
    assert re.search(r"pending +3\b", run_till(tmp_path, "status"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("sell TEE", "This till has no SKU or barcode TEE."),
        ("sell TEA --tender CASH:5", "The tenders add up to 5, but the lines cost 648."),
        ("count TEA", "Enter a quantity: TEA:12"),
    ],
)
def test_invalid_input_is_refused_with_a_message(tmp_path: Path, arguments: str, message: str) -> None:
    make_till(tmp_path)

    assert message in run_till(tmp_path, arguments, status=1)
    assert re.search(r"pending +0\b", run_till(tmp_path, "status"))


@pytest.mark.parametrize("option", ["--allow-unknown", "--anyway"])
def test_an_unknown_sku_is_sold_if_allowed(tmp_path: Path, option: str) -> None:
    make_till(tmp_path)

    assert run_till(tmp_path, f"sell NEW@100 {option}") == "SALE  receipt 7-1  1 NEW  100  CASH 100\n"


def test_a_command_without_a_till_says_how_to_open_one(tmp_path: Path) -> None:
    assert "uriba till open --url URL --key KEY" in run_till(tmp_path, "sell TEA", status=1)


def test_an_offline_till_sells_but_does_not_sync(tmp_path: Path) -> None:
    make_till(tmp_path)
    run_till(tmp_path, "offline")

    assert "SALE" in run_till(tmp_path, "sell TEA")
    assert "switched offline" in run_till(tmp_path, "sync", status=1)
    assert "Pending: 1." in run_till(tmp_path, "online")


async def test_a_day_at_the_till(shop: Shop, tmp_path: Path) -> None:
    await shop.receive(TEA_S1=20, POT_S1=20)
    key = (await shop.terminal("S1")).key
    tea = shop.sku("TEA")

    def run_the_day() -> list[str]:
        return [
            run_till(tmp_path, f"open --url {shop.hub.url} --key {key}"),
            run_till(tmp_path, f"goods {tea}"),
            run_till(tmp_path, "clock --offset 40"),
            run_till(tmp_path, f"sell {tea}:3"),
            run_till(tmp_path, f"sell {shop.sku('NONE')}@100 --anyway"),
            run_till(tmp_path, "run --sales 12 --every 0 --sync-every 0 --seed 1"),
            run_till(tmp_path, f"count {tea}:11"),
            run_till(tmp_path, "sync --shuffle --duplicate 0.5 --seed 1"),
            run_till(tmp_path, "status"),
        ]

    _, goods, _, sale, _, random_sales, _, sync, status = await asyncio.to_thread(run_the_day)

    assert re.search(rf"{tea} .*648 JPY +20 +20", goods)
    assert re.search(rf"^SALE  receipt \d+-1  3 {tea}  1944  CASH 1944$", sale.strip())
    assert len(random_sales.splitlines()) == 12
    assert re.search(r"14 applied, \d+ duplicate, [12] parked", sync)
    assert "The terminal's clock is 40 minutes ahead." in sync
    assert re.search(r"pending +0\b", status) and re.search(r"acknowledged +up to 15\b", status)
    assert "NOT_FOUND: There is no such SKU or barcode." in status
    assert (await shop.stock_level("TEA", "S1"))["onHand"] == 11


async def test_a_pull_with_a_refused_cursor_pulls_everything(shop: Shop, tmp_path: Path) -> None:
    key = (await shop.terminal("S1")).key

    def pull_twice() -> tuple[str, str]:
        run_till(tmp_path, f"open --url {shop.hub.url} --key {key}")
        catalog = LocalCatalog(tmp_path / CATALOG_FILE)
        catalog.state.cursor = "of another hub"
        catalog.save()
        return run_till(tmp_path, "pull"), run_till(tmp_path, "pull")

    first, second = await asyncio.to_thread(pull_twice)

    assert re.match(r"[1-9][\d,]* entries pulled", first)
    assert second == "0 entries pulled.\n"
