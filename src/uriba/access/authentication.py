"""Authentication: from the `Authorization` header and the network address of a request to an actor."""

from __future__ import annotations

import time
from datetime import datetime
from hashlib import sha256

from uriba.access import keys
from uriba.core import clock
from uriba.core.actor import Actor, Role
from uriba.core.bounded_cache import BoundedCache
from uriba.core.errors import Unauthenticated
from uriba.db import Database

CACHE_TTL_S = 5.0
CACHE_SIZE_MAX = 10_000

_CachedActors = BoundedCache[bytes, tuple[float, Actor, datetime | None]]
"""By the key's digest: until when the entry may be used, the actor, and when the key expires."""


class Authenticator:
    """Authenticates keys, and caches the actors of valid ones for `CACHE_TTL_S`.

    A hint that a key was revoked calls `clear_cache`; where the hint is lost, the key works until its entry ends.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cache: _CachedActors = BoundedCache(CACHE_SIZE_MAX)

    async def authenticate(self, authorization: object, *, address: str) -> Actor:
        """Return the caller of an `Authorization` header; without the header, an anonymous caller.

        Errors: `Unauthenticated` for anything but a valid bearer key.
        """
        if authorization is None:
            return Actor(Role.ANONYMOUS, address=address)
        scheme, _, key = authorization.partition(" ") if isinstance(authorization, str) else ("", "", "")
        if scheme.lower() != "bearer" or not key:
            raise Unauthenticated("Send the key in this form: Authorization: Bearer KEY.")
        return await self._actor_of_key(key.strip())

    async def _actor_of_key(self, key: str) -> Actor:
        digest = sha256(key.encode("utf-8", "replace")).digest()
        # Keep the cache of now: what is read while `clear_cache` runs must not enter the new one.
        cache = self._cache
        cached = cache.get(digest)
        if cached is not None and cached[0] > time.monotonic() and (cached[2] is None or cached[2] > clock.now()):
            return cached[1]
        async with self._database.reading() as session:
            authenticated = await keys.authenticate(session, key)
        if authenticated is None:
            cache.pop(digest, None)
            raise Unauthenticated("This key is invalid, expired or revoked.")
        cache[digest] = (time.monotonic() + CACHE_TTL_S, *authenticated)
        return authenticated[0]

    def clear_cache(self) -> None:
        """Read every key from PostgreSQL again from now on."""
        self._cache = BoundedCache(CACHE_SIZE_MAX)
