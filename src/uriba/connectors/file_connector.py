"""The FILE connector: files in a folder that the retailer serves to the channel, by SFTP or otherwise.

The hub writes to out/. The channel puts files with orders into in/: while it writes, under a name that begins with a
dot or does not end with .csv or .json; then it renames the file. A file that was read is moved to done/ or failed/,
with a report beside it.
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

from uriba.connectors.enums import ValueKind
from uriba.connectors.external_orders import ExternalOrder, NotAnOrderList, UnreadableOrder, read_csv, read_json
from uriba.connectors.port import Batch, ChannelFailed, ImportOutcome, OrderPage, PushResult
from uriba.core import text
from uriba.core.money import to_decimal

FILE_SIZE_MAX = 5_000_000
NAME_SIZE_MAX = 120
FOLDERS = ("in", "out", "done", "failed")
READERS = {".csv": read_csv, ".json": read_json}


class FileConnector:
    """The transport of a connector's folder. Missing subfolders are created."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def push(self, batch: Batch) -> PushResult:
        await self._in_thread(self._write_batch, batch)
        return PushResult()

    def _write_batch(self, batch: Batch) -> None:
        if batch.kind is ValueKind.AVAILABILITY:
            header, name = ["sku", "available"], "availability"
            rows = [[row.sku, str(row.value)] for row in batch.rows]
        else:
            header, name = ["sku", "price", "currency"], "prices"
            rows = [[row.sku, to_decimal(row.value, batch.currency), batch.currency] for row in batch.rows]
        self._write(f"out/{name}-{batch.number:09}.csv", _encode_csv(header, rows))

    async def fetch_orders(self, cursor: str | None) -> OrderPage:
        """Return the orders of one file. There is no cursor, because files that were read are moved away."""
        page: OrderPage = await self._in_thread(self._read_next_file)
        return page

    def _read_next_file(self) -> OrderPage:
        names = self._readable_files()
        if not names:
            return OrderPage((), None, more=False)
        name, more = names[0], len(names) > 1
        try:
            orders: Sequence[ExternalOrder | UnreadableOrder] = READERS[Path(name).suffix](self._read(name))
        except (NotAnOrderList, PermissionError) as error:
            self._move(name, "failed", {"file": name, "problem": str(error)})
            return OrderPage((UnreadableOrder(None, f"{name}: {error}"),), None, more)
        return OrderPage(orders, None, more, source=name)

    def _readable_files(self) -> list[str]:
        """Return the names of regular files with a known ending, in order."""
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
        """Read a file. It may have been replaced meanwhile: links are not followed, and pipes do not block."""
        with os.fdopen(os.open(self._folder / "in" / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise NotAnOrderList("This is not a regular file.")
            body = file.read(FILE_SIZE_MAX + 1)
        if len(body) > FILE_SIZE_MAX:
            raise NotAnOrderList(f"The file is larger than {FILE_SIZE_MAX:,} bytes. Split it.")
        return body

    async def confirm_received(self, page: OrderPage, outcomes: Sequence[ImportOutcome]) -> None:
        if page.source is not None:
            unnumbered = [o for o in page.orders if isinstance(o, UnreadableOrder) and o.number is None]
            await self._in_thread(self._move_read_file, page.source, outcomes, unnumbered)

    def _move_read_file(
        self, name: str, outcomes: Sequence[ImportOutcome], unnumbered: Sequence[UnreadableOrder]
    ) -> None:
        orders = [dict(zip(OUTCOME_COLUMNS, _outcome_row(outcome), strict=True)) for outcome in outcomes]
        problems = [order.message for order in unnumbered]
        to = "done" if orders or not problems else "failed"
        self._move(name, to, {"file": name, "orders": orders, "problems": problems})

    async def acknowledge(self, number: int, outcomes: Sequence[ImportOutcome]) -> None:
        body = _encode_csv(OUTCOME_COLUMNS, [_outcome_row(outcome) for outcome in outcomes])
        await self._in_thread(self._write, f"out/orders-{number:09}.csv", body)

    def _move(self, name: str, to: str, report: object) -> None:
        """Move a file out of in/ and write its report beside it. If the name exists there, a number is added."""
        target, n = name, 2
        while (self._folder / to / target).exists():
            target, n = f"{Path(name).stem}-{n}{Path(name).suffix}", n + 1
        self._write(f"{to}/{target}.report", msgspec.json.format(msgspec.json.encode(report)))
        (self._folder / "in" / name).rename(self._folder / to / target)

    def _write(self, path: str, body: bytes) -> None:
        """Write a file so that readers see it complete or not at all."""
        target = self._folder / path
        part = target.with_name(f".{target.name}.part")
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o640), "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        part.rename(target)
        _sync_folder(target.parent)

    async def _in_thread(self, work: Callable[..., Any], *args: object) -> Any:
        """Run file operations in a thread, because the folder may be on a network. Errors: `ChannelFailed`."""
        try:
            return await asyncio.to_thread(self._with_folders, work, *args)
        except OSError as error:
            raise ChannelFailed(f"FOLDER: {error.strerror or type(error).__name__}") from error

    def _with_folders(self, work: Callable[..., Any], *args: object) -> Any:
        for name in FOLDERS:
            (self._folder / name).mkdir(parents=True, exist_ok=True)
            if (self._folder / name).is_symlink():
                raise ChannelFailed(f"FOLDER: {name} is a link")
        return work(*args)


def _outcome_row(outcome: ImportOutcome) -> tuple[str, ...]:
    refusal = outcome.refusal
    reason = (refusal.code, refusal.message) if refusal else ("", "")
    return outcome.number, outcome.status, outcome.order or "", *reason


OUTCOME_COLUMNS = ("number", "status", "order", "code", "message")


def _encode_csv(header: Iterable[str], rows: Iterable[Iterable[str]]) -> bytes:
    body = io.StringIO()
    writer = csv.writer(body, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return body.getvalue().encode()


def _sync_folder(folder: Path) -> None:
    """Sync a folder, so that a rename in it survives a crash."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
