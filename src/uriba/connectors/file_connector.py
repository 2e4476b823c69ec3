"""The FILE connector: a folder that somebody serves, by SFTP or otherwise.

out/ is for the channel to take from, in/ for it to put orders into: under a name that begins with a dot or ends
otherwise while it writes, renamed to .csv or .json when it is done. What was read goes to done/ or failed/, with a
report beside it.
"""

from __future__ import annotations

import asyncio
import csv
import io
import os
import stat
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from uriba.connectors.external_orders import ExternalOrder, NoOrders, Unreadable, read_csv, read_json
from uriba.connectors.models import ValueKind
from uriba.connectors.port import Batch, ChannelFailed, Page, Pushed, Verdict
from uriba.core import text
from uriba.core.money import to_decimal

FILE_SIZE_MAX = 5_000_000
NAME_SIZE_MAX = 120
FOLDERS = ("in", "out", "done", "failed")
READERS = {".csv": read_csv, ".json": read_json}


class FileConnector:
    """A connector's folder; its subfolders are made when they are missing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def push(self, batch: Batch) -> Pushed:
        await self._do(self._push, batch)
        return Pushed()

    def _push(self, batch: Batch) -> None:
        if batch.kind is ValueKind.AVAILABILITY:
            header, name = ["sku", "available"], "availability"
            rows = [[row.sku, str(row.value)] for row in batch.rows]
        else:
            header, name = ["sku", "price", "currency"], "prices"
            rows = [[row.sku, to_decimal(row.value, batch.currency), batch.currency] for row in batch.rows]
        self._write(f"out/{name}-{batch.number:09}.csv", _csv(header, rows))

    async def fetch_orders(self, cursor: str | None) -> Page:
        """One file's orders; the cursor is not needed, since what was read is moved away."""
        page: Page = await self._do(self._fetch)
        return page

    def _fetch(self) -> Page:
        names = self._waiting()
        if not names:
            return Page((), None, more=False)
        name, more = names[0], len(names) > 1
        try:
            orders: Sequence[ExternalOrder | Unreadable] = READERS[Path(name).suffix](self._read(name))
        except (NoOrders, PermissionError) as error:
            self._move(name, "failed", {"file": name, "problem": str(error)})
            return Page((Unreadable(None, f"{name}: {error}"),), None, more)
        return Page(orders, None, more, source=name)

    def _waiting(self) -> list[str]:
        """Files to read, by name: plain ones with a name that says what they are."""
        with os.scandir(self._folder / "in") as entries:
            return sorted(
                entry.name
                for entry in entries
                if entry.is_file(follow_symlinks=False)
                and not entry.name.startswith(".")
                and Path(entry.name).suffix in READERS
                and len(entry.name) <= NAME_SIZE_MAX
                and not text.has_control(entry.name)
            )

    def _read(self, name: str) -> bytes:
        """Whoever serves the folder may have put something else there meanwhile: no link is followed, no pipe waited
        for."""
        with os.fdopen(os.open(self._folder / "in" / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise NoOrders("This is no file.")
            body = file.read(FILE_SIZE_MAX + 1)
        if len(body) > FILE_SIZE_MAX:
            raise NoOrders(f"A file has at most {FILE_SIZE_MAX:,} bytes.")
        return body

    async def received(self, page: Page, verdicts: Sequence[Verdict]) -> None:
        if page.source is not None:
            unread = [one for one in page.orders if isinstance(one, Unreadable) and one.number is None]
            await self._do(self._put_away, page.source, verdicts, unread)

    def _put_away(self, name: str, verdicts: Sequence[Verdict], unread: Sequence[Unreadable]) -> None:
        orders = [dict(zip(ORDER_COLUMNS, _verdict(verdict), strict=True)) for verdict in verdicts]
        problems = [one.message for one in unread]
        whole = "done" if orders or not problems else "failed"
        self._move(name, whole, {"file": name, "orders": orders, "problems": problems})

    async def acknowledge(self, number: int, verdicts: Sequence[Verdict]) -> None:
        body = _csv(ORDER_COLUMNS, [_verdict(verdict) for verdict in verdicts])
        await self._do(self._write, f"out/orders-{number:09}.csv", body)

    def _move(self, name: str, to: str, report: object) -> None:
        """Out of in/, with the report beside it; a name that is taken there gets a number."""
        target, n = name, 2
        while (self._folder / to / target).exists():
            target, n = f"{Path(name).stem}-{n}{Path(name).suffix}", n + 1
        self._write(f"{to}/{target}.report", msgspec.json.format(msgspec.json.encode(report)))
        (self._folder / "in" / name).rename(self._folder / to / target)

    def _write(self, path: str, body: bytes) -> None:
        """All of it or nothing, whoever looks when."""
        target = self._folder / path
        beside = target.with_name(f".{target.name}.part")
        beside.unlink(missing_ok=True)
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o640), "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        beside.rename(target)
        _sync(target.parent)

    async def _do(self, work: Callable[..., Any], *given: object) -> Any:
        """In a thread: a folder may be far away. What the file system refuses is the channel's failure."""
        try:
            return await asyncio.to_thread(self._within, work, *given)
        except OSError as error:
            raise ChannelFailed(f"FOLDER: {error.strerror or type(error).__name__}") from error

    def _within(self, work: Callable[..., Any], *given: object) -> Any:
        for name in FOLDERS:
            (self._folder / name).mkdir(parents=True, exist_ok=True)
            if (self._folder / name).is_symlink():
                raise ChannelFailed(f"FOLDER: {name} is a link")
        return work(*given)


def _verdict(verdict: Verdict) -> tuple[str, ...]:
    refusal = verdict.refusal
    why = (refusal.code, refusal.message) if refusal else ("", "")
    return verdict.number, verdict.status, verdict.order or "", *why


ORDER_COLUMNS = ("number", "status", "order", "code", "message")


def _csv(header: Iterable[str], rows: Iterable[Iterable[str]]) -> bytes:
    body = io.StringIO()
    writer = csv.writer(body, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return body.getvalue().encode()


def _sync(folder: Path) -> None:
    """A rename is safe once its folder is."""
    found = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(found)
    finally:
        os.close(found)
