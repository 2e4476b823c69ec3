"""Inputs: coerced arguments become the values that resolvers take. How is decided once per field, not per call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING
from typing import Any

from strawberry.schema.config import StrawberryConfig
from strawberry.types.base import StrawberryList, StrawberryOptional, has_object_definition
from strawberry.types.field import StrawberryField
from strawberry.types.lazy_type import LazyType

Convert = Callable[[Any], Any]


def arguments(field: StrawberryField, config: StrawberryConfig) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """What makes a field's arguments, by their Python names, of coerced ones by their GraphQL names."""
    known = [
        (config.name_converter.from_argument(argument), argument.python_name, _converter(argument.type, config))
        for argument in field.arguments
    ]

    def convert(given: Mapping[str, Any]) -> dict[str, Any]:
        return {own: given[name] if to is None else to(given[name]) for name, own, to in known if name in given}

    return convert


def _converter(kind: Any, config: StrawberryConfig) -> Convert | None:
    """None where a value is already what it should be: a scalar, an enum, a list of them."""
    if isinstance(kind, StrawberryOptional):
        return _converter(kind.of_type, config)
    if isinstance(kind, LazyType):
        return _converter(kind.resolve_type(), config)
    if isinstance(kind, StrawberryList):
        return _list_of(_converter(kind.of_type, config))
    if has_object_definition(kind):
        return _object_of(kind, config)
    return None


def _list_of(item: Convert | None) -> Convert:
    if item is None:
        return lambda values: None if values is None else list(values)
    return lambda values: None if values is None else [item(value) for value in values]


def _object_of(kind: Any, config: StrawberryConfig) -> Convert:
    definition = kind.__strawberry_definition__
    assert definition.is_input and definition.from_input is None
    unsaid = {
        field.python_name: None
        for field in definition.fields
        if field.default_value is MISSING and field.default_factory is MISSING
    }
    known = [
        (
            config.name_converter.from_field(field),
            field.python_name,
            _converter(field.resolve_type(type_definition=definition), config),
        )
        for field in definition.fields
    ]

    def convert(given: Mapping[str, Any] | None) -> Any:
        if given is None:
            return None
        said = {own: given[name] if to is None else to(given[name]) for name, own, to in known if name in given}
        return kind(**{**unsaid, **said})

    return convert
