"""Settlement: carry out payment operations at their providers. Two short transactions surround each call."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from uuid import UUID

import structlog

from uriba.checkout.charges import ChargeProcessor
from uriba.checkout.gateways import Declined, GatewayUnreachable
from uriba.db import Database
from uriba.orders import payment_operations
from uriba.orders.enums import OperationKind
from uriba.orders.payment_operations import DueOperation

log = structlog.get_logger()

ROUNDS_MAX = 10
"""Rounds of one call of `settle`; the sweep does the rest."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """The settlement of a hub. Repeating it is harmless: an operation's id is its idempotency key at the provider."""

    database: Database
    charges: ChargeProcessor

    async def settle(self, order_id: UUID) -> None:
        """Carry out the due operations of an order, as far as providers answer; the sweep does the rest."""
        for _ in range(ROUNDS_MAX):
            if not await self._round(order_id=order_id):
                return

    async def sweep(self, *, limit: int = 50) -> int:
        """Carry out due operations; return how many were finished."""
        return await self._round(limit=limit)

    async def _round(self, *, order_id: UUID | None = None, limit: int = 50) -> int:
        """Return how many operations succeeded or were declined."""
        async with self.database.transaction(notify=False) as session:
            operations = await payment_operations.claim_due(session, order_id=order_id, limit=limit)
        return sum(await asyncio.gather(*(self._do(operation) for operation in operations)))

    async def _do(self, operation: DueOperation) -> bool:
        """Carry out an operation; return False where the provider did not answer."""
        try:
            async with asyncio.timeout(self.charges.timeout_s):
                reference = await self._call_gateway(operation)
        except (TimeoutError, GatewayUnreachable) as error:
            log.warning("payment provider unreachable", operation=str(operation.id), error=str(error))
            return False
        except Declined as declined:
            async with self.database.transaction() as session:
                await payment_operations.mark_failed(session, operation, str(declined))
            return True
        async with self.database.transaction(notify=False) as session:
            await payment_operations.mark_succeeded(session, operation.id, reference)
        return True

    async def _call_gateway(self, operation: DueOperation) -> str | None:
        gateway = self.charges.gateways[operation.method]
        if operation.kind is OperationKind.VOID:
            await gateway.void(key=operation.key, reference=operation.reference)
            return None
        call = gateway.capture if operation.kind is OperationKind.CAPTURE else gateway.refund
        return await call(
            key=operation.key,
            operation=str(operation.id),
            amount_minor=operation.amount_minor,
            currency=operation.currency,
            reference=operation.reference,
        )
