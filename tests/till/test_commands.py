"""The commands as a person types them."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from simulated import make_till
from typer.testing import CliRunner

from shop import Shop
from uriba.till.commands import till_cli
from uriba.till.shelf import Shelf


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def say(folder: Path, words: str, *, status: int = 0) -> str:
    """What is shown when a person types `uriba till WORDS`."""
    result = CliRunner().invoke(till_cli, [*words.split(), "--folder", str(folder)])
    assert result.exit_code == status, result.output
    return result.output


def test_a_sale_prints_its_receipt(tmp_path: Path) -> None:
    make_till(tmp_path)

    assert say(tmp_path, "sell TEA:2 4901234567894 --card") == "SALE  receipt 7-1  2 TEA, 1 TEA  1944  CARD 1944\n"
    assert say(tmp_path, "return TEA --receipt 7-1") == "RETURN  receipt 7-2  1 TEA  648  CASH 648\n"
    assert say(tmp_path, "adjust TEA:-2") == "ADJUSTMENT  event 3  -2 TEA\n"
    assert re.search(r"pending +3\b", say(tmp_path, "status"))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("sell TEE", "This till knows no SKU or barcode TEE."),
        ("sell TEA --tender CASH:5", "The tenders are 5, the lines are 648."),
        ("count TEA", "Say how many: TEA:12"),
    ],
)
def test_says_in_a_sentence_what_is_wrong(tmp_path: Path, words: str, sentence: str) -> None:
    make_till(tmp_path)

    assert sentence in say(tmp_path, words, status=1)
    assert re.search(r"pending +0\b", say(tmp_path, "status"))


def test_says_how_to_open_a_till_where_there_is_none(tmp_path: Path) -> None:
    assert "uriba till open --url URL --key KEY" in say(tmp_path, "sell TEA", status=1)


def test_a_till_that_is_offline_sells_on(tmp_path: Path) -> None:
    make_till(tmp_path)
    say(tmp_path, "offline")

    assert "SALE" in say(tmp_path, "sell TEA")
    assert "switched offline" in say(tmp_path, "sync", status=1)
    assert "Pending: 1." in say(tmp_path, "online")


async def test_a_day_at_the_till(shop: Shop, tmp_path: Path) -> None:
    await shop.receive(TEA_S1=20, POT_S1=20)
    key = (await shop.terminal("S1")).key
    tea = shop.sku("TEA")

    def day() -> list[str]:
        return [
            say(tmp_path, f"open --url {shop.hub.url} --key {key}"),
            say(tmp_path, f"goods {tea}"),
            say(tmp_path, "clock --offset 40"),
            say(tmp_path, f"sell {tea}:3"),
            say(tmp_path, f"sell {shop.sku('NONE')}@100 --anyway"),
            say(tmp_path, "run --sales 12 --every 0 --sync-every 0 --seed 1"),
            say(tmp_path, f"count {tea}:11"),
            say(tmp_path, "sync --shuffle --duplicate 0.5 --seed 1"),
            say(tmp_path, "status"),
        ]

    _, goods, _, sold, _, run, _, synced, status = await asyncio.to_thread(day)

    assert re.search(rf"{tea} .*648 JPY +20 +20", goods)
    assert re.search(rf"^SALE  receipt \d+-1  3 {tea}  1944  CASH 1944$", sold.strip())
    assert len(run.splitlines()) == 12
    assert re.search(r"14 applied, \d+ duplicate, [12] parked", synced)
    assert "The terminal's clock is 40 minutes ahead." in synced
    assert re.search(r"pending +0\b", status) and re.search(r"acknowledged +up to 15\b", status)
    assert "NOT_FOUND: There is no such SKU or barcode." in status
    assert (await shop.level("TEA", "S1"))["onHand"] == 11


async def test_a_cursor_that_the_hub_refuses_begins_anew(shop: Shop, tmp_path: Path) -> None:
    key = (await shop.terminal("S1")).key

    def pull_twice() -> tuple[str, str]:
        say(tmp_path, f"open --url {shop.hub.url} --key {key}")
        shelf = Shelf(tmp_path / "shelf.json")
        shelf.kept.cursor = "of another hub"
        shelf.save()
        return say(tmp_path, "pull"), say(tmp_path, "pull")

    first, second = await asyncio.to_thread(pull_twice)

    assert re.match(r"[1-9][\d,]* entries pulled", first)
    assert second == "0 entries pulled.\n"
