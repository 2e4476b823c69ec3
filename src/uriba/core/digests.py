"""Digests of what callers send, so that a later call can be compared with an earlier one.

A digest is kept for weeks and compared by later releases, so it is made of a canonical form that survives new optional
fields: an absent field, a null one and an empty one (text, list or object) are the same, keys are sorted, times are in
UTC. The first byte is the version of the form. A new version is added here beside the older ones, not in their place:
`matches` compares a kept digest with the form that it was made of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from hashlib import sha256
from operator import attrgetter
from typing import Any

import msgspec

VERSION = 1

_encode = msgspec.json.Encoder(order="sorted").encode


def digest(content: object) -> bytes:
    """Return the digest of a struct, dataclass or plain value: 33 bytes, the first one the version of the form."""
    return _digest_1(content)


def matches(kept: bytes, content: object) -> bool:
    """Return whether a stored digest is that of this content, by the version of the digest."""
    make = _DIGESTS.get(kept[0]) if kept else None
    return make is not None and make(content) == kept


def every_version(content: object) -> list[bytes]:
    """Return the digests of this content by all versions, the newest first: to look up rows whose key is a digest."""
    return [_DIGESTS[version](content) for version in sorted(_DIGESTS, reverse=True)]


def _digest_1(content: object) -> bytes:
    return b"\x01" + sha256(_encode(_canonical_1(content))).digest()


_DIGESTS: dict[int, Callable[[object], bytes]] = {1: _digest_1}

_SCALARS = frozenset({str, int, bool, float, type(None)})


def _canonical_1(value: Any) -> Any:
    # Structs are read field by field: `msgspec.to_builtins` and a walk over its result take four times as long.
    kind = type(value)
    if kind in _SCALARS:
        return value
    if (fields := _FIELDS.get(kind)) is not None:
        return _object_1(zip(fields[0], fields[1](value), strict=False))
    if kind is tuple or kind is list:
        return [_canonical_1(element) for element in value]
    if isinstance(value, datetime):
        return _moment_1(value)
    if isinstance(value, dict):
        return _object_1((str(msgspec.to_builtins(key)), member) for key, member in value.items())
    if isinstance(value, msgspec.Struct) and _add_fields(kind):
        return _canonical_1(value)
    return None if value is msgspec.UNSET else _canonical_1(msgspec.to_builtins(value, builtin_types=(datetime,)))


def _object_1(members: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    kept = {}
    for name, member in members:
        if type(member) in _SCALARS:
            if member or member == 0:
                kept[name] = member
        elif (form := _canonical_1(member)) or form == 0:
            kept[name] = form
    return kept


def _moment_1(moment: datetime) -> Any:
    if moment.tzinfo is None:
        return moment
    try:
        return moment.astimezone(UTC).isoformat()
    except OverflowError:  # At the ends of the calendar there is no such moment in UTC.
        return moment.isoformat()


_FIELDS: dict[type, tuple[list[str], Callable[[Any], tuple[Any, ...]]]] = {}
"""By class, the encoded names of a struct's fields and a getter of their values."""


def _add_fields(kind: type[msgspec.Struct]) -> bool:
    """Return whether structs of this class are encoded as objects of all their fields, and note the fields."""
    config, fields = kind.__struct_config__, msgspec.structs.fields(kind)
    if config.array_like or config.omit_defaults or config.tag is not None or len(fields) < 2:
        return False
    _FIELDS[kind] = [field.encode_name for field in fields], attrgetter(*(field.name for field in fields))
    return True


__all__ = ["VERSION", "digest", "every_version", "matches"]
