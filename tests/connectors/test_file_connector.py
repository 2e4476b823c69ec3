"""The FILE connector: unfinished, malformed and hostile files in its folder do not stop other orders."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from tests.support.connector_harness import ConnectorHarness, open_connector
from tests.support.shop import Shop
from uriba.connectors.enums import ValueKind
from uriba.connectors.file_connector import FileConnector
from uriba.connectors.port import Batch, ChannelFailed, ChannelValue

CSV = """number,currency,paid,sku,quantity,unit_price,name,line1,city,postal_code,country
M-1,KRW,3948,{tea},1,648,Hana Sato,1-2-3 Jingumae,Tokyo,150-0001,JP
M-1,,,{pot},1,3300,,,,,
M-2,KRW,648,{tea},one,648,Hana Sato,1-2-3 Jingumae,Tokyo,150-0001,JP
"""


@pytest.fixture
async def harness(shop: Shop, tmp_path: Path) -> AsyncIterator[ConnectorHarness]:
    yield await open_connector(shop, tmp_path)


async def test_csv_rows_with_the_same_number_are_one_order(shop: Shop, harness: ConnectorHarness) -> None:
    await shop.receive(TEA_W1=3, POT_W1=3)
    harness.put_file("a.csv", CSV.format(tea=shop.sku("TEA"), pot=shop.sku("POT")).encode())

    await harness.run()
    (order,) = await harness.orders()

    assert {line["sku"]: line["quantity"] for line in order["lines"]} == {shop.sku("TEA"): 1, shop.sku("POT"): 1}
    assert {number: one["status"] for number, one in harness.order_outcomes().items()} == {
        "M-1": "PLACED",
        "M-2": "REFUSED",
    }


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
async def test_moves_a_file_without_orders_to_failed(
    shop: Shop, harness: ConnectorHarness, name: str, body: bytes
) -> None:
    await shop.receive(TEA_W1=3)
    harness.put_file(name, body)
    harness.put_file("b.json", [harness.order("M-1", paid="648", TEA=1)])

    report = await harness.run()

    assert report.problem is None
    assert {file.name for file in (harness.folder / "failed").iterdir()} == {name, f"{name}.report"}
    assert harness.order_outcomes()["M-1"]["status"] == "PLACED"


@pytest.mark.parametrize("deadline", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
async def test_refuses_a_deadline_outside_the_calendar_and_places_other_orders(
    shop: Shop, harness: ConnectorHarness, deadline: str
) -> None:
    await shop.receive(TEA_W1=3)
    strange = {**harness.order("M-1", paid="648", TEA=1), "deadline": deadline}
    harness.put_file("a.json", [strange, harness.order("M-2", paid="648", TEA=1)])

    await harness.run()

    assert harness.order_outcomes()["M-1"]["code"] == "INVALID"
    assert harness.order_outcomes()["M-2"]["status"] == "PLACED"


@pytest.mark.parametrize("quantity", [0, -1, 10**12, 2**63, 10**30])
async def test_refuses_an_impossible_quantity(shop: Shop, harness: ConnectorHarness, quantity: int) -> None:
    await shop.receive(TEA_W1=3)
    order = harness.order("M-1", paid="648", TEA=1)
    line = f'"quantity":{quantity}'.encode()
    harness.put_file("a.json", msgspec.json.encode([order]).replace(b'"quantity":1', line))

    report = await harness.run()

    assert report.problem is None
    assert harness.order_outcomes()["M-1"]["status"] == "REFUSED"


async def test_ignores_links_pipes_and_unfinished_files(shop: Shop, harness: ConnectorHarness, tmp_path: Path) -> None:
    await harness.run()
    secret = tmp_path / "secret.json"
    secret.write_text("[]")
    inbox = harness.folder / "in"
    (inbox / "link.json").symlink_to(secret)
    os.mkfifo(inbox / "pipe.json")
    (inbox / ".part.json").write_text("[")
    (inbox / "upload.json.tmp").write_text("[")

    report = await harness.run()

    assert report.problem is None
    assert {file.name for file in inbox.iterdir()} == {"link.json", "pipe.json", ".part.json", "upload.json.tmp"}
    assert secret.exists()


async def test_does_not_write_into_a_linked_folder(shop: Shop, harness: ConnectorHarness, tmp_path: Path) -> None:
    await shop.receive(TEA_S1=4)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    harness.folder.mkdir(parents=True)
    (harness.folder / "out").symlink_to(elsewhere)

    report = await harness.run()
    (harness.folder / "out").unlink()
    await harness.run()

    assert report.problem == "FOLDER: out is a link"
    assert list(elsewhere.iterdir()) == []
    assert (await harness.sent_values("TEA"))["TEA"]["available"] == "4"


async def test_a_failed_write_leaves_no_finished_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    port = FileConnector(tmp_path)
    batch = Batch(ValueKind.AVAILABILITY, 1, "JPY", [ChannelValue(1, "TEA", 4)])
    with monkeypatch.context() as patched:
        patched.setattr("uriba.connectors.file_connector.os.fsync", full)
        with pytest.raises(ChannelFailed, match="No space left"):
            await port.push(batch)
    left = [file.name for file in (tmp_path / "out").iterdir() if not file.name.startswith(".")]
    await port.push(batch)

    assert left == []
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["availability-000000001.csv"]
    assert (tmp_path / "out" / "availability-000000001.csv").read_text() == "sku,available\nTEA,4\n"


async def test_numbers_a_processed_file_whose_name_exists_already(shop: Shop, harness: ConnectorHarness) -> None:
    for _ in range(3):
        harness.put_file("a.json", [])
        await harness.run()

    names = {file.name for file in (harness.folder / "done").iterdir() if file.suffix == ".json"}
    assert names == {"a.json", "a-2.json", "a-3.json"}
