"""Digests of what callers send, so that a later call can be compared with an earlier one.

A digest is kept for weeks and compared by later releases, so it is made of a canonical form that survives new optional
fields: an absent field, a null one and an empty one (text, list or object) are the same, keys are sorted, times are in
UTC. The first byte is the version of the form. A new version is added here beside the older ones, not in their place:
`matches` compares a kept digest with the form that it was made of.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import msgspec

VERSION = 1

_encode = msgspec.json.Encoder(order="sorted").encode


def digest(content: object) -> bytes:
    """Return the digest of a struct, dataclass or plain value: 33 bytes, the first one the version of the form."""
    return _digest_1(content)


def matches(kept: bytes, content: object) -> bool:
    """Tell whether a kept digest is that of this content, by the version that the digest was made with."""
    make = _DIGESTS.get(kept[0]) if kept else None
    return make is not None and make(content) == kept


def _digest_1(content: object) -> bytes:
    return b"\x01" + sha256(_encode(_canonical_1(msgspec.to_builtins(content, builtin_types=(datetime,))))).digest()


_DIGESTS = {1: _digest_1}


def _canonical_1(value: Any) -> Any:
    if isinstance(value, Mapping):
        members = {str(key): _canonical_1(member) for key, member in value.items()}
        return {key: member for key, member in members.items() if member is not None and member not in ("", [], {})}
    if isinstance(value, list | tuple):
        return [_canonical_1(element) for element in value]
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).isoformat()
    return value


__all__ = ["VERSION", "digest", "matches"]
