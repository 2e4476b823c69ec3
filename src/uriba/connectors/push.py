"""Pushing: the channel is told what it does not have, in batches, and what it took is written down row by row."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from datetime import datetime

from uriba.connectors import sent_values
from uriba.connectors.leases import Held
from uriba.connectors.models import ValueKind
from uriba.connectors.port import ChannelFailed, Connector, Pushed
from uriba.connectors.run_report import Report
from uriba.connectors.sent_values import Outgoing
from uriba.db import Row

OF_TERM = 0.8
"""Of a lease's term, at most so much is one batch under way: nothing is sent by who may have lost it."""


async def push(
    held: Held, port: Connector, channel: Row, *, report: Report, pauses: Sequence[float], began: datetime, until: float
) -> None:
    """Tell all that differs, until the turn is over. Errors: `ChannelFailed`, `leases.Lost`."""
    for kind in ValueKind:
        while await _next(held, port, channel, kind, report=report, pauses=pauses, began=began):
            if asyncio.get_running_loop().time() >= until:
                report.more = True
                return


async def _next(
    held: Held,
    port: Connector,
    channel: Row,
    kind: ValueKind,
    *,
    report: Report,
    pauses: Sequence[float],
    began: datetime,
) -> bool:
    """One batch; whether there may be another. What is sent is in doubt until it is written down that it was taken:
    whoever dies in between has it told again.
    """
    async with held.writing() as session:
        outgoing, seen = await sent_values.take(session, held.id, channel, kind, began=began)
    report.seen += seen
    if outgoing is None:
        return seen > 0
    report.sent += len(outgoing.batch.rows)
    pushed = await _sent(held, port, outgoing, report)
    report.took(outgoing.batch, pushed)
    async with held.writing() as session:
        await sent_values.record(
            session,
            held.id,
            outgoing,
            pushed,
            pauses=pauses,
            dice=random.random(),  # noqa: S311
        )
    return True


async def _sent(held: Held, port: Connector, outgoing: Outgoing, report: Report) -> Pushed:
    try:
        async with asyncio.timeout(held.term_s * OF_TERM):
            return await port.push(outgoing.batch)
    except TimeoutError as error:
        report.attempts += 1
        raise ChannelFailed("TIMEOUT") from error
    except ChannelFailed as failed:
        report.attempts += failed.attempts
        raise
