"""Control characters, NUL and lone surrogates are refused in every text of every field of the schema."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from itertools import cycle
from typing import TYPE_CHECKING, Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLObjectType,
    get_named_type,
    get_nullable_type,
)

from tests.support.client import Refused
from tests.support.shop import ERRORS
from uriba.config import Settings
from uriba.graphql.schema import api_schema

if TYPE_CHECKING:
    from tests.support.api_scenario import Scenario
    from tests.support.table_rows import Unchanged

SCHEMA = api_schema(Settings())._schema
TEXTS = {"String", "ID", "Decimal"}
SAMPLES = {
    "String": "x",
    "ID": "x",
    "Decimal": "1",
    "Int": 1,
    "Float": 1.5,
    "Boolean": False,
    "DateTime": "2026-01-01T00:00:00Z",
}
CONTROLS = ("\x00", "\x01", "\x0b", "\r", "\x1b", "\x7f", "\x85", "\x9f")


def sample(kind: Any) -> Any:
    """Return a value of an input type, with every field set, and one row in every list."""
    kind = get_nullable_type(kind)
    if isinstance(kind, GraphQLList):
        return [sample(kind.of_type)]
    if isinstance(kind, GraphQLInputObjectType):
        return {name: sample(field.type) for name, field in kind.fields.items()}
    if isinstance(kind, GraphQLEnumType):
        return next(iter(kind.values))
    return SAMPLES[kind.name]


def texts(kind: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    """Yield the paths of all texts within an input type."""
    kind = get_nullable_type(kind)
    if isinstance(kind, GraphQLList):
        yield from texts(kind.of_type, (*path, 0))
    elif isinstance(kind, GraphQLInputObjectType):
        for name, field in kind.fields.items():
            yield from texts(field.type, (*path, name))
    elif kind.name in TEXTS:
        yield path


def put(variables: dict[str, Any], path: tuple[str | int, ...], text: str) -> dict[str, Any]:
    """Return the variables with this text at a path."""
    changed: Any = deepcopy(variables)
    at = changed
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = text
    return changed  # type: ignore[no-any-return]


def with_control_characters(field: Any) -> Iterator[tuple[list[str], dict[str, Any]]]:
    """Yield variables for a field's arguments, with a control character in one text each, and its path."""
    variables = {name: sample(argument.type) for name, argument in field.args.items()}
    controls = cycle(CONTROLS)
    for name, argument in field.args.items():
        for path in texts(argument.type, (name,)):
            yield [str(step) for step in path if step != "input"], put(variables, path, f"a{next(controls)}b")


def document(operation: str, name: str, field: Any, selection: str) -> str:
    declared = ", ".join(f"${name}: {argument.type}" for name, argument in field.args.items())
    arguments = ", ".join(f"{name}: ${name}" for name in field.args)
    return f"{operation} ({declared}) {{ {name}({arguments}) {selection} }}"


ROW_BY_ROW = frozenset({"posSync"})
"""These check each fact by itself: tests/pos has their invalid texts."""


def with_texts(root: GraphQLObjectType | None) -> list[str]:
    assert root is not None
    return [name for name, field in root.fields.items() if any(texts(a.type, ()) for a in field.args.values())]


@pytest.mark.parametrize("name", [name for name in with_texts(SCHEMA.mutation_type) if name not in ROW_BY_ROW])
async def test_refuses_control_characters_in_every_text_of_a_mutation(
    scenario: Scenario, unchanged: Unchanged, name: str
) -> None:
    assert SCHEMA.mutation_type is not None
    field = SCHEMA.mutation_type.fields[name]
    caller = scenario["till" if name in {"checkout", "orderExchange", "refundPayOut"} else "staff"]
    mutation = document("mutation", name, field, f"{{ {ERRORS} }}")
    tried = 0

    async with unchanged():
        for path, variables in with_control_characters(field):
            payload = await caller.mutate(mutation, **variables)

            assert [(e["code"], e["path"]) for e in payload["errors"]] == [("INVALID", path)]
            tried += 1

    assert tried


@pytest.mark.parametrize("name", with_texts(SCHEMA.query_type))
async def test_refuses_control_characters_in_every_text_of_a_query(scenario: Scenario, name: str) -> None:
    assert SCHEMA.query_type is not None
    field = SCHEMA.query_type.fields[name]
    query = document("query", name, field, "{ __typename }")
    tried = 0

    for path, variables in with_control_characters(field):
        errors = (await scenario["till" if name == "posPull" else "staff"].post(query, **variables))["errors"]

        assert [(e["extensions"]["code"], e["extensions"]["argument"]) for e in errors] == [("INVALID", path)]
        tried += 1

    assert tried


@pytest.mark.parametrize("name", with_texts(SCHEMA.subscription_type))
async def test_refuses_control_characters_in_every_text_of_a_subscription(scenario: Scenario, name: str) -> None:
    assert SCHEMA.subscription_type is not None
    field = SCHEMA.subscription_type.fields[name]
    subscription = document("subscription", name, field, "{ __typename }")
    tried = 0

    for path, variables in with_control_characters(field):
        async with scenario["staff"].subscribe(subscription, **variables) as subscribed:
            with pytest.raises(Refused) as refused:
                await subscribed.next()

        (error,) = refused.value.errors
        assert (error["extensions"]["code"], error["extensions"]["argument"]) == ("INVALID", path)
        tried += 1

    assert tried


@pytest.mark.parametrize("field", ["price", "availability"])
@pytest.mark.parametrize("root", ["variant", "products", "node"])
async def test_refuses_control_characters_within_a_row(scenario: Scenario, field: str, root: str) -> None:
    part = f"{field}(channel: $text) {{ __typename }}"
    query = {
        "variant": f"query ($text: String, $sku: String) {{ variant(sku: $sku) {{ {part} }} }}",
        "products": f"query ($text: String) {{ products(first: 1) {{ edges {{ node {{ variants {{ {part} }}}}}}}}}}",
        "node": f"query ($text: String, $id: ID!) {{ node(id: $id) {{ ... on Variant {{ {part} }} }} }}",
    }[root]
    data = await scenario["guest"].execute("query ($s: String) { variant(sku: $s) { id } }", s=scenario.shop.sku("TEA"))

    answer = await scenario["guest"].post(query, text="a\x00b", sku=scenario.shop.sku("TEA"), id=data["variant"]["id"])

    codes = {(e["extensions"]["code"], *e["extensions"]["argument"]) for e in answer["errors"]}
    assert codes == {("INVALID", "channel")}


@pytest.mark.parametrize("written", ["\\u0000", "\x00", "\x1b"])
async def test_refuses_a_control_character_within_a_document(scenario: Scenario, written: str) -> None:
    with pytest.raises(Refused) as refused:
        await scenario["guest"].execute(f'{{ variant(sku: "a{written}b") {{ sku }} }}')

    assert refused.value.codes == ["INVALID"]


@pytest.mark.parametrize("written", ['"\\ud800"', '"\\udc00\\ud800"', "\x00"])
async def test_refuses_a_document_with_lone_surrogates_or_raw_control_characters(
    scenario: Scenario, written: str
) -> None:
    with pytest.raises(Refused) as refused:
        await scenario["guest"].execute(f"{{ variant(sku: {written}) {{ sku }} }}")

    assert refused.value.codes == ["GRAPHQL_PARSE_FAILED"]


async def test_accepts_text_of_every_script(scenario: Scenario) -> None:
    name = "寿司 🍣 ñ \u202e \u200d é\u0301 'quoted' \"twice\" \\ ; DROP TABLE cart --"
    mutation = f"mutation ($c: [CustomerInput!]!) {{ customersUpsert(customers: $c) {{ {ERRORS} }} }}"
    card = scenario.shop.code("SCRIPT")

    payload = await scenario["staff"].mutate(mutation, c=[{"loyaltyCard": card, "name": name}])

    assert payload["errors"] == []
    found = await scenario["staff"].execute("query ($c: String) { customer(loyaltyCard: $c) { name } }", c=card)
    assert found["customer"]["name"] == name


def test_every_text_scalar_is_covered() -> None:
    kinds = {get_named_type(argument.type).name for root in ROOTS for argument in arguments(root)}

    assert kinds - set(SAMPLES) - INPUTS == set()


ROOTS = [SCHEMA.query_type, SCHEMA.mutation_type, SCHEMA.subscription_type]
INPUTS = {name for name, kind in SCHEMA.type_map.items() if isinstance(kind, (GraphQLInputObjectType, GraphQLEnumType))}


def arguments(root: Any) -> list[Any]:
    return [argument for field in root.fields.values() for argument in field.args.values()]
