"""Who is calling: from key, header and address to an actor."""

from __future__ import annotations

import time
from datetime import datetime
from hashlib import sha256

from uriba.access import keys
from uriba.core import clock
from uriba.core.actor import Actor, Role
from uriba.core.errors import Unauthenticated
from uriba.db import Database
from uriba.graphql.engine.recent import Recent

REMEMBER_S = 5.0
REMEMBER_MAX = 10_000


def _nothing() -> Recent[bytes, tuple[float, Actor, datetime | None]]:
    return Recent(REMEMBER_MAX)


class Identity:
    """Authenticates keys, and remembers a good one for a few seconds; a revocation empties the memory at once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known = _nothing()

    async def actor(self, authorization: object, *, address: str) -> Actor:
        """The caller of an `Authorization` header; without one, an anonymous caller.

        Errors: `Unauthenticated` for anything but a good bearer key.
        """
        if authorization is None:
            return Actor(Role.ANONYMOUS, address=address)
        scheme, _, key = authorization.partition(" ") if isinstance(authorization, str) else ("", "", "")
        if scheme.lower() != "bearer" or not key:
            raise Unauthenticated("Give the key as: Authorization: Bearer KEY.")
        return await self._authenticate(key.strip())

    async def _authenticate(self, key: str) -> Actor:
        digest = sha256(key.encode("utf-8", "replace")).digest()
        # What is read while a revocation empties the memory belongs to the old one.
        memory = self._known
        known = memory.get(digest)
        if known is not None and known[0] > time.monotonic() and (known[2] is None or known[2] > clock.now()):
            return known[1]
        async with self._database.reading() as session:
            found = await keys.authenticate(session, key)
        if found is None:
            memory.pop(digest, None)
            raise Unauthenticated("This key is forged, expired or revoked.")
        memory[digest] = (time.monotonic() + REMEMBER_S, *found)
        return found[0]

    def forget(self) -> None:
        """Ask PostgreSQL again from now on."""
        self._known = _nothing()
