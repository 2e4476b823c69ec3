"""The sweeps of alerts as tests run them, and their effects."""

from __future__ import annotations

from typing import Any

from tests.support.shop import ERRORS, Shop
from tests.support.waiting import wait_for_positions
from uriba.core.ids import global_id
from uriba.db import Session
from uriba.db.statements import dynamic_statement
from uriba.worker import sweeps

ALERTS = """query ($s: AlertStatus, $k: AlertKind, $l: String) { alerts(status: $s, kind: $k, location: $l, first: 100) {
    edges { node { id kind status subject value threshold location { code } openedAt closedAt acknowledgedAt
        acknowledgedBy } } } }"""
ACKNOWLEDGE = f"mutation ($id: ID!) {{ alertAcknowledge(id: $id) {{ alert {{ acknowledgedBy }} {ERRORS} }} }}"
ALERT_EVENTS = """query ($after: String) {
    events(after: $after, first: 100, types: ["alert.opened", "alert.closed"]) {
        edges { node { type subject version data } } pageInfo { endCursor hasNextPage } } }"""


async def run_alert_sweeps(shop: Shop) -> None:
    """Run both sweeps once, over all events until now."""
    await wait_for_positions(shop.hub.database)
    await sweeps.watch_alerts(shop.hub.work)
    await sweeps.watch_stock(shop.hub.work)


async def alerts_about(shop: Shop, subject: str, kind: str | None = None) -> list[dict[str, Any]]:
    """Return the alerts about a subject ("Kind:key"), oldest first."""
    found = await shop.staff.execute(ALERTS, k=kind)
    name, _, key = subject.partition(":")
    nodes = [edge["node"] for edge in found["alerts"]["edges"]]
    return [node for node in reversed(nodes) if node["subject"] == global_id(name, key)]


async def alert_statuses(shop: Shop, subject: str) -> list[str]:
    """Return the statuses of the alerts about a subject, oldest first."""
    return [alert["status"] for alert in await alerts_about(shop, subject)]


async def alert_events(shop: Shop, alert_id: str) -> list[tuple[str, int, Any]]:
    """Return the events of an alert: types, versions and data."""
    await wait_for_positions(shop.hub.database)
    nodes, after, more = [], None, True
    while more:
        page = (await shop.staff.execute(ALERT_EVENTS, after=after))["events"]
        nodes += [edge["node"] for edge in page["edges"]]
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    return [(node["type"], node["version"], node["data"]) for node in nodes if node["subject"] == alert_id]


async def execute_sql(shop: Shop, sql: str, **params: object) -> None:
    """Run SQL against the hub's tables, to change times."""
    async with shop.hub.database.transaction() as session:
        await session.run(dynamic_statement(sql), **params)


async def set_opening_hours(shop: Shop, hours: str = "00:00-24:00") -> None:
    """Set the opening hours of S1; without hours it is always open."""
    await execute_sql(
        shop, "UPDATE location SET opening_hours = :hours WHERE code = :code", code=shop.code("S1"), hours=hours
    )


async def remove_stock(shop: Shop, **units: int) -> None:
    """Take units away: remove(TEA_S1=3)."""
    await shop.receive(**{name: -count for name, count in units.items()})


class CountingSession(Session):
    """A session that counts its statements."""

    def __init__(self, driver: Any) -> None:
        super().__init__(_CountingDriver(driver))

    @property
    def count(self) -> int:
        count: int = self.driver.count
        return count


class _CountingDriver:
    def __init__(self, driver: Any) -> None:
        self._driver, self.count = driver, 0

    def __getattr__(self, name: str) -> Any:
        if name in ("fetch", "fetchrow", "fetchval", "execute"):
            self.count += 1
        return getattr(self._driver, name)
