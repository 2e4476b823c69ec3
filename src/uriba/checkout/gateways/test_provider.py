"""The provider TEST: a stand-in with a book of its own, for development only.

Tokens: "ok" is captured at once; "declined"; "timeout" never answers; "lost" captures, but its first answer is lost.
"""

from __future__ import annotations

import asyncio

from uriba.checkout.gateways.port import Declined, GatewayUnreachable
from uriba.db import Database

TOKENS = ("ok", "declined", "timeout", "lost")


# A real provider's book costs the hub's disk nothing: this one is written with the hub's next commit. An order that
# stands is such a commit, so its charge stands too.
_CAPTURE = """
    WITH soon AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
    INSERT INTO test_charge (key, status, amount_minor, currency) SELECT $1, 'CAPTURED', $2, $3 FROM soon
    ON CONFLICT (key) DO NOTHING RETURNING true
"""


class TestProvider:
    """Keeps its charges in a table that only it reads and writes, each statement its own transaction."""

    __test__ = False

    def __init__(self, database: Database) -> None:
        self._database = database

    def check_token(self, token: str | None) -> str | None:
        return None if token in TOKENS else f"The provider TEST takes the tokens {', '.join(TOKENS)}."

    async def capture(self, *, key: str, amount_minor: int, currency: str, token: str | None) -> str:
        if token == "timeout":  # noqa: S105
            await asyncio.Event().wait()
        if token == "declined":  # noqa: S105
            raise Declined("The card was declined.")
        async with self._database.reading() as book:
            first = await book.fetchval(
                _CAPTURE,
                key,
                amount_minor,
                currency,
            )
            status = "CAPTURED" if first else await book.fetchval("SELECT status FROM test_charge WHERE key = $1", key)
        if status == "VOIDED":
            raise Declined("This charge was called off.")
        if first and token == "lost":  # noqa: S105
            raise GatewayUnreachable("The answer was lost.")
        return f"test_{key}"

    async def find(self, *, key: str) -> str | None:
        async with self._database.reading() as book:
            found = await book.fetchval("SELECT true FROM test_charge WHERE key = $1 AND status = 'CAPTURED'", key)
        return f"test_{key}" if found else None

    async def void(self, *, key: str) -> None:
        async with self._database.reading() as book:
            await book.run(
                "INSERT INTO test_charge (key, status, amount_minor, currency) VALUES ($1, 'VOIDED', 0, 'XXX') "
                "ON CONFLICT (key) DO UPDATE SET status = 'VOIDED'",
                key,
            )
