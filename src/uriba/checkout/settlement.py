"""Settlement: providers do what was decided about an order's money. Two short transactions around each call."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from uuid import UUID

import structlog

from uriba.checkout.charges import Charging
from uriba.checkout.gateways import Declined, GatewayUnreachable
from uriba.db import Database
from uriba.orders import payment_operations
from uriba.orders.models import OperationKind
from uriba.orders.payment_operations import DueOperation

log = structlog.get_logger()

ROUNDS_MAX = 10
"""Operations of one payment that one settling does; a sweep does the rest."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """The settling of one hub. Everything is harmless to repeat: an operation's id is its key at the provider."""

    database: Database
    charging: Charging

    async def settle(self, order_id: UUID) -> None:
        """Have an order's money moved now, as far as providers answer; a sweep does what is left."""
        for _ in range(ROUNDS_MAX):
            if not await self._round(order_id=order_id):
                return

    async def sweep(self, *, limit: int = 50) -> int:
        """Do what is due; how much that was."""
        return await self._round(limit=limit)

    async def _round(self, *, order_id: UUID | None = None, limit: int = 50) -> int:
        """How many operations were done, or refused for good."""
        async with self.database.transaction(notify=False) as session:
            taken = await payment_operations.claim_due(session, order_id=order_id, limit=limit)
        return sum(await asyncio.gather(*(self._do(operation) for operation in taken)))

    async def _do(self, operation: DueOperation) -> bool:
        try:
            async with asyncio.timeout(self.charging.timeout_s):
                reference = await self._ask(operation)
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

    async def _ask(self, operation: DueOperation) -> str | None:
        gateway = self.charging.gateways[operation.method]
        if operation.kind is OperationKind.VOID:
            await gateway.void(key=operation.key, reference=operation.reference)
            return None
        move = gateway.capture if operation.kind is OperationKind.CAPTURE else gateway.refund
        return await move(
            key=operation.key,
            operation=str(operation.id),
            amount_minor=operation.amount_minor,
            currency=operation.currency,
            reference=operation.reference,
        )
