"""Keys: made once, shown once, kept as digests.

A key reads `uriba_<role>_<id>_<secret>`: the id finds the row, the secret (192 random bits) proves it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from hmac import compare_digest
from secrets import token_hex, token_urlsafe
from uuid import UUID

from uriba.catalog import channels, locations
from uriba.core import clock, text
from uriba.core.actor import Actor, Role, Scope
from uriba.core.errors import Invalid, NotFound
from uriba.customers import customers
from uriba.customers.identifiers import Identifier
from uriba.db import Row, Session

PREFIX = "uriba"
KEY_SIZE_MAX = 200
TOKEN_TERM_S_MAX = 30 * 86_400


@dataclass(frozen=True, slots=True)
class Issued:
    """A new key; its text is not kept anywhere."""

    id: str
    key: str
    expires_at: datetime | None = None


async def for_terminal(session: Session, *, location: str, name: str | None = None) -> Issued:
    """A new terminal at a location.

    Errors: `NotFound` for the location.
    """
    row = (await locations.by_code(session, [text.code(location, "location")])).get(location)
    if row is None:
        raise NotFound("There is no such location.", "location")
    return await _issue(session, Role.TERMINAL, name=name or f"terminal at {location}", location_id=row["id"])


async def for_app(session: Session, *, channel: str, scopes: frozenset[Scope], name: str | None = None) -> Issued:
    """A key for a channel's app.

    Errors: `NotFound` for the channel.
    """
    row = (await channels.by_code(session, [text.code(channel, "channel")])).get(channel)
    if row is None:
        raise NotFound("There is no such channel.", "channel")
    return await _issue(session, Role.APP, name=name or f"app of {channel}", channel_id=row["id"], scopes=scopes)


async def for_staff(session: Session, *, name: str) -> Issued:
    """A key for a person of the staff."""
    return await _issue(session, Role.STAFF, name=text.text(name, "name"))


async def for_customer(session: Session, *, identifier: Identifier, channel_id: int | None, term_s: int) -> Issued:
    """A token for a customer, bound to the channel that signed it in.

    Errors: `NotFound` where nobody has the identifier, `Invalid` for a term outside of 1 second to 30 days.
    """
    if not 1 <= term_s <= TOKEN_TERM_S_MAX:
        raise Invalid(f"ttlSeconds is from 1 to {TOKEN_TERM_S_MAX:,}.", "ttlSeconds")
    row = await customers.find(session, identifier)
    if row is None:
        raise NotFound("There is no such customer.", identifier.field)
    until = clock.now() + timedelta(seconds=term_s)
    return await _issue(session, Role.CUSTOMER, customer_id=row["id"], channel_id=channel_id, expires_at=until)


async def _issue(
    session: Session,
    role: Role,
    *,
    name: str | None = None,
    location_id: int | None = None,
    channel_id: int | None = None,
    customer_id: UUID | None = None,
    scopes: frozenset[Scope] = frozenset(),
    expires_at: datetime | None = None,
) -> Issued:
    key_id, secret = token_hex(8), token_urlsafe(24)
    await session.run(
        "INSERT INTO access_key (id, role, digest, name, location_id, channel_id, customer_id, scopes, expires_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        key_id,
        role,
        _digest(secret),
        name,
        location_id,
        channel_id,
        customer_id,
        sorted(scopes),
        expires_at,
    )
    return Issued(key_id, f"{PREFIX}_{role.lower()}_{key_id}_{secret}", expires_at)


def _digest(secret: str) -> bytes:
    return sha256(secret.encode()).digest()


async def authenticate(session: Session, key: str) -> tuple[Actor, datetime | None] | None:
    """Whose key this is and when it ends; None where it is forged, expired or revoked."""
    parts = key.split("_", 3)
    if len(key) > KEY_SIZE_MAX or len(parts) != 4 or parts[0] != PREFIX or not (key.isascii() and key.isprintable()):
        return None
    row = await session.fetchrow(
        "SELECT * FROM access_key WHERE id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())",
        parts[2],
    )
    if row is None or row["role"].lower() != parts[1] or not compare_digest(row["digest"], _digest(parts[3])):
        return None
    channel_id = row["channel_id"]
    if row["location_id"] is not None:
        channel_id = await channels.of_store(session, row["location_id"])
    actor = Actor(
        role=Role(row["role"]),
        key_id=row["id"],
        customer_id=row["customer_id"],
        location_id=row["location_id"],
        channel_id=channel_id,
        scopes=frozenset(row["scopes"]),
        name=row["name"],
    )
    return actor, row["expires_at"]


async def all_keys(session: Session) -> list[Row]:
    """Every key but the customers', newest first."""
    return await session.fetch(
        "SELECT k.id, k.role, k.name, l.code AS location, c.code AS channel, k.scopes, k.created_at, k.revoked_at "
        "FROM access_key k LEFT JOIN location l ON l.id = k.location_id LEFT JOIN channel c ON c.id = k.channel_id "
        "WHERE k.role <> 'CUSTOMER' ORDER BY k.created_at DESC"
    )


async def revoke(session: Session, *, key_id: str) -> None:
    """End a key now. Errors: `NotFound`."""
    row = await session.fetchval(
        "UPDATE access_key SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1 RETURNING true", key_id
    )
    if row is None:
        raise NotFound("There is no such key.", "id")


async def forget_expired(session: Session) -> int:
    """Drop customers' tokens that ended a day ago."""
    rows = await session.fetch(
        "DELETE FROM access_key WHERE role = 'CUSTOMER' AND expires_at < now() - interval '1 day' RETURNING 1"
    )
    return len(rows)
