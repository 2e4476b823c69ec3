"""The sweeps: tasks that find due work in PostgreSQL, at least once and in any process.

Each returns how many rows it has processed. A sweep may run in several workers at the same time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from uriba.access import guess_limits, keys
from uriba.alerts import alerts, low_stock
from uriba.cart import carts
from uriba.checkout import completion
from uriba.checkout.completion import Checkout
from uriba.config import Settings
from uriba.connectors.runs import ConnectorRunner
from uriba.core import clock
from uriba.db import Database, idempotency
from uriba.fulfillment.allocation import backorders, rejections, shortages
from uriba.fulfillment.lifecycle import pickups
from uriba.health.alert_sources import alert_sources
from uriba.inventory import holds
from uriba.orders import till_returns
from uriba.outbox import feed
from uriba.outbox.hints import Hints
from uriba.webhooks import deliveries


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """The objects that relay and sweeps use."""

    database: Database
    settings: Settings
    checkout: Checkout
    hints: Hints


@dataclass(frozen=True, slots=True)
class Sweep:
    """A task that runs every `every_s` seconds, for at most `timeout_s`, and returns how many rows it has processed."""

    name: str
    every_s: int
    timeout_s: int
    run: Callable[[WorkerContext], Awaitable[int]]


async def finish_checkouts(context: WorkerContext) -> int:
    """Complete or undo the checkouts whose payment provider has not given its answer."""
    return await completion.sweep(context.checkout)


async def settle_payments(context: WorkerContext) -> int:
    """Carry out the payment operations that are due."""
    return await context.checkout.settlement.sweep()


async def expire_pickups(context: WorkerContext) -> int:
    """Expire each pickup in a transaction of its own, so that one that fails does not stop the others.

    Errors: an exception group of what the failed ones raised; the next sweep finds them again.
    """
    async with context.database.reading() as session:
        overdue = await pickups.overdue(session)
    ended, failed = 0, []
    for fulfillment_id, order_id in overdue:
        try:
            async with context.database.transaction() as session:
                ended += await pickups.expire(session, fulfillment_id, order_id)
        except Exception as error:
            failed.append(error)
    if failed:
        raise ExceptionGroup("some pickups could not be expired", failed)
    return ended


async def clear_counted(context: WorkerContext) -> int:
    """Resolve rejections whose units have been counted since: the count says what is there."""
    async with context.database.transaction() as session:
        return await rejections.resolve_counted(session)


async def expire_holds(context: WorkerContext) -> int:
    """Release the stock of holds that have expired."""
    async with context.database.transaction() as session:
        return await holds.expire(session)


async def link_returns(context: WorkerContext) -> int:
    """Link returns of tills to their sales, where the tills sent both at the same moment."""
    async with context.database.transaction() as session:
        return await till_returns.link_recent(session)


async def expire_carts(context: WorkerContext) -> int:
    """Expire carts that were not changed for the cart term."""
    async with context.database.transaction() as session:
        return await carts.expire(session, older_than_s=context.settings.cart_term_s)


async def resource_shortages(context: WorkerContext) -> int:
    """Settle each level's shortage in a transaction of its own, so that locks are few and short.

    A level that fails does not stop the others. Errors: an exception group of what the failed ones raised; the next
    sweep finds them again.
    """
    async with context.database.reading() as session:
        short = await shortages.short_levels(session, limit=100)
    moved, failed = 0, []
    for level in short:
        try:
            async with context.database.transaction() as session:
                moved += await shortages.reallocate_short_level(session, level)
        except Exception as error:
            failed.append(error)
    if failed:
        raise ExceptionGroup("some shortages could not be settled", failed)
    return moved


async def serve_backorders(context: WorkerContext) -> int:
    """Allocate stock to back-orders that can be served."""
    async with context.database.transaction() as session:
        return await backorders.fill_waiting(session, limit=100)


async def watch_alerts(context: WorkerContext) -> int:
    """Open and close alerts by their rules."""
    async with context.database.transaction() as session:
        sources = alert_sources(default_hours=context.settings.opening_hours)
        return await alerts.evaluate(session, sources, now=clock.now())


async def watch_stock(context: WorkerContext) -> int:
    """Open and close alerts on low stock, in a transaction for each batch of the feed, so that none is read twice."""
    changed, more = 0, True
    while more:
        async with context.database.transaction() as session:
            changed_in_batch, more = await low_stock.scan(session, low=context.settings.low_stock)
        changed += changed_in_batch
    return changed


async def run_connectors(context: WorkerContext) -> int:
    """Run the connectors that are due."""
    return await ConnectorRunner(context.database, context.settings, context.checkout).run_due()


async def forget_old(context: WorkerContext) -> int:
    """Delete answers, keys, deliveries and events whose terms have ended."""
    async with context.database.transaction(notify=False) as session:
        return (
            await idempotency.forget(session, older_than_s=context.settings.idempotency_term_s)
            + await keys.delete_expired(session)
            + await guess_limits.forget(session, older_than_s=context.settings.handoff_term_s)
            + await deliveries.delete_ended(session, older_than_s=context.settings.delivery_term_s)
            + await feed.forget(
                session,
                older_than_s=context.settings.event_term_s,
                needed_after=await deliveries.needed_after(session),
            )
        )


SWEEPS = (
    Sweep("finish_checkouts", every_s=5, timeout_s=60, run=finish_checkouts),
    Sweep("settle_payments", every_s=5, timeout_s=60, run=settle_payments),
    Sweep("expire_pickups", every_s=30, timeout_s=60, run=expire_pickups),
    Sweep("clear_counted", every_s=10, timeout_s=30, run=clear_counted),
    Sweep("expire_holds", every_s=1, timeout_s=30, run=expire_holds),
    Sweep("resource_shortages", every_s=2, timeout_s=60, run=resource_shortages),
    Sweep("serve_backorders", every_s=10, timeout_s=30, run=serve_backorders),
    Sweep("link_returns", every_s=10, timeout_s=30, run=link_returns),
    Sweep("expire_carts", every_s=60, timeout_s=30, run=expire_carts),
    Sweep("watch_alerts", every_s=5, timeout_s=30, run=watch_alerts),
    Sweep("watch_stock", every_s=5, timeout_s=60, run=watch_stock),
    Sweep("forget_old", every_s=60, timeout_s=60, run=forget_old),
    Sweep("run_connectors", every_s=2, timeout_s=120, run=run_connectors),
)
"""All sweeps."""
