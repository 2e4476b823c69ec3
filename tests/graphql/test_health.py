"""Health, metrics, and unknown paths."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from uriba.db import Database

if TYPE_CHECKING:
    from tests.support.api_scenario import Scenario
    from tests.support.hub import RunningHub


@pytest.fixture
async def http(hub: RunningHub) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=hub.url.removesuffix("/graphql"), timeout=10) as client:
        yield client


async def test_a_running_hub_is_live(http: httpx.AsyncClient) -> None:
    response = await http.get("/health/live")

    assert (response.status_code, response.json()) == (200, {"status": "live"})


async def test_a_hub_with_its_database_is_ready(http: httpx.AsyncClient) -> None:
    response = await http.get("/health/ready")

    assert (response.status_code, response.json()) == (200, {"status": "ready"})


async def test_a_hub_without_its_database_is_live_but_not_ready(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    @asynccontextmanager
    async def away(_: Database) -> AsyncIterator[Any]:
        raise OSError("postgresql://secret@host is away")
        yield

    monkeypatch.setattr(Database, "reading", away)

    ready, live = await http.get("/health/ready"), await http.get("/health/live")

    assert (ready.status_code, ready.json()) == (503, {"status": "not ready", "reason": "OSError"})
    assert live.status_code == 200


async def counted(http: httpx.AsyncClient, outcome: str) -> float:
    """Return how many operations were timed so far."""
    metrics = (await http.get("/metrics")).text
    found = re.search(rf'^uriba_graphql_seconds_count{{outcome="{outcome}"}} (\S+)$', metrics, re.M)
    return float(found[1]) if found else 0


@pytest.mark.parametrize(("outcome", "document"), [("ok", "{ __typename }"), ("error", "{ nothing }")])
async def test_metrics_count_operations(
    http: httpx.AsyncClient, scenario: Scenario, outcome: str, document: str
) -> None:
    before = await counted(http, outcome)

    for _ in range(3):
        await scenario["guest"].post(document)

    assert await counted(http, outcome) == before + 3


async def test_metrics_are_in_the_format_of_prometheus(http: httpx.AsyncClient) -> None:
    response = await http.get("/metrics")

    assert response.headers["content-type"].startswith("text/plain")
    for name in ("uriba_graphql_seconds_bucket", "uriba_subscribers", "uriba_events_waiting", "uriba_events_relayed"):
        assert re.search(rf"^{name}", response.text, re.M), name


async def test_metrics_count_subscribers(http: httpx.AsyncClient, scenario: Scenario) -> None:
    document = "subscription ($c: ID!) { cartChanged(cartId: $c) { id } }"

    async with scenario["guest"].subscribe(document, c=scenario.cart_id("guest")) as subscription:
        await subscription.next()
        metrics = (await http.get("/metrics")).text

    found = re.search(r"^uriba_subscribers(?:{.*})? (\S+)$", metrics, re.M)
    assert found
    assert float(found[1]) >= 1


@pytest.mark.parametrize(
    "path", ["/", "/graphql/x", "/health", "/nothing", "/schema", "/docs", "/../etc/passwd", "/%00"]
)
async def test_an_unknown_path_is_answered_in_the_format_of_the_api(http: httpx.AsyncClient, path: str) -> None:
    response = await http.get(path)

    (error,) = response.json()["errors"]
    assert (response.status_code, error["extensions"]["code"]) == (404, "NOT_FOUND")
    assert error["message"]
    assert response.headers["x-content-type-options"] == "nosniff"
