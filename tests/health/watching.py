"""The sweeps of alerts as tests run them, and what came of them."""

from __future__ import annotations

from typing import Any

from patience import numbered
from shop import ERRORS, Shop
from uriba.core.ids import global_id
from uriba.db import Session
from uriba.worker import sweeps

ALERTS = """query ($s: AlertStatus, $k: AlertKind, $l: String) { alerts(status: $s, kind: $k, location: $l, first: 100) {
    edges { node { id kind status subject value threshold location { code } openedAt closedAt acknowledgedAt
        acknowledgedBy } } } }"""
ACKNOWLEDGE = f"mutation ($id: ID!) {{ alertAcknowledge(id: $id) {{ alert {{ acknowledgedBy }} {ERRORS} }} }}"


async def look(shop: Shop) -> None:
    """Both sweeps once, over all that happened until now."""
    await numbered(shop.hub.database)
    await sweeps.watch_alerts(shop.hub.work)
    await sweeps.watch_stock(shop.hub.work)


async def about(shop: Shop, subject: str, kind: str | None = None) -> list[dict[str, Any]]:
    """Alerts of one subject ("Kind:key"), oldest first."""
    found = await shop.staff.run(ALERTS, k=kind)
    name, _, key = subject.partition(":")
    nodes = [edge["node"] for edge in found["alerts"]["edges"]]
    return [node for node in reversed(nodes) if node["subject"] == global_id(name, key)]


async def statuses(shop: Shop, subject: str) -> list[str]:
    """What became of the alerts about a subject."""
    return [alert["status"] for alert in await about(shop, subject)]


async def told(shop: Shop, alert_id: str) -> list[tuple[str, int, Any]]:
    """What the feed says of an alert: types, versions and data."""
    await numbered(shop.hub.database)
    data = await shop.staff.run(
        """query ($after: String) { events(after: $after, first: 100, types: ["alert.opened", "alert.closed"]) {
            edges { node { type subject version data } } pageInfo { endCursor hasNextPage } } }"""
    )
    found = list(data["events"]["edges"])
    while data["events"]["pageInfo"]["hasNextPage"]:
        data = await shop.staff.run(
            """query ($after: String) { events(after: $after, first: 100, types: ["alert.opened", "alert.closed"]) {
                edges { node { type subject version data } } pageInfo { endCursor hasNextPage } } }""",
            after=data["events"]["pageInfo"]["endCursor"],
        )
        found += data["events"]["edges"]
    nodes = [edge["node"] for edge in found]
    return [(node["type"], node["version"], node["data"]) for node in nodes if node["subject"] == alert_id]


async def run(shop: Shop, sql: str, *args: object) -> None:
    """Move time in the data."""
    async with shop.hub.database.transaction() as session:
        await session.run(sql, *args)


async def open_always(shop: Shop, hours: str = "00:00-24:00") -> None:
    """The opening hours of S1."""
    await run(shop, "UPDATE location SET opening_hours = $2 WHERE code = $1", shop.code("S1"), hours)


async def remove(shop: Shop, **units: int) -> None:
    """Goods are gone: remove(TEA_S1=3)."""
    await shop.receive(**{name: -count for name, count in units.items()})


class Counted(Session):
    """A session that counts its statements."""

    def __init__(self, driver: Any) -> None:
        super().__init__(_Driver(driver))

    @property
    def count(self) -> int:
        count: int = self.driver.count
        return count


class _Driver:
    def __init__(self, driver: Any) -> None:
        self._driver, self.count = driver, 0

    def __getattr__(self, name: str) -> Any:
        if name in ("fetch", "fetchrow", "fetchval", "execute"):
            self.count += 1
        return getattr(self._driver, name)
