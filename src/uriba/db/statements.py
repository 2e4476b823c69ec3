"""SQL with named parameters, compiled once to PostgreSQL's numbered ones.

    _CARTS = statement("SELECT id FROM cart WHERE customer_id = :customer_id AND status = ANY(:statuses)")
    rows = await session.fetch(_CARTS, customer_id=customer_id, statuses=statuses)

A statement is a constant of its module. SQL that several statements share is a `fragment`: its own parameters have
names too, and its `{placeholders}` are filled by `format`. `tests/test_architecture.py` compares the tables that each
statement reads and writes with their owners; tables within a fragment count as those of the fragment's module.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

DYNAMIC_MAX = 512
"""Statements built at run time that are kept compiled."""

_TOKEN = re.compile(
    r"""
      '(?:[^']|'')*'            # a string
    | "(?:[^"]|"")*"            # a quoted name
    | --[^\n]*                  # a comment
    | ::                        # a cast
    | (?<![\w:]):([a-z_]\w*)    # a parameter
    """,
    re.VERBOSE,
)
_MARK = re.compile(r"/\*[<>][\w.]*\*/")


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """A compiled statement. `source` is the SQL as written, with the marks of its fragments; `sql` has $1, $2 …"""

    source: str
    sql: str
    names: tuple[str, ...]
    module: str

    def arguments(self, values: Mapping[str, object]) -> list[object]:
        """Return the parameters in the order of their numbers. Missing and unknown names are errors of the caller."""
        if len(values) != len(self.names):
            raise TypeError(f"This statement takes {sorted(self.names)}, not {sorted(values)}.")
        return [values[name] for name in self.names]

    def with_constants(self, values: Mapping[str, str]) -> str:
        """Return the SQL with an expression in the place of each parameter, for statements prepared by name."""
        return _TOKEN.sub(lambda token: values[token[0]] if token[1] else token[0], _MARK.sub("", self.source))


class Fragment(str):
    """Part of a statement. `format` and f-strings mark where it begins and ends and which module owns it."""

    module: str

    def __new__(cls, sql: str, module: str) -> Fragment:
        made = super().__new__(cls, sql)
        made.module = module
        return made

    def format(self, *args: object, **kwargs: object) -> str:
        """Fill the placeholders."""
        return self._marked(str.format(self, *args, **kwargs))

    def __format__(self, spec: str) -> str:
        return self._marked(str(self))

    def __str__(self) -> str:
        return str.__str__(self)

    def _marked(self, sql: str) -> str:
        return f"/*<{self.module}*/{sql}/*>*/"


def fragment(sql: str) -> Fragment:
    """Return SQL that other statements include, owned by the calling module."""
    return Fragment(sql, _caller())


def statement(sql: str) -> Statement:
    """Compile a statement, owned by the calling module. For constants: it is kept as long as the program runs."""
    return _compile(sql, _caller())


def dynamic_statement(sql: str) -> Statement:
    """Compile a statement whose text depends on the call, such as a search with optional conditions.

    The text may hold no values, and only as many variants as `DYNAMIC_MAX` stay compiled.
    """
    return _dynamic(sql, _caller())


@lru_cache(maxsize=DYNAMIC_MAX)
def _dynamic(sql: str, module: str) -> Statement:
    return _compile(sql, module)


def _caller() -> str:
    name: Any = sys._getframe(2).f_globals["__name__"]
    return str(name)


def _compile(source: str, module: str) -> Statement:
    numbers: dict[str, int] = {}

    def numbered(token: re.Match[str]) -> str:
        name = token[1]
        if name is None:
            return token[0]
        return f"${numbers.setdefault(name, len(numbers) + 1)}"

    sql = _TOKEN.sub(numbered, _MARK.sub("", source))
    return Statement(source, sql, tuple(numbers), module)


__all__ = ["Fragment", "Statement", "dynamic_statement", "fragment", "statement"]
