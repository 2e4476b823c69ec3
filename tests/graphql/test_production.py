"""Production settings: no introspection, no GraphiQL, no sandbox gateway, no field suggestions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from uriba import app, logs
from uriba.config import Env, UnsafeSettings

if TYPE_CHECKING:
    from tests.support.api_scenario import Scenario
    from tests.support.hub import RunningHub

INTROSPECTION = {
    "schema": "{ __schema { types { name } } }",
    "type": '{ __type(name: "Cart") { fields { name } } }',
    "within": "{ channels { code } __schema { queryType { name } } }",
    "in a fragment": "{ ...A } fragment A on Query { __schema { queryType { name } } }",
}


@asynccontextmanager
async def in_production(hub: RunningHub) -> AsyncIterator[httpx.AsyncClient]:
    """An API with production settings on the same engines, in this process."""
    settings = hub.settings.model_copy(update={"env": Env.PRODUCTION}).check()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logs, "configure", lambda _: None)
        made = app.create(settings)
    transport = httpx.ASGITransport(app=made)  # type: ignore[arg-type]
    async with made.lifespan(), httpx.AsyncClient(transport=transport, base_url="http://hub") as client:
        yield client


async def ask(client: httpx.AsyncClient, query: str, **variables: Any) -> dict[str, Any]:
    async with asyncio.timeout(10):
        response = await client.post("/graphql", json={"query": query, "variables": variables})
    answer: dict[str, Any] = response.json()
    return answer


@pytest.mark.parametrize("name", INTROSPECTION)
async def test_production_refuses_introspection(hub: RunningHub, name: str) -> None:
    async with in_production(hub) as client:
        answer = await ask(client, INTROSPECTION[name])

    assert answer["data"] is None
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"GRAPHQL_VALIDATION_FAILED"}


@pytest.mark.parametrize("name", INTROSPECTION)
async def test_development_allows_introspection(scenario: Scenario, name: str) -> None:
    assert "errors" not in await scenario["guest"].post(INTROSPECTION[name])


async def test_production_answers_queries(hub: RunningHub, scenario: Scenario) -> None:
    async with in_production(hub) as client:
        answer = await ask(client, "{ channels { __typename code } }")

    assert {"__typename": "Channel", "code": scenario.shop.code("app")} in answer["data"]["channels"]


async def test_production_suggests_no_field_names(hub: RunningHub, scenario: Scenario) -> None:
    document = "{ channel { code } }"

    async with in_production(hub) as client:
        (theirs,) = (await ask(client, document))["errors"]
    (ours,) = (await scenario["guest"].post(document))["errors"]

    assert "Did you mean" in ours["message"]
    assert "Did you mean" not in theirs["message"]


async def test_production_serves_no_graphiql(hub: RunningHub) -> None:
    async with in_production(hub) as client:
        response = await client.get("/graphql", headers={"accept": "text/html"})

    assert response.status_code == 405
    assert "html" not in response.text


async def test_development_serves_graphiql_to_browsers(scenario: Scenario) -> None:
    web = scenario["guest"]

    page = await web.http.get(web.url, headers={"accept": "text/html,application/xhtml+xml"})

    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "GraphiQL" in page.text
    assert "query Browse" in page.text


async def test_production_has_no_sandbox_payments(hub: RunningHub, scenario: Scenario) -> None:
    mutation = "mutation ($i: CheckoutInput!) { checkout(input: $i) { order { id } errors { code path } } }"
    payment = {"method": "TEST", "token": "ok", "amount": {"amount": "1796", "currency": "JPY"}}

    asked = {"cartId": scenario.cart_id("guest"), "idempotencyKey": "k", "payments": [payment]}

    async with in_production(hub) as client:
        answer = await ask(client, mutation, i=asked)

    assert answer["data"]["checkout"] == {
        "order": None,
        "errors": [{"code": "INVALID", "path": ["payments", "0", "method"]}],
    }


@pytest.mark.parametrize("overrides", [{"database_url": None}, {"valkey_url": None}, {"introspection": True}])
def test_production_does_not_start_with_development_settings(hub: RunningHub, overrides: dict[str, Any]) -> None:
    settings = hub.settings.model_copy(update={"env": Env.PRODUCTION, "data_dir": Path(), **overrides})

    with pytest.raises(UnsafeSettings):
        settings.check()
