"""Pushing values: send the values that the channel does not have, in batches, and record the result of each value."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from datetime import datetime

from uriba.connectors import sent_values
from uriba.connectors.enums import ValueKind
from uriba.connectors.leases import ConnectorLease
from uriba.connectors.port import ChannelFailed, ConnectorPort, PushResult
from uriba.connectors.run_report import RunReport
from uriba.connectors.sent_values import OutgoingBatch
from uriba.db import Row

BATCH_TERM_FRACTION = 0.8
"""The fraction of the lease's term that one batch may take, so that nothing is sent after the lease has expired."""


async def push_values_and_commit(
    lease: ConnectorLease,
    port: ConnectorPort,
    channel: Row,
    *,
    report: RunReport,
    pauses: Sequence[float],
    began: datetime,
    until: float,
) -> None:
    """Send all values that differ, until the run's time is over. Errors: `ChannelFailed`, `LeaseLost`."""
    for kind in ValueKind:
        while await _push_batch_and_commit(lease, port, channel, kind, report=report, pauses=pauses, began=began):
            if asyncio.get_running_loop().time() >= until:
                report.more = True
                return


async def _push_batch_and_commit(
    lease: ConnectorLease,
    port: ConnectorPort,
    channel: Row,
    kind: ValueKind,
    *,
    report: RunReport,
    pauses: Sequence[float],
    began: datetime,
) -> bool:
    """Send one batch. Return whether there may be another.

    Its values are in doubt until the result is recorded: after a crash in between they are sent again.
    """
    async with lease.writing() as session:
        outgoing, seen = await sent_values.next_batch(session, lease.connector_id, channel, kind, began=began)
    report.seen += seen
    if outgoing is None:
        return seen > 0
    report.sent += len(outgoing.batch.rows)
    result = await _send(lease, port, outgoing, report)
    report.add_push(outgoing.batch, result)
    async with lease.writing() as session:
        await sent_values.record_push(
            session,
            lease.connector_id,
            outgoing,
            result,
            pauses=pauses,
            random_fraction=random.random(),  # noqa: S311
        )
    return True


async def _send(lease: ConnectorLease, port: ConnectorPort, outgoing: OutgoingBatch, report: RunReport) -> PushResult:
    try:
        async with asyncio.timeout(lease.term_s * BATCH_TERM_FRACTION):
            return await port.push(outgoing.batch)
    except TimeoutError as error:
        report.attempts += 1
        raise ChannelFailed("TIMEOUT") from error
    except ChannelFailed as failed:
        report.attempts += failed.attempts
        raise
