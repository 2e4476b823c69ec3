"""Runs of connectors: a run detects changes, imports orders, pushes values, and leaves a report."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

import structlog

from uriba.catalog import channels
from uriba.checkout.completion import Checkout
from uriba.config import Settings
from uriba.connectors import change_detection, leases, order_import, push
from uriba.connectors.connector_records import ConnectorRecord
from uriba.connectors.enums import ConnectorKind
from uriba.connectors.file_connector import FileConnector
from uriba.connectors.leases import ConnectorLease, LeaseLost
from uriba.connectors.order_import import ImportContext
from uriba.connectors.port import ChannelFailed, ConnectorPort
from uriba.connectors.rest_connector import RestConnector
from uriba.connectors.run_report import RunReport
from uriba.connectors.settings import ConnectorSettings
from uriba.db import Database, Session
from uriba.db.session import await_uncancelled
from uriba.db.statements import statement
from uriba.outbound.client import OutboundClient
from uriba.outbound.retry_policy import retry_pause_s

CONCURRENT_RUNS_MAX = 8
"""Connectors that one process runs at the same time."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ConnectorRunner:
    """Runs the connectors of a hub. Any number of workers may have one: leases divide the connectors among them."""

    database: Database
    settings: Settings
    checkout: Checkout
    connector_settings: ConnectorSettings = field(default_factory=ConnectorSettings)

    async def run_due(self) -> int:
        """Run the connectors that are due, and return how many. A failure of one does not affect the others.

        Errors: the errors of the failed ones, in a group; they run again later.
        """
        claimed: list[tuple[ConnectorLease, ConnectorRecord]] = []
        while len(claimed) < CONCURRENT_RUNS_MAX and (
            next_due := await leases.claim_and_commit(self.database, term_s=self.connector_settings.lease_s)
        ):
            claimed.append(next_due)
        if not claimed:
            return 0
        async with OutboundClient(self.settings) as client:
            ends = await asyncio.gather(
                *(self.run(lease, connector, client) for lease, connector in claimed), return_exceptions=True
            )
        if failed := [end for end in ends if isinstance(end, Exception)]:
            raise ExceptionGroup("some connectors failed", failed)
        return len(claimed)

    def open_port(self, connector: ConnectorRecord, client: OutboundClient) -> ConnectorPort:
        """Return the transport to a connector's channel."""
        if connector.kind is ConnectorKind.FILE:
            folder = self.connector_settings.dir or self.settings.data_dir / "connectors"
            return FileConnector(folder / connector.code)
        assert connector.url is not None
        return RestConnector(
            url=connector.url,
            token=connector.token,
            name=str(connector.id),
            client=client,
            settings=self.connector_settings,
        )

    async def run(
        self,
        lease: ConnectorLease,
        connector: ConnectorRecord,
        client: OutboundClient,
        *,
        port: ConnectorPort | None = None,
    ) -> RunReport | None:
        """Run a leased connector once. Return the report, or None if the lease was lost."""
        report = RunReport()
        try:
            run_id, began = await self._start_report(lease)
            try:
                channel_port = port or self.open_port(connector, client)
                retry_after_s = await self._work(lease, connector, channel_port, began, report)
            except LeaseLost:
                raise
            except Exception as error:
                report.problem = f"FAULT: {type(error).__name__}"
                await self._finish(lease, connector, run_id, report, None)
                raise
            await self._finish(lease, connector, run_id, report, retry_after_s)
        except LeaseLost:
            log.debug("lease of connector lost", connector=connector.code)
            return None
        except asyncio.CancelledError:
            with suppress(Exception):
                await await_uncancelled(lease.release_and_commit())
            raise
        return report

    async def _work(
        self,
        lease: ConnectorLease,
        connector: ConnectorRecord,
        port: ConnectorPort,
        began: datetime,
        report: RunReport,
    ) -> float | None:
        """Detect changes, import orders and push values. Return the pause that the channel asks for.

        A failure of the import does not stop the push, nor the other way round. After a failed run their order changes,
        so that neither always uses up the time of the other.
        """
        async with self.database.reading() as session:
            channel = (await channels.by_id(session, [connector.channel_id]))[connector.channel_id]
        settings = self.connector_settings
        await change_detection.mark_changes_and_commit(lease, compare_s=settings.compare_s)
        until = asyncio.get_running_loop().time() + settings.turn_s
        context = ImportContext(lease, port, connector, channel, self.checkout, settings, report, began, until)
        import_orders = partial(order_import.import_orders_and_commit, context)
        push_values = partial(
            push.push_values_and_commit,
            lease,
            port,
            channel,
            report=report,
            pauses=settings.retry_s,
            began=began,
            until=until,
        )
        retry_after_s: float | None = None
        steps = (import_orders, push_values) if connector.failures % 2 == 0 else (push_values, import_orders)
        for step in steps:
            try:
                await step()
            except ChannelFailed as failed:
                report.problem = report.problem or failed.reason
                retry_after_s = max(retry_after_s or 0.0, failed.retry_after_s or 0.0)
        return retry_after_s

    async def _start_report(self, lease: ConnectorLease) -> tuple[int, datetime]:
        """Create the report of a run; return its id and when the run began. A report that was never ended is closed."""
        connector_id = lease.connector_id
        async with lease.writing() as session:
            await session.run(_END_INTERRUPTED, connector_id=connector_id)
            await session.run(_DELETE_OLD, connector_id=connector_id, term_s=self.connector_settings.run_term_s)
            row = await session.fetchrow(_START, connector_id=connector_id)
        assert row is not None
        return row["id"], row["began_at"]

    async def _finish(
        self,
        lease: ConnectorLease,
        connector: ConnectorRecord,
        run_id: int,
        report: RunReport,
        retry_after_s: float | None,
    ) -> None:
        """End the lease, set the time of the next run, and store the report."""
        async with lease.writing() as session:
            next_at = await session.fetchval(
                _FINISH,
                connector_id=lease.connector_id,
                fence=lease.fence,
                problem=report.problem,
                pause_s=self._pause_s(connector, report, retry_after_s),
            )
            keep = connector.run_requested or not report.is_idle
            await _store_report(session, run_id, report, next_at, keep=keep)

    def _pause_s(self, connector: ConnectorRecord, report: RunReport, retry_after_s: float | None) -> float:
        if report.problem is None:
            return 0.0 if report.more else float(connector.every_s)
        pauses = self.connector_settings.retry_s
        pause_s = retry_pause_s(
            min(connector.failures + 1, len(pauses)),
            pauses,
            random_fraction=random.random(),  # noqa: S311
            retry_after_s=retry_after_s,
        )
        assert pause_s is not None
        return pause_s


_END_INTERRUPTED = statement("""
    UPDATE connector_run SET ended_at = now(), problem = 'INTERRUPTED'
    WHERE connector_id = :connector_id AND ended_at IS NULL
""")
_DELETE_OLD = statement("""
    DELETE FROM connector_run
    WHERE connector_id = :connector_id AND began_at < now() - make_interval(secs => :term_s)
""")
_START = statement("INSERT INTO connector_run (connector_id) VALUES (:connector_id) RETURNING id, began_at")

# A run that was requested during this one begins at once.
_FINISH = statement("""
    UPDATE connector SET lease_until = NULL, ran_at = now(), problem = :problem,
        status = CASE WHEN :problem::text IS NULL THEN 'ACTIVE' ELSE 'RETRYING' END,
        failures = CASE WHEN :problem::text IS NULL THEN 0 ELSE failures + 1 END,
        next_at = CASE WHEN asked THEN now() ELSE now() + make_interval(secs => :pause_s) END
    WHERE id = :connector_id AND fence = :fence RETURNING next_at
""")


async def _store_report(session: Session, run_id: int, report: RunReport, next_at: datetime, *, keep: bool) -> None:
    """Store the report of an ended run, or delete it if it is not to be kept."""
    if not keep:
        await session.run(_DELETE, run_id=run_id)
        return
    await session.run(
        _STORE,
        run_id=run_id,
        seen=report.seen,
        sent=report.sent,
        accepted=report.accepted,
        attempts=report.attempts,
        orders_read=report.orders_read,
        orders_placed=report.orders_placed,
        refused_count=report.refused_count,
        refused=report.refused_json,
        next_at=next_at,
        problem=report.problem,
    )


_DELETE = statement("DELETE FROM connector_run WHERE id = :run_id")
_STORE = statement("""
    UPDATE connector_run SET ended_at = now(), seen = :seen, sent = :sent, accepted = :accepted, attempts = :attempts,
        orders_read = :orders_read, orders_placed = :orders_placed, refused_count = :refused_count,
        refused = :refused::jsonb, next_at = :next_at, problem = :problem
    WHERE id = :run_id
""")
