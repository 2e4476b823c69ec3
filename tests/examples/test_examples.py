"""The examples as their readers run them: processes of their own, against a running hub."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from socket import create_server
from typing import Any

import pytest
from test_webhooks import change, endpoint

from patience import eventually
from shop import Shop
from uriba.core.actor import Scope
from uriba.outbox import feed

EXAMPLES = Path(__file__).parents[2] / "examples"
ANSWER_S = 60


@pytest.mark.parametrize("name", ["webhook_receiver", "subscriber", "feed_reader"])
async def test_says_how_to_use_it(name: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(EXAMPLES / f"{name}.py"), "--help", stdout=asyncio.subprocess.PIPE
    )
    said, _ = await asyncio.wait_for(process.communicate(), ANSWER_S)

    assert process.returncode == 0
    assert b"Usage" in said


class Lines:
    """What a program writes: JSON, line by line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def next(self) -> Any:
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), ANSWER_S)
        assert line, "it has ended"
        return json.loads(line)

    async def until(self, wanted: Any) -> list[Any]:
        """All up to the first for which `wanted` is true."""
        found = [await self.next()]
        while not wanted(found[-1]):
            found.append(await self.next())
        return found


@asynccontextmanager
async def running(name: str, *arguments: str, folder: Path) -> AsyncIterator[Lines]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(EXAMPLES / f"{name}.py"), *arguments, stdout=asyncio.subprocess.PIPE, cwd=folder
    )
    try:
        yield Lines(process)
    finally:
        process.kill()
        await process.wait()


def free_port() -> int:
    with create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


async def listens(port: int) -> None:
    async def answers() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
        return True

    await eventually(answers, within_s=30)


async def test_the_receiver_takes_each_event_once_and_refuses_what_is_not_signed(shop: Shop, tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/hooks"
    async with endpoint(shop.staff, url, types=["stock.changed"]) as made:
        async with running("webhook_receiver", "--secret", made["secret"], "--port", str(port), folder=tmp_path) as it:
            await listens(port)
            start = (await shop.staff.run("{ feed { end } }"))["feed"]["end"]
            await shop.receive(TEA_S1=1)
            await shop.receive(TEA_S1=1)
            tea = (await shop.level("TEA", "S1"))["id"]
            first = await it.until(lambda event: (event["subject"], event["version"]) == (tea, 2))
            await change(shop.staff, "endpointReplay", id=made["id"], after=start)
            again = await it.until(lambda event: (event["subject"], event["version"]) == (tea, 2))
            rotated = await shop.staff.do(
                "mutation ($id: ID!) { endpointRotateSecret(id: $id) { secret errors { code } } }", id=made["id"]
            )
            await shop.receive(TEA_S1=1)
            third = await it.until(lambda event: event["version"] == 3)

        assert [event["version"] for event in first if event["subject"] == tea] == [1, 2]
        assert all(event["new"] for event in first)
        assert not any(event["new"] for event in again)
        assert rotated["secret"] != made["secret"] and third[-1]["new"]
        port = free_port()
        async with running("webhook_receiver", "--secret", "whsec_AAAA", "--port", str(port), folder=tmp_path):
            await listens(port)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST /hooks HTTP/1.0\r\ncontent-length: 2\r\n\r\n{}")
            assert b" 401 " in await asyncio.wait_for(reader.readline(), ANSWER_S)
            writer.close()


async def test_the_subscriber_goes_on_where_it_was(shop: Shop, tmp_path: Path) -> None:
    app = await shop.app("web")
    assert app.key
    url = shop.hub.url.replace("http://", "ws://")
    given = ("feed", "--url", url, "--key", app.key, "--type", "stock.changed")
    await shop.receive(TEA_S1=1)
    tea = (await shop.level("TEA", "S1"))["id"]
    start = (await shop.staff.run("{ feed { end } }"))["feed"]["end"]
    (tmp_path / "feed.cursor").write_text(start)
    async with running("subscriber", *given, folder=tmp_path) as it:
        await shop.receive(TEA_S1=1)
        await it.until(lambda event: (event["subject"], event["version"]) == (tea, 2))

        async def kept() -> bool:
            return (tmp_path / "feed.cursor").read_text() != start

        await eventually(kept, within_s=30)
    await shop.receive(TEA_S1=1)
    async with running("subscriber", *given, folder=tmp_path) as it:
        await shop.receive(TEA_S1=1)
        missed = await it.until(lambda event: (event["subject"], event["version"]) == (tea, 4))

    assert [event["version"] for event in missed if event["subject"] == tea] == [3, 4]


async def test_the_subscriber_shows_what_can_be_had_after_a_lost_connection(shop: Shop, tmp_path: Path) -> None:
    """The connections go through a door of the test's, which is shut and opened again."""
    await shop.receive(TEA_S1=2)
    lines: set[asyncio.StreamWriter] = set()
    port = int(shop.hub.url.split(":")[2].split("/")[0])

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while content := await reader.read(65_536):
            writer.write(content)
        writer.close()

    async def enter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        lines.update((writer, far_writer))
        await asyncio.gather(pass_on(reader, far_writer), pass_on(far_reader, writer), return_exceptions=True)

    async with await asyncio.start_server(enter, "127.0.0.1", 0) as door:
        url = f"ws://127.0.0.1:{door.sockets[0].getsockname()[1]}/graphql"
        given = ("availability", shop.code("web"), shop.sku("TEA"), "--url", url)
        async with running("subscriber", *given, folder=tmp_path) as it:
            first = await it.next()
            for line in lines:
                line.transport.abort()
            await shop.receive(TEA_S1=3)
            after = await it.until(lambda variant: variant["availability"]["quantity"] == 5)

    assert first["sku"] == shop.sku("TEA")
    assert first["availability"]["quantity"] == 2
    assert after


async def test_the_subscriber_ends_where_asking_again_does_not_help(shop: Shop, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(EXAMPLES / "subscriber.py"), "feed"),
        *("--url", shop.hub.url.replace("http://", "ws://"), "--key", "urb_app_no_key"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=tmp_path,
    )
    _, said = await asyncio.wait_for(process.communicate(), ANSWER_S)

    assert process.returncode != 0
    assert b"RuntimeError" in said


async def read(shop: Shop, key: str, file: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run the reader: what it said, and its copy."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(EXAMPLES / "feed_reader.py")),
        *("--url", shop.hub.url, "--key", key, "--file", str(file)),
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await asyncio.wait_for(process.communicate(), ANSWER_S)
    assert process.returncode == 0
    return json.loads(said), copy_of(file)


def copy_of(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())
    return found


async def test_the_reader_catches_up_from_wherever_it_is(shop: Shop, tmp_path: Path) -> None:
    app = await shop.app("web", Scope.INVENTORY)
    assert app.key
    file = tmp_path / "stock.json"
    await shop.receive(TEA_S1=4)
    tea = (await shop.level("TEA", "S1"))["id"]
    began, fresh = await read(shop, app.key, file)
    await shop.receive(TEA_S1=-1)
    await shop.receive(TEA_S1=-1, POT_S1=7)
    pot = (await shop.level("POT", "S1"))["id"]
    await all_placed(shop)
    later, caught_up = await read(shop, app.key, file)

    assert began["began"] == "snapshot" and fresh["levels"][tea]["onHand"] == 4
    assert later["began"] == "read on" and later["events"] >= 3
    assert caught_up["levels"][tea] | {"onHand": 2, "available": 2, "version": 3} == caught_up["levels"][tea]
    assert caught_up["levels"][pot]["onHand"] == 7


async def test_the_reader_begins_anew_where_the_feed_has_forgotten_its_place(shop: Shop, tmp_path: Path) -> None:
    app = await shop.app("web", Scope.INVENTORY)
    assert app.key
    file = tmp_path / "stock.json"
    await read(shop, app.key, file)
    for _ in range(3):
        await shop.receive(TEA_S1=1)
    tea = (await shop.level("TEA", "S1"))["id"]
    await all_placed(shop)
    async with shop.hub.database.transaction() as session:
        await session.run("UPDATE outbox_event SET at = at - interval '90 days'")
        while await feed.forget(session, older_than_s=86_400, needed_after=None):
            pass

    began, copy = await read(shop, app.key, file)

    assert began["began"] == "snapshot"
    assert copy["levels"][tea]["onHand"] == 3


async def all_placed(shop: Shop) -> None:
    """All events have their place in the feed."""

    async def placed() -> bool:
        async with shop.hub.database.reading() as session:
            return not await session.fetchval("SELECT count(*) FROM outbox_event WHERE position IS NULL")

    await eventually(placed, within_s=30)
