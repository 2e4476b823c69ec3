"""Look-ahead: which fields a root field's selection contains, so that their rows are read with the page.

Directives are ignored: a field that @skip leaves out is still read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import strawberry
from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLResolveInfo,
    InlineFragmentNode,
    SelectionSetNode,
    StringValueNode,
    VariableNode,
)

Info = strawberry.Info[Any, Any]


def selected_fields(info: Info) -> dict[str, list[FieldNode]]:
    """Return the selected fields by dotted path below this one, such as "edges.node.variants.price"."""
    raw: GraphQLResolveInfo[Any] = info._raw_info
    found: dict[str, list[FieldNode]] = {}
    for node in raw.field_nodes:
        for path, field in _walk(node.selection_set, raw, ""):
            found.setdefault(path, []).append(field)
    return found


def _walk(
    selection: SelectionSetNode | None, raw: GraphQLResolveInfo[Any], prefix: str
) -> Iterator[tuple[str, FieldNode]]:
    for node in selection.selections if selection else ():
        if isinstance(node, FieldNode):
            path = prefix + node.name.value
            yield path, node
            if node.selection_set:
                yield from _walk(node.selection_set, raw, path + ".")
        elif isinstance(node, InlineFragmentNode):
            yield from _walk(node.selection_set, raw, prefix)
        elif isinstance(node, FragmentSpreadNode):
            yield from _walk(raw.fragments[node.name.value].selection_set, raw, prefix)


def text_argument(field: FieldNode, name: str, info: Info) -> str | None:
    """Return the text of a field's argument, from the document or its variables; None where there is none."""
    for argument in field.arguments or ():
        if argument.name.value == name:
            if isinstance(argument.value, StringValueNode):
                return argument.value.value
            if isinstance(argument.value, VariableNode):
                value = info.variable_values.get(argument.value.name.value)
                return value if isinstance(value, str) else None
    return None
