"""A folder that anybody may write to: what is half written, strange or hostile stops nobody."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from stall import Stall, open_stall

from shop import Shop
from uriba.connectors.file_connector import FileConnector
from uriba.connectors.models import ValueKind
from uriba.connectors.port import Batch, ChannelFailed, Row

CSV = """number,currency,paid,sku,quantity,unit_price,name,line1,city,postal_code,country
M-1,KRW,3948,{tea},1,648,Hana Sato,1-2-3 Jingumae,Tokyo,150-0001,JP
M-1,,,{pot},1,3300,,,,,
M-2,KRW,648,{tea},one,648,Hana Sato,1-2-3 Jingumae,Tokyo,150-0001,JP
"""


@pytest.fixture
async def stall(shop: Shop, tmp_path: Path) -> AsyncIterator[Stall]:
    yield await open_stall(shop, tmp_path)


async def test_rows_of_a_csv_with_one_number_are_one_order(shop: Shop, stall: Stall) -> None:
    await shop.receive(TEA_W1=3, POT_W1=3)
    stall.put("a.csv", CSV.format(tea=shop.sku("TEA"), pot=shop.sku("POT")).encode())

    await stall.run()
    (order,) = await stall.orders()

    assert {line["sku"]: line["quantity"] for line in order["lines"]} == {shop.sku("TEA"): 1, shop.sku("POT"): 1}
    assert {number: one["status"] for number, one in stall.answers().items()} == {"M-1": "PLACED", "M-2": "REFUSED"}


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("a.json", b"{"),
        ("a.json", b'"text"'),
        ("a.json", b"\xff\xfe"),
        ("a.json", b"[" * 100_000),
        ("a.csv", b"a,b\n1,2\n"),
        ("a.csv", b'number,sku,quantity\n"'),
        ("a.json", b" " * 5_000_001),
    ],
    ids=["cut", "text", "bytes", "deep", "columns", "quote", "large"],
)
async def test_what_is_no_list_of_orders_goes_to_failed(shop: Shop, stall: Stall, name: str, body: bytes) -> None:
    await shop.receive(TEA_W1=3)
    stall.put(name, body)
    stall.put("b.json", [stall.order("M-1", paid="648", TEA=1)])

    report = await stall.run()

    assert report.problem is None
    assert {file.name for file in (stall.folder / "failed").iterdir()} == {name, f"{name}.report"}
    assert stall.answers()["M-1"]["status"] == "PLACED"


@pytest.mark.parametrize("deadline", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
async def test_a_moment_outside_of_time_stops_no_one_else(shop: Shop, stall: Stall, deadline: str) -> None:
    await shop.receive(TEA_W1=3)
    strange = {**stall.order("M-1", paid="648", TEA=1), "deadline": deadline}
    stall.put("a.json", [strange, stall.order("M-2", paid="648", TEA=1)])

    await stall.run()

    assert stall.answers()["M-1"]["code"] == "INVALID"
    assert stall.answers()["M-2"]["status"] == "PLACED"


@pytest.mark.parametrize("quantity", [0, -1, 10**12, 2**63, 10**30])
async def test_an_impossible_quantity_is_refused(shop: Shop, stall: Stall, quantity: int) -> None:
    await shop.receive(TEA_W1=3)
    order = stall.order("M-1", paid="648", TEA=1)
    line = f'"quantity":{quantity}'.encode()
    stall.put("a.json", msgspec.json.encode([order]).replace(b'"quantity":1', line))

    report = await stall.run()

    assert report.problem is None
    assert stall.answers()["M-1"]["status"] == "REFUSED"


async def test_links_pipes_and_unfinished_files_are_left_alone(shop: Shop, stall: Stall, tmp_path: Path) -> None:
    await stall.run()
    secret = tmp_path / "secret.json"
    secret.write_text("[]")
    inbox = stall.folder / "in"
    (inbox / "link.json").symlink_to(secret)
    os.mkfifo(inbox / "pipe.json")
    (inbox / ".part.json").write_text("[")
    (inbox / "upload.json.tmp").write_text("[")

    report = await stall.run()

    assert report.problem is None
    assert {file.name for file in inbox.iterdir()} == {"link.json", "pipe.json", ".part.json", "upload.json.tmp"}
    assert secret.exists()


async def test_a_folder_that_is_a_link_is_not_written_to(shop: Shop, stall: Stall, tmp_path: Path) -> None:
    await shop.receive(TEA_S1=4)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    stall.folder.mkdir(parents=True)
    (stall.folder / "out").symlink_to(elsewhere)

    report = await stall.run()
    (stall.folder / "out").unlink()
    await stall.run()

    assert report.problem == "FOLDER: out is a link"
    assert list(elsewhere.iterdir()) == []
    assert (await stall.told("TEA"))["TEA"]["available"] == "4"


async def test_a_write_that_fails_leaves_nothing_that_looks_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    port = FileConnector(tmp_path)
    batch = Batch(ValueKind.AVAILABILITY, 1, "JPY", [Row(1, "TEA", 4)])
    with monkeypatch.context() as patched:
        patched.setattr("uriba.connectors.file_connector.os.fsync", full)
        with pytest.raises(ChannelFailed, match="No space left"):
            await port.push(batch)
    left = [file.name for file in (tmp_path / "out").iterdir() if not file.name.startswith(".")]
    await port.push(batch)

    assert left == []
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["availability-000000001.csv"]
    assert (tmp_path / "out" / "availability-000000001.csv").read_text() == "sku,available\nTEA,4\n"


async def test_a_name_that_was_there_before_gets_a_number(shop: Shop, stall: Stall) -> None:
    for _ in range(3):
        stall.put("a.json", [])
        await stall.run()

    names = {file.name for file in (stall.folder / "done").iterdir() if file.suffix == ".json"}
    assert names == {"a.json", "a-2.json", "a-3.json"}
