"""The examples as separate processes, with a running hub."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.endpoint_calls import change_endpoint, temporary_endpoint
from tests.support.ports import free_port
from tests.support.shop import Shop
from tests.support.waiting import wait_until
from uriba.core.actor import Scope
from uriba.outbox import feed

EXAMPLES = Path(__file__).parents[2] / "examples"
TIMEOUT_S = 60


@pytest.mark.engines
@pytest.mark.parametrize("name", ["webhook_receiver", "subscriber", "feed_reader"])
async def test_help_shows_the_usage(name: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(EXAMPLES / f"{name}.py"), "--help", stdout=asyncio.subprocess.PIPE
    )
    output, _ = await asyncio.wait_for(process.communicate(), TIMEOUT_S)

    assert process.returncode == 0
    assert b"Usage" in output


class JsonLines:
    """The output of a process: one JSON value per line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def next(self) -> Any:
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), TIMEOUT_S)
        assert line, "the process has ended"
        return json.loads(line)

    async def until(self, condition: Callable[[Any], bool]) -> list[Any]:
        """Return the values up to the first one that meets the condition."""
        values = [await self.next()]
        while not condition(values[-1]):
            values.append(await self.next())
        return values


@asynccontextmanager
async def run_example(name: str, *arguments: str, folder: Path) -> AsyncIterator[JsonLines]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(EXAMPLES / f"{name}.py"), *arguments, stdout=asyncio.subprocess.PIPE, cwd=folder
    )
    try:
        yield JsonLines(process)
    finally:
        process.kill()
        await process.wait()


async def wait_until_listening(port: int) -> None:
    async def answers() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
        return True

    await wait_until(answers, within_s=30)


async def test_the_receiver_stores_each_event_once_and_refuses_unsigned_requests(shop: Shop, tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/hooks"
    async with temporary_endpoint(shop.staff, url, types=["stock.changed"]) as made:
        async with run_example(
            "webhook_receiver", "--secret", made["secret"], "--port", str(port), folder=tmp_path
        ) as output:
            await wait_until_listening(port)
            start = await shop.feed_end()
            await shop.receive(TEA_S1=1)
            await shop.receive(TEA_S1=1)
            tea = (await shop.stock_level("TEA", "S1"))["id"]
            first = await output.until(lambda event: (event["subject"], event["version"]) == (tea, 2))
            await change_endpoint(shop.staff, "endpointReplay", id=made["id"], after=start)
            again = await output.until(lambda event: (event["subject"], event["version"]) == (tea, 2))
            rotated = await shop.staff.mutate(
                "mutation ($id: ID!) { endpointRotateSecret(id: $id) { secret errors { code } } }", id=made["id"]
            )
            await shop.receive(TEA_S1=1)
            third = await output.until(lambda event: event["version"] == 3)

        assert [event["version"] for event in first if event["subject"] == tea] == [1, 2]
        assert all(event["new"] for event in first)
        assert not any(event["new"] for event in again)
        assert rotated["secret"] != made["secret"] and third[-1]["new"]
        port = free_port()
        async with run_example("webhook_receiver", "--secret", "whsec_AAAA", "--port", str(port), folder=tmp_path):
            await wait_until_listening(port)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST /hooks HTTP/1.0\r\ncontent-length: 2\r\n\r\n{}")
            assert b" 401 " in await asyncio.wait_for(reader.readline(), TIMEOUT_S)
            writer.close()


async def test_the_subscriber_continues_after_its_cursor(shop: Shop, tmp_path: Path) -> None:
    app = await shop.app("web")
    assert app.key
    url = shop.hub.url.replace("http://", "ws://")
    arguments = ("feed", "--url", url, "--key", app.key, "--type", "stock.changed")
    await shop.receive(TEA_S1=1)
    tea = (await shop.stock_level("TEA", "S1"))["id"]
    start = await shop.feed_end()
    (tmp_path / "feed.cursor").write_text(start)
    async with run_example("subscriber", *arguments, folder=tmp_path) as output:
        await shop.receive(TEA_S1=1)
        await output.until(lambda event: (event["subject"], event["version"]) == (tea, 2))

        async def cursor_saved() -> bool:
            return (tmp_path / "feed.cursor").read_text() != start

        await wait_until(cursor_saved, within_s=30)
    await shop.receive(TEA_S1=1)
    async with run_example("subscriber", *arguments, folder=tmp_path) as output:
        await shop.receive(TEA_S1=1)
        missed = await output.until(lambda event: (event["subject"], event["version"]) == (tea, 4))

    assert [event["version"] for event in missed if event["subject"] == tea] == [3, 4]


async def test_the_subscriber_shows_availability_after_a_lost_connection(shop: Shop, tmp_path: Path) -> None:
    """The connections go through a proxy of the test, which aborts them."""
    await shop.receive(TEA_S1=2)
    connections: set[asyncio.StreamWriter] = set()
    port = int(shop.hub.url.split(":")[2].split("/")[0])

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while content := await reader.read(65_536):
            writer.write(content)
        writer.close()

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hub_reader, hub_writer = await asyncio.open_connection("127.0.0.1", port)
        connections.update((writer, hub_writer))
        await asyncio.gather(forward(reader, hub_writer), forward(hub_reader, writer), return_exceptions=True)

    async with await asyncio.start_server(proxy, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/graphql"
        arguments = ("availability", shop.code("web"), shop.sku("TEA"), "--url", url)
        async with run_example("subscriber", *arguments, folder=tmp_path) as output:
            first = await output.next()
            for connection in connections:
                connection.transport.abort()
            await shop.receive(TEA_S1=3)
            after = await output.until(lambda variant: variant["availability"]["quantity"] == 5)

    assert first["sku"] == shop.sku("TEA")
    assert first["availability"]["quantity"] == 2
    assert after


async def test_the_subscriber_exits_if_the_hub_refuses_its_key(shop: Shop, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(EXAMPLES / "subscriber.py"), "feed"),
        *("--url", shop.hub.url.replace("http://", "ws://"), "--key", "urb_app_no_key"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=tmp_path,
    )
    _, errors = await asyncio.wait_for(process.communicate(), TIMEOUT_S)

    assert process.returncode != 0
    assert b"RuntimeError" in errors


async def run_feed_reader(shop: Shop, key: str, file: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run the reader, and return its report and its copy."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(EXAMPLES / "feed_reader.py")),
        *("--url", shop.hub.url, "--key", key, "--file", str(file)),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
    assert process.returncode == 0
    return json.loads(output), read_copy(file)


def read_copy(file: Path) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(file.read_text())
    return copy


async def test_the_reader_catches_up_from_a_snapshot_or_its_cursor(shop: Shop, tmp_path: Path) -> None:
    app = await shop.app("web", Scope.INVENTORY)
    assert app.key
    file = tmp_path / "stock.json"
    await shop.receive(TEA_S1=4)
    tea = (await shop.stock_level("TEA", "S1"))["id"]
    first, fresh = await run_feed_reader(shop, app.key, file)
    await shop.receive(TEA_S1=-1)
    await shop.receive(TEA_S1=-1, POT_S1=7)
    pot = (await shop.stock_level("POT", "S1"))["id"]
    await wait_until_all_in_feed(shop)
    later, caught_up = await run_feed_reader(shop, app.key, file)

    assert first["started_from"] == "snapshot" and fresh["levels"][tea]["onHand"] == 4
    assert later["started_from"] == "cursor" and later["events"] >= 3
    assert caught_up["levels"][tea] | {"onHand": 2, "available": 2, "version": 3} == caught_up["levels"][tea]
    assert caught_up["levels"][pot]["onHand"] == 7


async def test_the_reader_takes_a_snapshot_if_its_cursor_has_expired(shop: Shop, tmp_path: Path) -> None:
    app = await shop.app("web", Scope.INVENTORY)
    assert app.key
    file = tmp_path / "stock.json"
    await run_feed_reader(shop, app.key, file)
    for _ in range(3):
        await shop.receive(TEA_S1=1)
    tea = (await shop.stock_level("TEA", "S1"))["id"]
    await wait_until_all_in_feed(shop)
    async with shop.hub.database.transaction() as session:
        await session.run("UPDATE outbox_event SET at = at - interval '90 days'")
        while await feed.forget(session, older_than_s=86_400, needed_after=None):
            pass

    report, copy = await run_feed_reader(shop, app.key, file)

    assert report["started_from"] == "snapshot"
    assert copy["levels"][tea]["onHand"] == 3


async def wait_until_all_in_feed(shop: Shop) -> None:
    """Wait until all events have a position in the feed."""

    async def all_have_a_position() -> bool:
        async with shop.hub.database.reading() as session:
            return not await session.fetchval("SELECT count(*) FROM outbox_event WHERE position IS NULL")

    await wait_until(all_have_a_position, within_s=30)
