"""Plans give the same results as graphql-core's interpreter, errors and nulls included."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
import strawberry
from graphql import (
    DocumentNode,
    GraphQLEnumType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    execute,
    get_named_type,
    is_required_argument,
)

from uriba.app import gateways
from uriba.checkout.completion import Checkout
from uriba.core.actor import Actor, Role
from uriba.graphql.context import Context
from uriba.graphql.engine.execution import Executor
from uriba.graphql.engine.schema import Schema
from uriba.graphql.hub import Hub
from uriba.graphql.schema import api_schema

if TYPE_CHECKING:
    from tests.support.hub import RunningHub
    from tests.support.shop import Shop

DOCUMENTS = 150
VOLATILE_FIELDS = {"lagSeconds", "lagEvents"}
"""Fields whose values differ between two reads."""


@pytest.fixture
def schema(hub: RunningHub) -> Schema:
    return api_schema(hub.settings.model_copy(update={"query_cost_max": 10**9, "query_aliases_max": 10**6}))


class Interpreter(Executor):
    """Executes every document by graphql-core, and accepts none."""

    def __call__(self, schema: GraphQLSchema, document: DocumentNode, **arguments: Any) -> Any:
        return execute(schema, document, **arguments)


class Both:
    """Executes documents by plan and by graphql-core."""

    def __init__(self, hub: RunningHub, schema: Schema, role: Role = Role.STAFF) -> None:
        database, settings = hub.database, hub.settings
        checkout = Checkout(database, settings, gateways(database, settings))
        self.hub = Hub(database, settings, checkout, hub.work.hints)
        self.schema = schema
        self.actor = Actor(role, key_id="test")

    async def run(self, document: str, **variables: Any) -> tuple[Any, Any]:
        planned = await self._run(document, variables)
        if not document.lstrip().startswith("mutation"):
            assert await self._run(document, variables) == planned, "the second execution of the text differs"
        executor = self.schema.executor
        self.schema.executor = Interpreter()
        try:
            interpreted = await self._run(document, variables)
        finally:
            self.schema.executor = executor
        return planned, interpreted

    async def _run(self, document: str, variables: dict[str, Any]) -> Any:
        result = await self.schema.execute(
            document, variable_values=variables, context_value=Context.of(self.hub, self.actor)
        )
        errors = sorted(
            (str(error.path), error.message.partition(" Reference")[0], error.extensions.get("code"))
            for error in result.errors or ()
        )
        return {"data": result.data, "errors": errors}


async def test_gives_the_results_of_the_interpreter(shop: Shop, schema: Schema) -> None:
    await shop.receive(TEA_S1=3, POT_W1=2)
    guest = shop.guest()
    cart = await shop.create_cart(guest, TEA=1, POT=1)
    both = Both(shop.hub, schema)
    app, sku = shop.code("app"), shop.sku("TEA")

    for document, variables in (
        (
            "query ($c: String) { products(channel: $c, first: 3) { edges { cursor node { ...P } } } } "
            "fragment P on Product { id name variants { sku price { amount } availability { status quantity "
            "pickup { location { code } quantity } } product { handle } } }",
            {"c": app},
        ),
        (
            "query ($s: String, $c: String) { a: variant(sku: $s) { __typename price(channel: $c) { amount currency } } "
            'b: variant(sku: $s) { price(channel: "nope") { amount } } }',
            {"s": sku, "c": app},
        ),
        ("query ($s: String) { variant(sku: $s) { sku availability { quantity } } }", {"s": sku}),
        (
            "query ($i: ID!) { node(id: $i) { __typename id ... on Cart { lines { quantity variant { name } "
            "warnings { code } } channel { code locations { code } } } ... on Product { name } } }",
            {"i": cart["id"]},
        ),
        (
            "query ($i: ID!) { cart(id: $i) { total { amount } total { currency } order { id } customer { name } } }",
            {"i": cart["id"]},
        ),
        ("{ variant { sku } channels { code } }", {}),
        ("{ stockLevels(first: 101) { edges { node { onHand } } } channels { code } }", {}),
        ("query ($n: Int!) { locations(first: $n) { edges { node { code } } } }", {"n": "three"}),
        (
            'mutation ($i: ID!) { a: cartHandoff(cartId: "x") { code errors { code path } } '
            "b: cartLinesAdd(cartId: $i, lines: []) { cart { id } errors { code path } } }",
            {"i": cart["id"]},
        ),
        (
            'mutation { checkout(input: {cartId: "x", idempotencyKey: "k", payments: []}) { order { id } } '
            'cartHandoff(cartId: "x") { errors { code } } }',
            {},
        ),
        ("{ channels { code @include(if: false) name } __schema { queryType { name } } }", {}),
        (
            "query ($s: String, $c: String, $p: Boolean!) { variant(sku: $s) { sku @include(if: $p) "
            "price(channel: $c) { amount } } }",
            {"s": sku, "c": app, "p": True},
        ),
    ):
        planned, interpreted = await both.run(document, **variables)

        assert same(planned, interpreted), document


@pytest.mark.parametrize(
    ("document", "operation_name"),
    [
        ("{ channels { code } }", None),
        ("query Channels { channels { code } }", None),
        ("query Channels { channels { code } }", "Channels"),
    ],
)
async def test_an_accepted_text_is_not_parsed_and_validated_again(
    shop: Shop, schema: Schema, monkeypatch: pytest.MonkeyPatch, document: str, operation_name: str | None
) -> None:
    context = Context.of(Both(shop.hub, schema).hub, Actor(Role.STAFF, key_id="test"))
    first = await schema.execute(document, context_value=context, operation_name=operation_name)

    monkeypatch.setattr(strawberry.Schema, "execute", None)
    again = await schema.execute(document, context_value=context, operation_name=operation_name)

    assert again.data == first.data
    assert shop.code("web") in {channel["code"] for channel in again.data["channels"]}


async def test_gives_the_results_of_the_interpreter_for_random_queries(shop: Shop, schema: Schema) -> None:
    await shop.receive(TEA_S1=3, POT_W1=2, CUP_S2=1)
    till = await shop.terminal()
    cart = await shop.create_cart(till, TEA=1)
    order = (await shop.check_out(till, cart, method="CASH"))["order"]
    known = {
        "id": [cart["id"], order["id"], "x"],
        "sku": [shop.sku("TEA")],
        "channel": [shop.code("app"), "nope"],
        "handle": [shop.code("tea")],
        "number": [order["number"]],
        "location": [shop.code("S1")],
    }
    rights = [Both(shop.hub, schema, role) for role in (Role.STAFF, Role.ANONYMOUS)]
    query = schema._schema.query_type
    assert query is not None
    planned_count = 0

    for seed in range(DOCUMENTS):
        rng = random.Random(seed)
        document = "query { " + _selection(rng, query, known, schema, depth=5) + " }"

        planned, interpreted = await rng.choice(rights).run(document)

        assert same(planned, interpreted), document
        planned_count += planned["data"] is not None

    assert planned_count > DOCUMENTS / 4


def same(planned: dict[str, Any], interpreted: dict[str, Any]) -> bool:
    """Whether data and errors are equal; the interpreter may drop errors of siblings of a propagated null."""
    return planned["data"] == interpreted["data"] and (
        set(planned["errors"]) >= set(interpreted["errors"]) and bool(planned["errors"]) == bool(interpreted["errors"])
    )


def _selection(rng: random.Random, kind: Any, known: dict[str, list[str]], schema: Schema, depth: int) -> str:
    """Select random fields of a type, with random aliases, fragments and arguments."""
    names = [name for name in kind.fields if name not in VOLATILE_FIELDS]
    chosen = rng.sample(names, min(len(names), rng.randint(1, 4)))
    parts = [rng.choice(["", "__typename "])]
    for name in chosen:
        field = kind.fields[name]
        bare = get_named_type(field.type)
        composite = isinstance(bare, (GraphQLObjectType, GraphQLInterfaceType))
        if composite and depth == 0:
            continue
        alias = f"{name}_{rng.randint(0, 9)}: " if rng.random() < 0.3 else ""
        text = alias + name + _arguments(rng, field, known)
        if composite:
            inner = _selection(rng, bare, known, schema, depth - 1)
            if isinstance(bare, GraphQLInterfaceType):
                one = rng.choice(schema._schema.get_possible_types(bare))
                inner += f" ... on {one.name} {{ {_selection(rng, one, known, schema, depth - 1)} }}"
            text += f" {{ __typename {inner} }}"
        else:
            assert isinstance(bare, (GraphQLScalarType, GraphQLEnumType))
        parts.append(text)
    return " ".join(parts) or "__typename"


def _arguments(rng: random.Random, field: Any, known: dict[str, list[str]]) -> str:
    arguments = []
    for name, argument in field.args.items():
        if not (is_required_argument(argument) or rng.random() < 0.5):
            continue
        if name == "first":
            arguments.append(f"first: {rng.choice([1, 2, 3, 101])}")
        elif name in known:
            arguments.append(f'{name}: "{rng.choice(known[name])}"')
    return f"({', '.join(arguments)})" if arguments else ""
