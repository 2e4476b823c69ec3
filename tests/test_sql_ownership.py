"""Tables are private to their domain, in SQL too: every statement is parsed and its tables compared with their owners."""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

import pglast
import pytest
from pglast.visitors import Visitor

import uriba
from uriba.db.base import Base
from uriba.db.session import Insert
from uriba.db.statements import Statement, fragment

PUBLISHED: Mapping[str, set[str]] = {
    "catalog": {"channel", "channel_location", "location", "product", "tax_rate", "variant"},
    "outbox": {"feed", "outbox_event"},
}
"""Tables that everybody above their domain may join: master data that has no rules of its own, and the event feed, which
is made to be read. Nobody else writes or locks them."""

READ_MODELS: Mapping[str, str] = {
    "documents": "A document is the whole of an order, read as of one moment.",
    "exports": "An export is a table of many domains in one snapshot.",
    "health": "Sync health compares how far all domains have come, in one snapshot.",
    "invariants": "An invariant compares tables of several domains.",
    "sources": "A replay compares the hub's tables with its source.",
}
"""Packages that read any table, because what they are for is to look at many at once, and write none."""

EXCEPTIONS: Mapping[str, tuple[set[str], str]] = {}
"""Modules that use tables of other domains: the tables, and why."""


class Use(NamedTuple):
    """A table in a statement: who owns the text that names it, and whether it is written or locked."""

    module: str
    table: str
    writes: bool


def modules() -> Iterator[Any]:
    for found in pkgutil.walk_packages(uriba.__path__, "uriba."):
        if not found.name.endswith("__main__"):
            yield import_module(found.name)


@cache
def statements() -> Sequence[Statement]:
    """Every statement that is a constant of a module or a class, once."""
    found: dict[int, Statement] = {}
    for module in modules():
        for holder in (module, *(value for value in vars(module).values() if isinstance(value, type))):
            for value in vars(holder).values():
                for one in value.values() if isinstance(value, dict) else [value]:
                    if isinstance(one, Statement):
                        found[id(one)] = one
    return list(found.values())


def inserts() -> list[tuple[str, Insert]]:
    return [
        (module.__name__, value) for module in modules() for value in vars(module).values() if isinstance(value, Insert)
    ]


def owner_of_module(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else parts[0]


@cache
def owners() -> Mapping[str, str]:
    """The domain of each table, from its model."""
    list(modules())
    return {mapper.class_.__tablename__: owner_of_module(mapper.class_.__module__) for mapper in Base.registry.mappers}


_MARK = re.compile(r"/\*([<>])([\w.]*)\*/")


def without_marks(source: str) -> tuple[str, list[tuple[int, str | None]]]:
    """A statement's text without the marks of its fragments, and from which byte on which module owns it."""
    text, spans, stack, at = "", [(0, None)], [None], 0
    for mark in _MARK.finditer(source):
        text += source[at : mark.start()]
        at = mark.end()
        if mark[1] == "<":
            stack.append(mark[2])
        else:
            stack.pop()
        spans.append((len(text.encode()), stack[-1]))
    return text + source[at:], spans


_PARAMETER = re.compile(r"'(?:[^']|'')*'|--[^\n]*|::|(?<![\w:]):[a-z_]\w*")


def blanked(text: str) -> str:
    """The text with `$1` in the place of each named parameter, padded so that nothing moves."""
    return _PARAMETER.sub(lambda m: m[0] if m[0][0] in "'-" or m[0] == "::" else "$1".ljust(len(m[0])), text)


class Tables(Visitor):  # type: ignore[misc]
    """Collects the tables of a parse tree, without the names of its CTEs."""

    def __init__(self) -> None:
        self.found: list[tuple[str, int, bool]] = []
        self.ctes: set[str] = set()

    def visit_CommonTableExpr(self, ancestors: Any, node: Any) -> None:
        self.ctes.add(node.ctename)

    def visit_RangeVar(self, ancestors: Any, node: Any) -> None:
        self.found.append((node.relname, node.location, False))

    def visit_InsertStmt(self, ancestors: Any, node: Any) -> None:
        self.found.append((node.relation.relname, node.relation.location, True))

    visit_UpdateStmt = visit_InsertStmt
    visit_DeleteStmt = visit_InsertStmt

    def visit_SelectStmt(self, ancestors: Any, node: Any) -> None:
        if node.lockingClause:
            locks = Locked()
            locks(node.fromClause or ())
            named = {r.relname for clause in node.lockingClause for r in clause.lockedRels or ()}
            self.found += [
                (table, location, True) for table, alias, location in locks.found if not named or named & {table, alias}
            ]


class Locked(Visitor):  # type: ignore[misc]
    """Collects the tables of a FROM clause that FOR UPDATE locks."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str | None, int]] = []

    def visit_RangeVar(self, ancestors: Any, node: Any) -> None:
        self.found.append((node.relname, node.alias.aliasname if node.alias else None, node.location))


def uses(one: Statement) -> set[Use]:
    text, spans = without_marks(one.source)
    tables = Tables()
    tables(pglast.parse_sql(blanked(text)))
    found = set()
    for table, location, writes in tables.found:
        if table in owners() and table not in tables.ctes:
            own = [module for start, module in spans if start <= location][-1]
            found.add(Use(own or one.module, table, writes))
    return found


def is_allowed(use: Use) -> bool:
    domain, owner = owner_of_module(use.module), owners()[use.table]
    if domain == owner:
        return True
    if use.table in EXCEPTIONS.get(use.module, (set(), ""))[0]:
        return True
    return not use.writes and (use.table in PUBLISHED.get(owner, ()) or domain in READ_MODELS)


def test_every_table_has_one_owner_and_every_statement_is_found() -> None:
    assert len(owners()) > 50
    assert len(statements()) > 200
    assert set().union(*PUBLISHED.values()) <= set(owners())


def test_statements_use_the_tables_of_their_own_domain() -> None:
    broken = sorted({use for one in statements() for use in uses(one) if not is_allowed(use)})

    assert broken == []


def test_bulk_inserts_write_the_tables_of_their_own_domain() -> None:
    assert [
        (module, insert.table) for module, insert in inserts() if not is_allowed(Use(module, insert.table, True))
    ] == []


def test_no_exception_is_without_a_use_or_a_reason() -> None:
    used = {(use.module, use.table) for one in statements() for use in uses(one)}
    used |= {(module, insert.table) for module, insert in inserts()}

    assert [(m, t) for m, (tables, _) in EXCEPTIONS.items() for t in sorted(tables) if (m, t) not in used] == []
    assert all(len(reason) > 20 for _, reason in EXCEPTIONS.values())


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT * FROM orders WHERE id = :id", {("orders", False)}),
        ("UPDATE gift_card SET balance_minor = 0", {("gift_card", True)}),
        ("DELETE FROM orders o USING variant v WHERE o.id = v.id", {("orders", False), ("orders", True)}),
        ("WITH moved AS (INSERT INTO stock_movement DEFAULT VALUES RETURNING id) SELECT * FROM moved", {("stock_movement", True)}),
        ("SELECT 1 FROM variant v JOIN stock_level s ON true FOR UPDATE OF s", {("stock_level", True)}),
        ("WITH orders AS (SELECT 1) SELECT * FROM orders", set()),
        ("SELECT ':no', a::text FROM variant v WHERE EXISTS (SELECT FROM payment WHERE id = ANY(:ids))", {("payment", False)}),
    ],
)  # fmt: skip
def test_a_planted_use_of_anothers_table_is_found(sql: str, expected: set[tuple[str, bool]]) -> None:
    planted = Statement(sql, sql, (), "uriba.cart.planted")

    assert {(use.table, use.writes) for use in uses(planted) if not is_allowed(use)} >= {
        (table, writes) for table, writes in expected if table != "variant"
    }
    assert bool([use for use in uses(planted) if not is_allowed(use)]) == bool(expected)


def test_tables_in_a_fragment_are_those_of_the_fragments_owner() -> None:
    planted = fragment("EXISTS (SELECT FROM orders WHERE cart_id = {cart})")
    planted.module = "uriba.orders.queries"
    source = f"SELECT id FROM cart WHERE {planted.format(cart='cart.id')} AND id = :id"

    assert uses(Statement(source, "", (), "uriba.cart.planted")) == {
        Use("uriba.cart.planted", "cart", False),
        Use("uriba.orders.queries", "orders", False),
    }
