"""Keys: issued once, stored as digests.

A key has the form `uriba_<role>_<id>_<secret>`: the id finds the row, the secret (192 random bits) proves it.
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
from uriba.db.statements import fragment, statement

PREFIX = "uriba"
KEY_SIZE_MAX = 200
TOKEN_TERM_S_MAX = 30 * 86_400


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new key. Its text is not stored."""

    id: str
    key: str
    expires_at: datetime | None = None


async def for_terminal(session: Session, *, location: str, name: str | None = None) -> IssuedKey:
    """Issue the key of a new terminal at a location.

    Errors: `NotFound` for the location.
    """
    row = (await locations.by_code(session, [text.code(location, "location")])).get(location)
    if row is None:
        raise NotFound("There is no such location.", "location")
    return await _issue(session, Role.TERMINAL, name=name or f"terminal at {location}", location_id=row["id"])


async def for_app(session: Session, *, channel: str, scopes: frozenset[Scope], name: str | None = None) -> IssuedKey:
    """Issue a key for a channel's app.

    Errors: `NotFound` for the channel.
    """
    row = (await channels.by_code(session, [text.code(channel, "channel")])).get(channel)
    if row is None:
        raise NotFound("There is no such channel.", "channel")
    return await _issue(session, Role.APP, name=name or f"app of {channel}", channel_id=row["id"], scopes=scopes)


async def for_staff(session: Session, *, name: str) -> IssuedKey:
    """Issue a key for a staff member."""
    return await _issue(session, Role.STAFF, name=text.text(name, "name"))


async def for_customer(session: Session, *, identifier: Identifier, channel_id: int | None, term_s: int) -> IssuedKey:
    """Issue a token for a customer, bound to the channel where the customer signed in.

    Errors: `NotFound` where no customer has the identifier, `Invalid` for a term outside of 1 second to 30 days.
    """
    if not 1 <= term_s <= TOKEN_TERM_S_MAX:
        raise Invalid(f"Give from 1 to {TOKEN_TERM_S_MAX:,} seconds.", "ttlSeconds")
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
) -> IssuedKey:
    key_id, secret = token_hex(8), token_urlsafe(24)
    await session.run(
        _INSERT,
        id=key_id,
        role=role,
        digest=_digest(secret),
        name=name,
        location_id=location_id,
        channel_id=channel_id,
        customer_id=customer_id,
        scopes=sorted(scopes),
        expires_at=expires_at,
    )
    return IssuedKey(key_id, f"{PREFIX}_{role.lower()}_{key_id}_{secret}", expires_at)


_INSERT = statement("""
    INSERT INTO access_key (id, role, digest, name, location_id, channel_id, customer_id, scopes, expires_at)
    VALUES (:id, :role, :digest, :name, :location_id, :channel_id, :customer_id, :scopes, :expires_at)
""")


def _digest(secret: str) -> bytes:
    return sha256(secret.encode()).digest()


async def authenticate(session: Session, key: str) -> tuple[Actor, datetime | None] | None:
    """Return the actor of a key and when the key expires; None if it is forged, expired or revoked."""
    parts = key.split("_", 3)
    if len(key) > KEY_SIZE_MAX or len(parts) != 4 or parts[0] != PREFIX or not (key.isascii() and key.isprintable()):
        return None
    row = await session.fetchrow(_VALID, id=parts[2])
    if row is None or row["role"].lower() != parts[1] or not compare_digest(row["digest"], _digest(parts[3])):
        return None
    channel_id = row["channel_id"]
    if row["location_id"] is not None:
        channel_id = await channels.store_channel_of(session, row["location_id"])
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


_VALID = statement("""
    SELECT * FROM access_key
    WHERE id = :id AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
""")


async def all_keys(session: Session) -> list[Row]:
    """Return all keys except customers' tokens, the newest first."""
    return await session.fetch(_ALL)


_ALL = statement("""
    SELECT k.id, k.role, k.name, l.code AS location, c.code AS channel, k.scopes, k.created_at, k.revoked_at
    FROM access_key k LEFT JOIN location l ON l.id = k.location_id LEFT JOIN channel c ON c.id = k.channel_id
    WHERE k.role <> 'CUSTOMER' ORDER BY k.created_at DESC
""")


async def revoke(session: Session, *, key_id: str) -> None:
    """Revoke a key at once. Errors: `NotFound`."""
    if await session.fetchval(_REVOKE, key_id=key_id) is None:
        raise NotFound("There is no such key.", "id")


_REVOKE = statement("""
    UPDATE access_key SET revoked_at = coalesce(revoked_at, now()) WHERE id = :key_id RETURNING true
""")


VALID_KEY = fragment("EXISTS (SELECT FROM access_key k WHERE k.id = {key} AND k.revoked_at IS NULL)")
"""A condition, for statements of other domains that have the id of a terminal's key."""


async def revoked_at_location(session: Session, location_id: int) -> list[Row]:
    """Return the ids of a location's keys that were revoked."""
    return await session.fetch(_REVOKED_AT_LOCATION, location_id=location_id)


_REVOKED_AT_LOCATION = statement(
    "SELECT id FROM access_key WHERE location_id = :location_id AND revoked_at IS NOT NULL ORDER BY id"
)


async def delete_expired(session: Session) -> int:
    """Delete customers' tokens that expired more than a day ago; return how many."""
    return len(await session.fetch(_DELETE_EXPIRED))


_DELETE_EXPIRED = statement("""
    DELETE FROM access_key WHERE role = 'CUSTOMER' AND expires_at < now() - interval '1 day' RETURNING 1
""")
