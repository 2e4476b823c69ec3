"""The schema: its export is current, it is described, and it follows its conventions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    build_schema,
    get_named_type,
    get_nullable_type,
    is_required_argument,
)

from uriba.config import Settings
from uriba.core.errors import Code
from uriba.graphql.schema import api_schema, sdl

SCHEMA = api_schema(Settings())._schema
EXPORTED = Path(__file__).parents[2] / "schema" / "schema.graphql"

OBJECTS = [
    kind for name, kind in SCHEMA.type_map.items() if isinstance(kind, GraphQLObjectType) and not name.startswith("__")
]
CONNECTIONS = [kind for kind in OBJECTS if kind.name.endswith("Connection")]
ROOTS = [root for root in (SCHEMA.query_type, SCHEMA.mutation_type, SCHEMA.subscription_type) if root]


def names(kinds: list[Any]) -> Any:
    return pytest.mark.parametrize("kind", kinds, ids=lambda kind: kind.name)


def test_the_exported_schema_is_current() -> None:
    assert EXPORTED.read_text() == sdl(), "run `uriba schema`"


def test_the_exported_schema_is_valid() -> None:
    assert build_schema(EXPORTED.read_text()).query_type is not None


def test_every_error_code_is_in_the_api() -> None:
    codes = SCHEMA.type_map["ErrorCode"]
    assert isinstance(codes, GraphQLEnumType)

    assert set(codes.values) == {code.value for code in Code}


def test_amounts_are_decimals_and_decimals_are_text() -> None:
    for name in ("Money", "MoneyInput"):
        kind = SCHEMA.type_map[name]
        assert isinstance(kind, (GraphQLObjectType, GraphQLInputObjectType))
        assert {field: str(kind.fields[field].type) for field in kind.fields} == {
            "amount": "Decimal!",
            "currency": "String!",
        }


def test_only_degrees_distances_and_measurements_are_floats() -> None:
    fields = {name for kind in OBJECTS for name, field in kind.fields.items() if named(field.type) == "Float"}

    assert fields <= {"latitude", "longitude", "distanceKm", "lagSeconds", "value", "threshold"}


def named(kind: Any) -> str:
    return get_named_type(kind).name


@names(ROOTS)
def test_every_operation_is_described(kind: GraphQLObjectType) -> None:
    assert not [name for name, field in kind.fields.items() if not field.description]


@names([kind for kind in SCHEMA.type_map.values() if isinstance(kind, GraphQLEnumType) and kind.name[:2] != "__"])
def test_every_enum_is_described(kind: GraphQLEnumType) -> None:
    assert kind.description


@names([kind for kind in OBJECTS if kind.interfaces])
def test_every_type_with_an_id_is_described(kind: GraphQLObjectType) -> None:
    assert kind.description
    assert str(kind.fields["id"].type) == "ID!"


def test_every_mutation_returns_a_payload_with_errors() -> None:
    assert SCHEMA.mutation_type is not None
    for name, field in SCHEMA.mutation_type.fields.items():
        payload = get_nullable_type(field.type)
        assert isinstance(field.type, GraphQLNonNull), name
        assert isinstance(payload, GraphQLObjectType)
        assert payload.name.endswith("Payload"), name
        assert str(payload.fields["errors"].type) == "[UserError!]!", name


def test_all_other_fields_of_payloads_are_nullable() -> None:
    """A refused mutation has no result."""
    for kind in OBJECTS:
        synced = {"results", "acknowledged", "missing", "shortages"} if kind.name == "PosSyncPayload" else set()
        if kind.name.endswith("Payload"):
            required = {name for name, field in kind.fields.items() if isinstance(field.type, GraphQLNonNull)}
            assert required <= {"errors", "count", "levels"} | synced, kind.name


@names(CONNECTIONS)
def test_every_connection_has_the_fields_of_relay(kind: GraphQLObjectType) -> None:
    thing = kind.name.removesuffix("Connection")
    edge = SCHEMA.type_map[f"{thing}Edge"]
    assert isinstance(edge, GraphQLObjectType)

    assert {name: str(field.type) for name, field in kind.fields.items()} == {
        "edges": f"[{thing}Edge!]!",
        "pageInfo": "PageInfo!",
    }
    assert {name: str(field.type) for name, field in edge.fields.items()} == {"node": f"{thing}!", "cursor": "String!"}


def test_page_info_has_the_fields_of_relay() -> None:
    info = SCHEMA.type_map["PageInfo"]
    assert isinstance(info, GraphQLObjectType)

    assert {name: str(field.type) for name, field in info.fields.items()} == {
        "hasNextPage": "Boolean!",
        "hasPreviousPage": "Boolean!",
        "startCursor": "String",
        "endCursor": "String",
    }


def test_every_connection_takes_first_and_after() -> None:
    for kind in OBJECTS:
        for name, field in kind.fields.items():
            if named(field.type).endswith("Connection"):
                assert {"first", "after"} <= set(field.args), (kind.name, name)
                assert field.args["first"].default_value in (20, 50, 100)
                required = {name for name, argument in field.args.items() if is_required_argument(argument)}
                assert required <= {"id"}, (kind.name, name)


def test_no_list_has_nullable_items() -> None:
    holed = [
        (kind.name, name)
        for kind in (*OBJECTS, *INPUTS)
        for name, field in kind.fields.items()
        if isinstance(listed := get_nullable_type(field.type), GraphQLList)
        and not isinstance(listed.of_type, GraphQLNonNull)
    ]

    assert not holed


INPUTS = [kind for kind in SCHEMA.type_map.values() if isinstance(kind, GraphQLInputObjectType)]


def test_names_follow_the_conventions_of_graphql() -> None:
    fields = {name for kind in (*OBJECTS, *INPUTS) for name in kind.fields}
    values = {name for kind in SCHEMA.type_map.values() if isinstance(kind, GraphQLEnumType) for name in kind.values}

    assert not [name for name in fields if "_" in name or not name[0].islower()]
    assert not [name for name in values if name != name.upper() and not name.startswith("__")]
