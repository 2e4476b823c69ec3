"""The sandbox: a simulated payment provider with tables of its own, for development only. Its method is TEST.

Tokens: "ok" is charged at once; "declined" is declined; "timeout" never answers; "lost" charges, but its first answer
is lost; "action" waits for its customer, who approves or refuses at `/payments/test/KEY`.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Mapping

import msgspec

from uriba.checkout.gateways.port import (
    ChargeResult,
    ChargeState,
    Declined,
    GatewayUnreachable,
    InvalidSignature,
    ProviderEvent,
)
from uriba.db import Database
from uriba.db.statements import statement

TOKENS = ("ok", "declined", "timeout", "lost", "action")

SIGNATURE_HEADER = "uriba-test-signature"
SECRET = b"the provider TEST is for development"


class SandboxGateway:
    """A simulated provider. Only it uses the tables of the sandbox; each statement is a transaction of its own."""

    multicapture = True

    def __init__(self, database: Database) -> None:
        self._database = database

    def check_token(self, token: str | None) -> str | None:
        return None if token in TOKENS else f"Give one of the sandbox's tokens: {', '.join(TOKENS)}."

    async def charge(
        self, *, key: str, amount_minor: int, currency: str, token: str | None, capture: bool
    ) -> ChargeResult:
        if token == "timeout":  # noqa: S105
            await asyncio.Event().wait()
        if token == "declined":  # noqa: S105
            raise Declined("The card was declined.")
        status = "CAPTURED" if capture else "AUTHORIZED"
        if token == "action":  # noqa: S105
            status = f"ACTION_{status}"
        async with self._database.reading() as session:
            created = await session.fetchval(
                _CHARGE, key=key, status=status, amount_minor=amount_minor, currency=currency
            )
            status = created or await session.fetchval(_STATUS, key=key)
        if status == "VOIDED":
            raise Declined("This charge was canceled.")
        if created and token == "lost":  # noqa: S105
            raise GatewayUnreachable("The answer was lost.")
        return _charge_result(key, status)

    async def find(
        self,
        *,
        key: str,
        amount_minor: int | None = None,
        currency: str | None = None,
        reference: str | None = None,
    ) -> ChargeResult | None:
        async with self._database.reading() as session:
            status = await session.fetchval(_STATUS, key=key)
        return None if status in (None, "VOIDED") else _charge_result(key, status)

    async def void(
        self,
        *,
        key: str,
        amount_minor: int | None = None,
        currency: str | None = None,
        reference: str | None = None,
    ) -> None:
        async with self._database.reading() as session:
            await session.run(_VOID, key=key)

    async def capture(
        self, *, key: str, operation: str, amount_minor: int, currency: str, reference: str | None = None
    ) -> str:
        return await self._move(key, operation, "CAPTURE", amount_minor)

    async def refund(
        self, *, key: str, operation: str, amount_minor: int, currency: str, reference: str | None = None
    ) -> str:
        return await self._move(key, operation, "REFUND", amount_minor)

    async def _move(self, key: str, operation: str, kind: str, amount_minor: int) -> str:
        async with self._database.reading() as session:
            moved = await session.fetchval(_MOVE, operation=operation, charge=key, kind=kind, amount_minor=amount_minor)
            if not moved and not await session.fetchval(_IS_DONE, operation=operation):
                raise Declined("The amount is more than is left of the charge.")
        return f"test_{operation}"

    def parse_event(self, headers: Mapping[str, str], body: bytes) -> ProviderEvent | None:
        if not hmac.compare_digest(sign(body).encode(), headers.get(SIGNATURE_HEADER, "").encode()):
            raise InvalidSignature
        return msgspec.json.decode(body, type=ProviderEvent)

    async def decide(self, *, key: str, approved: bool) -> bool:
        """Record the decision of the customer's second step; return False where no charge waits for one."""
        async with self._database.reading() as session:
            return bool(await session.fetchval(_DECIDE, key=key, approved=approved))


# A real provider costs the hub no flush to its disk. So this charge is not flushed by itself, but with the hub's next
# commit, which places the order: if the order is durable, so is its charge.
_CHARGE = statement("""
    WITH unflushed AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
    INSERT INTO sandbox_charge (key, status, amount_minor, captured_minor, currency)
    SELECT :key, :status::text, :amount_minor::bigint,
        CASE WHEN :status::text = 'CAPTURED' THEN :amount_minor::bigint ELSE 0 END, :currency
    FROM unflushed
    ON CONFLICT (key) DO NOTHING RETURNING status
""")

_STATUS = statement("SELECT status FROM sandbox_charge WHERE key = :key")

_VOID = statement("""
    INSERT INTO sandbox_charge (key, status, amount_minor, currency) VALUES (:key, 'VOIDED', 0, 'XXX')
    ON CONFLICT (key) DO UPDATE SET status = 'VOIDED', refunded_minor = sandbox_charge.captured_minor
""")

_MOVE = statement("""
    WITH moved AS (
        INSERT INTO sandbox_operation (key, charge, kind, amount_minor)
        SELECT :operation, :charge, :kind::text, :amount_minor::bigint FROM sandbox_charge
        WHERE key = :charge AND CASE :kind::text
            WHEN 'CAPTURE'
                THEN status IN ('AUTHORIZED', 'CAPTURED') AND captured_minor + :amount_minor::bigint <= amount_minor
            ELSE refunded_minor + :amount_minor::bigint <= captured_minor END
        ON CONFLICT (key) DO NOTHING RETURNING kind, amount_minor
    )
    UPDATE sandbox_charge SET status = 'CAPTURED',
        captured_minor = captured_minor + CASE WHEN m.kind = 'CAPTURE' THEN m.amount_minor ELSE 0 END,
        refunded_minor = refunded_minor + CASE WHEN m.kind = 'REFUND' THEN m.amount_minor ELSE 0 END
    FROM moved m WHERE key = :charge RETURNING true
""")

_IS_DONE = statement("SELECT true FROM sandbox_operation WHERE key = :operation")

_DECIDE = statement("""
    UPDATE sandbox_charge SET status = CASE WHEN :approved THEN replace(status, 'ACTION_', '') ELSE 'VOIDED' END,
        captured_minor = CASE WHEN :approved AND status = 'ACTION_CAPTURED' THEN amount_minor ELSE 0 END
    WHERE key = :key AND status LIKE 'ACTION%' RETURNING true
""")


def sign(body: bytes) -> str:
    """Return the signature of an event of the sandbox."""
    return hmac.new(SECRET, body, hashlib.sha256).hexdigest()


def _charge_result(key: str, status: str) -> ChargeResult:
    state = ChargeState.ACTION if status.startswith("ACTION") else ChargeState(status)
    action = {"url": f"/payments/test/{key}"} if state is ChargeState.ACTION else None
    return ChargeResult(state=state, reference=f"test_{key}", event=f"{key}:{state}", action=action)
