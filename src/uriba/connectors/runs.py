"""Runs: a connector's turn. It looks at what changed, brings orders, tells what differs, and leaves a report."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from uuid import UUID

import structlog

from uriba.catalog import channels
from uriba.checkout.completion import Checkout
from uriba.config import Settings
from uriba.connectors import change_detection, leases, order_import, push
from uriba.connectors.file_connector import FileConnector
from uriba.connectors.leases import Held, Lost
from uriba.connectors.models import ConnectorKind
from uriba.connectors.order_import import Desk
from uriba.connectors.port import ChannelFailed, Connector
from uriba.connectors.rest_connector import RestConnector
from uriba.connectors.run_report import Report
from uriba.connectors.settings import ConnectorSettings
from uriba.db import Database, Row, Session
from uriba.db.session import await_uncancelled
from uriba.outbound.client import Client
from uriba.outbound.retry_policy import pause_s

AT_ONCE = 8
"""Connectors that one process runs beside each other."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Connectors:
    """All connectors of a hub, as a worker runs them. Any number of workers may."""

    database: Database
    settings: Settings
    checkout: Checkout
    terms: ConnectorSettings = field(default_factory=ConnectorSettings)

    async def run_due(self) -> int:
        """Run what is due; how many. One that fails holds up no other.

        Errors: what the failed ones raised, in a group; they run again.
        """
        held: list[tuple[Held, Row]] = []
        while len(held) < AT_ONCE and (one := await leases.claim(self.database, term_s=self.terms.lease_s)):
            held.append(one)
        if not held:
            return 0
        async with Client(self.settings) as client:
            ends = await asyncio.gather(*(self.run(*one, client) for one in held), return_exceptions=True)
        if failed := [end for end in ends if isinstance(end, Exception)]:
            raise ExceptionGroup("some connectors failed", failed)
        return len(held)

    def open(self, row: Row, client: Client) -> Connector:
        """The way to a connector's channel."""
        if row["kind"] == ConnectorKind.FILE:
            return FileConnector((self.terms.dir or self.settings.data_dir / "connectors") / row["code"])
        return RestConnector(
            url=row["url"], token=row["token"], name=str(row["id"]), client=client, settings=self.terms
        )

    async def run(self, held: Held, row: Row, client: Client, *, port: Connector | None = None) -> Report | None:
        """One turn of a connector that is held; its report, None where somebody else took it over."""
        report = Report()
        try:
            run_id, began = await self._begin(held)
            try:
                asked_s = await self._work(held, row, port or self.open(row, client), began, report)
            except Lost:
                raise
            except Exception as error:
                report.problem = f"FAULT: {type(error).__name__}"
                await self._end(held, row, run_id, report, None)
                raise
            await self._end(held, row, run_id, report, asked_s)
        except Lost:
            log.debug("connector let go", connector=row["code"])
            return None
        except asyncio.CancelledError:
            with suppress(Exception):
                await await_uncancelled(self._free(held))
            raise
        return report

    async def _work(self, held: Held, row: Row, port: Connector, began: datetime, report: Report) -> float | None:
        """All that there is to do. What one half meets does not keep the other from its work; whichever failed last
        time does not always go first. The pause that the channel asks for.
        """
        async with self.database.reading() as session:
            channel = (await channels.by_id(session, [row["channel_id"]]))[row["channel_id"]]
        await change_detection.look(held, compare_s=self.terms.compare_s)
        until = asyncio.get_running_loop().time() + self.terms.turn_s
        desk = Desk(held, port, row, channel, self.checkout, self.terms, report, began, until)
        orders = partial(order_import.bring, desk)
        values = partial(
            push.push, held, port, channel, report=report, pauses=self.terms.retry_s, began=began, until=until
        )
        asked_s: float | None = None
        for half in (orders, values) if row["failures"] % 2 == 0 else (values, orders):
            try:
                await half()
            except ChannelFailed as failed:
                report.problem = report.problem or failed.reason
                asked_s = max(asked_s or 0.0, failed.retry_s or 0.0)
        return asked_s

    async def _begin(self, held: Held) -> tuple[int, datetime]:
        """A new report. One that is still open is of a run that was cut off."""
        async with held.writing() as session:
            await session.run(
                "UPDATE connector_run SET ended_at = now(), problem = 'INTERRUPTED' "
                "WHERE connector_id = $1 AND ended_at IS NULL",
                held.id,
            )
            await session.run(
                "DELETE FROM connector_run WHERE connector_id = $1 AND began_at < now() - make_interval(secs => $2)",
                held.id,
                self.terms.run_term_s,
            )
            row = await session.fetchrow(
                "INSERT INTO connector_run (connector_id) VALUES ($1) RETURNING id, began_at", held.id
            )
        assert row is not None
        return row["id"], row["began_at"]

    async def _end(self, held: Held, row: Row, run_id: int, report: Report, asked_s: float | None) -> None:
        async with held.writing() as session:
            next_at = await session.fetchval(
                _END, held.id, report.problem, self._pause_s(row, report, asked_s), held.fence
            )
            await _write(session, run_id, report, next_at, keep=row["asked"] or not report.idle)

    def _pause_s(self, row: Row, report: Report, asked_s: float | None) -> float:
        if report.problem is None:
            return 0.0 if report.more else float(row["every_s"])
        tried = min(row["failures"] + 1, len(self.terms.retry_s))
        found = pause_s(tried, self.terms.retry_s, dice=random.random(), asked_s=asked_s)  # noqa: S311
        assert found is not None
        return found

    async def _free(self, held: Held) -> None:
        async with self.database.transaction(notify=False) as session:
            await session.run(
                "UPDATE connector SET lease_until = NULL WHERE id = $1 AND fence = $2", held.id, held.fence
            )


# Whoever asked for a run while this one was under way has one of its own.
_END = """
    UPDATE connector SET lease_until = NULL, ran_at = now(), problem = $2,
        status = CASE WHEN $2::text IS NULL THEN 'ACTIVE' ELSE 'RETRYING' END,
        failures = CASE WHEN $2::text IS NULL THEN 0 ELSE failures + 1 END,
        next_at = CASE WHEN asked THEN now() ELSE now() + make_interval(secs => $3) END
    WHERE id = $1 AND fence = $4 RETURNING next_at
"""


async def _write(session: Session, run_id: int, report: Report, next_at: datetime, *, keep: bool) -> None:
    """A run that had nothing to do leaves no report, unless somebody asked for it."""
    if not keep:
        await session.run("DELETE FROM connector_run WHERE id = $1", run_id)
        return
    await session.run(
        "UPDATE connector_run SET ended_at = now(), seen = $2, sent = $3, accepted = $4, attempts = $5, "
        "orders_read = $6, orders_placed = $7, refused_count = $8, refused = $9::jsonb, next_at = $10, problem = $11 "
        "WHERE id = $1",
        run_id,
        report.seen,
        report.sent,
        report.accepted,
        report.attempts,
        report.orders_read,
        report.orders_placed,
        report.refused_count,
        report.reasons,
        next_at,
        report.problem,
    )


async def of(session: Session, connector_id: UUID, *, before: int | None, first: int) -> list[Row]:
    """Reports, newest first; one that runs now has no end."""
    return await session.fetch(
        "SELECT * FROM connector_run WHERE connector_id = $1 AND ($2::bigint IS NULL OR id < $2) "
        "ORDER BY id DESC LIMIT $3",
        connector_id,
        before,
        first,
    )
