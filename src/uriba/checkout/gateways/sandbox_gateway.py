"""The provider TEST: a stand-in with a book of its own, for development only.

Tokens: "ok" is charged at once; "declined"; "timeout" never answers; "lost" charges, but its first answer is lost;
"action" waits for its customer, who approves or refuses at `/payments/test/KEY`.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Mapping

import msgspec

from uriba.checkout.gateways.port import (
    Answer,
    ChargeState,
    Declined,
    GatewayUnreachable,
    NotGenuine,
    ProviderEvent,
)
from uriba.db import Database, Row

TOKENS = ("ok", "declined", "timeout", "lost", "action")

SIGNATURE = "uriba-test-signature"
SECRET = b"the provider TEST is for development"

# A real provider's book costs the hub's disk nothing: this one is written with the hub's next commit. An order that
# stands is such a commit, so its charge stands too.
_CHARGE = """
    WITH soon AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
    INSERT INTO sandbox_charge (key, status, amount_minor, captured_minor, currency)
    SELECT $1, $2::text, $3::bigint, CASE WHEN $2::text = 'CAPTURED' THEN $3::bigint ELSE 0 END, $4 FROM soon
    ON CONFLICT (key) DO NOTHING RETURNING status
"""
_MOVE = """
    WITH moved AS (
        INSERT INTO sandbox_operation (key, charge, kind, amount_minor)
        SELECT $1, $2, $3::text, $4::bigint FROM sandbox_charge
        WHERE key = $2 AND CASE $3::text
            WHEN 'CAPTURE' THEN status IN ('AUTHORIZED', 'CAPTURED') AND captured_minor + $4::bigint <= amount_minor
            ELSE refunded_minor + $4::bigint <= captured_minor END
        ON CONFLICT (key) DO NOTHING RETURNING kind, amount_minor
    )
    UPDATE sandbox_charge SET status = 'CAPTURED',
        captured_minor = captured_minor + CASE WHEN m.kind = 'CAPTURE' THEN m.amount_minor ELSE 0 END,
        refunded_minor = refunded_minor + CASE WHEN m.kind = 'REFUND' THEN m.amount_minor ELSE 0 END
    FROM moved m WHERE key = $2 RETURNING true
"""


class TestProvider:
    """Keeps its charges in tables that only it reads and writes, each statement its own transaction."""

    __test__ = False

    multicapture = True

    def __init__(self, database: Database) -> None:
        self._database = database

    def check_token(self, token: str | None) -> str | None:
        return None if token in TOKENS else f"The provider TEST takes the tokens {', '.join(TOKENS)}."

    async def charge(self, *, key: str, amount_minor: int, currency: str, token: str | None, capture: bool) -> Answer:
        if token == "timeout":  # noqa: S105
            await asyncio.Event().wait()
        if token == "declined":  # noqa: S105
            raise Declined("The card was declined.")
        status = "CAPTURED" if capture else "AUTHORIZED"
        if token == "action":  # noqa: S105
            status = f"ACTION_{status}"
        async with self._database.reading() as book:
            first = await book.fetchval(_CHARGE, key, status, amount_minor, currency)
            status = first or await book.fetchval("SELECT status FROM sandbox_charge WHERE key = $1", key)
        if status == "VOIDED":
            raise Declined("This charge was called off.")
        if first and token == "lost":  # noqa: S105
            raise GatewayUnreachable("The answer was lost.")
        return _answer(key, status)

    async def find(
        self,
        *,
        key: str,
        amount_minor: int | None = None,
        currency: str | None = None,
        reference: str | None = None,
    ) -> Answer | None:
        async with self._database.reading() as book:
            status = await book.fetchval("SELECT status FROM sandbox_charge WHERE key = $1", key)
        return None if status in (None, "VOIDED") else _answer(key, status)

    async def void(
        self,
        *,
        key: str,
        amount_minor: int | None = None,
        currency: str | None = None,
        reference: str | None = None,
    ) -> None:
        async with self._database.reading() as book:
            await book.run(
                "INSERT INTO sandbox_charge (key, status, amount_minor, currency) VALUES ($1, 'VOIDED', 0, 'XXX') "
                "ON CONFLICT (key) DO UPDATE SET status = 'VOIDED', refunded_minor = sandbox_charge.captured_minor",
                key,
            )

    async def capture(
        self, *, key: str, operation: str, amount_minor: int, currency: str, reference: str | None = None
    ) -> str:
        return await self._move(key, operation, "CAPTURE", amount_minor)

    async def refund(
        self, *, key: str, operation: str, amount_minor: int, currency: str, reference: str | None = None
    ) -> str:
        return await self._move(key, operation, "REFUND", amount_minor)

    async def _move(self, key: str, operation: str, kind: str, amount_minor: int) -> str:
        async with self._database.reading() as book:
            moved = await book.fetchval(_MOVE, operation, key, kind, amount_minor)
            if not moved and not await book.fetchval("SELECT true FROM sandbox_operation WHERE key = $1", operation):
                raise Declined("The charge does not have that much.")
        return f"test_{operation}"

    def parse_event(self, headers: Mapping[str, str], body: bytes) -> ProviderEvent | None:
        if not hmac.compare_digest(sign(body).encode(), headers.get(SIGNATURE, "").encode()):
            raise NotGenuine
        return msgspec.json.decode(body, type=ProviderEvent)

    async def decide(self, *, key: str, approved: bool) -> Row | None:
        """The customer's second step; the charge's row, None where no step waits."""
        async with self._database.reading() as book:
            return await book.fetchrow(
                "UPDATE sandbox_charge SET "
                "status = CASE WHEN $2 THEN replace(status, 'ACTION_', '') ELSE 'VOIDED' END, "
                "captured_minor = CASE WHEN $2 AND status = 'ACTION_CAPTURED' THEN amount_minor ELSE 0 END "
                "WHERE key = $1 AND status LIKE 'ACTION%' RETURNING *",
                key,
                approved,
            )


def sign(body: bytes) -> str:
    """What the provider TEST signs its events with."""
    return hmac.new(SECRET, body, hashlib.sha256).hexdigest()


def _answer(key: str, status: str) -> Answer:
    state = ChargeState.ACTION if status.startswith("ACTION") else ChargeState(status)
    action = {"url": f"/payments/test/{key}"} if state is ChargeState.ACTION else None
    return Answer(state=state, reference=f"test_{key}", event=f"{key}:{state}", action=action)
