"""Control characters, NUL and half characters enter nowhere: every text of every field is tried, from the schema."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from itertools import cycle
from typing import TYPE_CHECKING, Any

import pytest

from client import Refused
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLObjectType,
    get_named_type,
    get_nullable_type,
)
from shop import ERRORS
from uriba.config import Settings
from uriba.graphql.schema import api_schema

if TYPE_CHECKING:
    from stages import Stage

    from conftest import Unchanged

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
    """A value of an input type, with every field given, and one row in every list."""
    kind = get_nullable_type(kind)
    if isinstance(kind, GraphQLList):
        return [sample(kind.of_type)]
    if isinstance(kind, GraphQLInputObjectType):
        return {name: sample(field.type) for name, field in kind.fields.items()}
    if isinstance(kind, GraphQLEnumType):
        return next(iter(kind.values))
    return SAMPLES[kind.name]


def texts(kind: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    """The paths of all texts within an input type."""
    kind = get_nullable_type(kind)
    if isinstance(kind, GraphQLList):
        yield from texts(kind.of_type, (*path, 0))
    elif isinstance(kind, GraphQLInputObjectType):
        for name, field in kind.fields.items():
            yield from texts(field.type, (*path, name))
    elif kind.name in TEXTS:
        yield path


def put(variables: dict[str, Any], path: tuple[str | int, ...], text: str) -> dict[str, Any]:
    """The variables with a text at a path."""
    changed: Any = deepcopy(variables)
    at = changed
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = text
    return changed  # type: ignore[no-any-return]


def spoilt(field: Any) -> Iterator[tuple[list[str], dict[str, Any]]]:
    """Variables for a field's arguments with a control character in one text each, and where it is."""
    variables = {name: sample(argument.type) for name, argument in field.args.items()}
    controls = cycle(CONTROLS)
    for name, argument in field.args.items():
        for path in texts(argument.type, (name,)):
            yield [str(step) for step in path if step != "input"], put(variables, path, f"a{next(controls)}b")


def document(operation: str, name: str, field: Any, selection: str) -> str:
    declared = ", ".join(f"${name}: {argument.type}" for name, argument in field.args.items())
    given = ", ".join(f"{name}: ${name}" for name in field.args)
    return f"{operation} ({declared}) {{ {name}({given}) {selection} }}"


ROW_BY_ROW = frozenset({"posSync"})
"""Judges each fact by itself: tests/pos has its bad texts."""


def with_texts(root: GraphQLObjectType | None) -> list[str]:
    assert root is not None
    return [name for name, field in root.fields.items() if any(texts(a.type, ()) for a in field.args.values())]


@pytest.mark.parametrize("name", [name for name in with_texts(SCHEMA.mutation_type) if name not in ROW_BY_ROW])
async def test_refuses_control_characters_in_every_text_of_a_mutation(
    stage: Stage, unchanged: Unchanged, name: str
) -> None:
    assert SCHEMA.mutation_type is not None
    field = SCHEMA.mutation_type.fields[name]
    caller = stage["till" if name in {"checkout", "orderExchange", "refundPayOut"} else "staff"]
    mutation = document("mutation", name, field, f"{{ {ERRORS} }}")
    tried = 0

    async with unchanged():
        for path, variables in spoilt(field):
            payload = await caller.do(mutation, **variables)

            assert [(e["code"], e["path"]) for e in payload["errors"]] == [("INVALID", path)]
            tried += 1

    assert tried


@pytest.mark.parametrize("name", with_texts(SCHEMA.query_type))
async def test_refuses_control_characters_in_every_text_of_a_query(stage: Stage, name: str) -> None:
    assert SCHEMA.query_type is not None
    field = SCHEMA.query_type.fields[name]
    query = document("query", name, field, "{ __typename }")
    tried = 0

    for path, variables in spoilt(field):
        errors = (await stage["till" if name == "posPull" else "staff"].raw(query, **variables))["errors"]

        assert [(e["extensions"]["code"], e["extensions"]["argument"]) for e in errors] == [("INVALID", path)]
        tried += 1

    assert tried


@pytest.mark.parametrize("name", with_texts(SCHEMA.subscription_type))
async def test_refuses_control_characters_in_every_text_of_a_subscription(stage: Stage, name: str) -> None:
    assert SCHEMA.subscription_type is not None
    field = SCHEMA.subscription_type.fields[name]
    subscription = document("subscription", name, field, "{ __typename }")
    tried = 0

    for path, variables in spoilt(field):
        async with stage["staff"].subscribe(subscription, **variables) as following:
            with pytest.raises(Refused) as refused:
                await following.next()

        (error,) = refused.value.errors
        assert (error["extensions"]["code"], error["extensions"]["argument"]) == ("INVALID", path)
        tried += 1

    assert tried


@pytest.mark.parametrize("field", ["price", "availability"])
@pytest.mark.parametrize("root", ["variant", "products", "node"])
async def test_refuses_control_characters_within_a_row(stage: Stage, field: str, root: str) -> None:
    part = f"{field}(channel: $text) {{ __typename }}"
    query = {
        "variant": f"query ($text: String, $sku: String) {{ variant(sku: $sku) {{ {part} }} }}",
        "products": f"query ($text: String) {{ products(first: 1) {{ edges {{ node {{ variants {{ {part} }}}}}}}}}}",
        "node": f"query ($text: String, $id: ID!) {{ node(id: $id) {{ ... on Variant {{ {part} }} }} }}",
    }[root]
    data = await stage["guest"].run("query ($s: String) { variant(sku: $s) { id } }", s=stage.shop.sku("TEA"))

    answer = await stage["guest"].raw(query, text="a\x00b", sku=stage.shop.sku("TEA"), id=data["variant"]["id"])

    codes = {(e["extensions"]["code"], *e["extensions"]["argument"]) for e in answer["errors"]}
    assert codes == {("INVALID", "channel")}


@pytest.mark.parametrize("written", ["\\u0000", "\x00", "\x1b"])
async def test_refuses_a_control_character_within_a_document(stage: Stage, written: str) -> None:
    with pytest.raises(Refused) as refused:
        await stage["guest"].run(f'{{ variant(sku: "a{written}b") {{ sku }} }}')

    assert refused.value.codes == ["INVALID"]


@pytest.mark.parametrize("written", ['"\\ud800"', '"\\udc00\\ud800"', "\x00"])
async def test_refuses_a_document_with_half_characters_or_raw_controls(stage: Stage, written: str) -> None:
    with pytest.raises(Refused) as refused:
        await stage["guest"].run(f"{{ variant(sku: {written}) {{ sku }} }}")

    assert refused.value.codes == ["GRAPHQL_PARSE_FAILED"]


async def test_keeps_text_of_every_script(stage: Stage) -> None:
    name = "寿司 🍣 ñ \u202e \u200d é\u0301 'quoted' \"twice\" \\ ; DROP TABLE cart --"
    mutation = f"mutation ($c: [CustomerInput!]!) {{ customersUpsert(customers: $c) {{ {ERRORS} }} }}"
    card = stage.shop.code("SCRIPT")

    payload = await stage["staff"].do(mutation, c=[{"loyaltyCard": card, "name": name}])

    assert payload["errors"] == []
    found = await stage["staff"].run("query ($c: String) { customer(loyaltyCard: $c) { name } }", c=card)
    assert found["customer"]["name"] == name


def test_every_kind_of_text_is_known() -> None:
    kinds = {get_named_type(argument.type).name for root in ROOTS for argument in arguments(root)}

    assert kinds - set(SAMPLES) - INPUTS == set()


ROOTS = [SCHEMA.query_type, SCHEMA.mutation_type, SCHEMA.subscription_type]
INPUTS = {name for name, kind in SCHEMA.type_map.items() if isinstance(kind, (GraphQLInputObjectType, GraphQLEnumType))}


def arguments(root: Any) -> list[Any]:
    return [argument for field in root.fields.values() for argument in field.args.values()]
