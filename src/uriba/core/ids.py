"""Identifiers: time-ordered UUIDs inside the hub, opaque Relay global ids in the API."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from binascii import b2a_base64
from uuid import UUID, uuid4

from uuid_utils.compat import uuid7

__all__ = ["global_id", "local_id", "new_id", "new_secret_id", "number", "uuid"]

new_id = uuid7
"""UUIDs in the order of time, so that new rows are close to each other in indexes."""

new_secret_id = uuid4
"""UUIDs with 122 random bits, for ids that are secrets, such as those of guests' carts."""


def global_id(kind: str, key: object) -> str:
    """Return the Relay global id: base64 of `Kind:key`."""
    return b2a_base64(f"{kind}:{key}".encode(), newline=False).decode()


def local_id(value: str, kind: str) -> str | None:
    """Return the key of a global id; None if it is not an id of this kind."""
    try:
        found_kind, _, key = b64decode(value, validate=True).decode("ascii").partition(":")
    except (Base64Error, ValueError):
        return None
    return key if found_kind == kind and key else None


def kind_of(value: str) -> str | None:
    """Return the kind of a global id; None if it is not one."""
    try:
        return b64decode(value, validate=True).decode("ascii").partition(":")[0] or None
    except (Base64Error, ValueError):
        return None


def uuid(value: str, kind: str) -> UUID | None:
    """Return the UUID of a global id; None if it is not an id of this kind."""
    key = local_id(value, kind)
    try:
        return UUID(key) if key and len(key) == 36 else None
    except ValueError:
        return None


def number(value: str, kind: str) -> int | None:
    """Return the number of a global id; None if it is not an id of this kind."""
    key = local_id(value, kind)
    return int(key) if key and key.isdigit() and len(key) < 19 else None
