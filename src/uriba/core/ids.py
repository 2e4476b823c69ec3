"""Identifiers: time-ordered UUIDs inside, opaque Relay global ids outside."""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from uuid import UUID, uuid4

from uuid_utils.compat import uuid7

__all__ = ["global_id", "local_id", "new_id", "new_secret_id", "number", "uuid"]

new_id = uuid7
"""Ordered by time: neighbours in time are neighbours in an index."""

new_secret_id = uuid4
"""122 random bits, for ids that are a secret by themselves, such as a guest's cart."""


def global_id(kind: str, key: object) -> str:
    """Relay global id: base64 of `Kind:key`."""
    return b64encode(f"{kind}:{key}".encode()).decode()


def local_id(value: str, kind: str) -> str | None:
    """The key within a global id, or None where it is no id of that kind."""
    try:
        found, _, key = b64decode(value, validate=True).decode("ascii").partition(":")
    except (Base64Error, ValueError):
        return None
    return key if found == kind and key else None


def kind_of(value: str) -> str | None:
    """The kind that a global id names."""
    try:
        return b64decode(value, validate=True).decode("ascii").partition(":")[0] or None
    except (Base64Error, ValueError):
        return None


def uuid(value: str, kind: str) -> UUID | None:
    """The UUID within a global id, or None."""
    key = local_id(value, kind)
    try:
        return UUID(key) if key and len(key) == 36 else None
    except ValueError:
        return None


def number(value: str, kind: str) -> int | None:
    """The bigint within a global id, or None."""
    key = local_id(value, kind)
    return int(key) if key and key.isdigit() and len(key) < 19 else None
