"""Mutations of transfers between locations."""

from __future__ import annotations

from functools import partial
from uuid import UUID

import strawberry

from uriba.core import ids
from uriba.core.ids import global_id, new_id
from uriba.db.idempotency import Replayed
from uriba.fulfillment.allocation import backorders
from uriba.graphql.context import Info
from uriba.graphql.inventory.transfers import StockTransfer, transfer_by_id
from uriba.graphql.permissions import TERMINAL_OR_INVENTORY_SCOPE, mutation
from uriba.graphql.scalars import UserError
from uriba.inventory import transfer_receipts, transfers
from uriba.inventory.transfer_receipts import Discrepancy, ReceivedUnits
from uriba.inventory.transfers import SkuUnits


@strawberry.input
class StockTransferLineInput:
    sku: str
    quantity: int


@strawberry.input
class StockTransferCreateInput:
    from_: str = strawberry.field(name="from", description="A location's code.")
    to: str = strawberry.field(description="A location's code.")
    lines: list[StockTransferLineInput]
    idempotency_key: str
    reference: str | None = None


@strawberry.input
class StockTransferShipInput:
    id: strawberry.ID
    idempotency_key: str
    lines: list[StockTransferLineInput] | None = strawberry.field(
        default=None, description="The shipped units. Default: all planned units."
    )


@strawberry.input
class StockTransferArrivalInput:
    sku: str
    quantity: int = strawberry.field(description="0 is allowed with a reason, in a call that closes the transfer.")
    reason: Discrepancy | None = strawberry.field(
        default=None,
        description="DAMAGED: these units are damaged. Otherwise, or with 0 units: why more or fewer arrived than were "
        "shipped.",
    )


@strawberry.input
class StockTransferReceiveInput:
    id: strawberry.ID
    idempotency_key: str
    lines: list[StockTransferArrivalInput]
    close: bool = strawberry.field(default=False, description="No more units will arrive.")


@strawberry.input
class StockTransferCancelInput:
    id: strawberry.ID
    idempotency_key: str
    reason: str | None = None


@strawberry.type
class StockTransferPayload:
    transfer: StockTransfer | None = None
    errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class TransferMutations:
    @mutation(TERMINAL_OR_INVENTORY_SCOPE, "Plan a transfer. No stock moves yet.")
    async def stock_transfer_create(self, info: Info, input: StockTransferCreateInput) -> StockTransferPayload:
        lines = [SkuUnits(**vars(line)) for line in input.lines]
        content = {"from": input.from_, "to": input.to, "reference": input.reference, "lines": lines}
        call = info.context.call("stockTransferCreate", input.idempotency_key, content)
        transfer_id = str(new_id())
        create = partial(
            transfers.create,
            transfer_id=UUID(transfer_id),
            actor=info.context.actor,
            source=input.from_,
            destination=input.to,
            note=input.reference,
            lines=lines,
        )
        created = await info.context.once(call, create, answer=transfer_id)
        if isinstance(created, Replayed):
            transfer_id = created.answer
        return await _payload(info, global_id("StockTransfer", transfer_id))

    @mutation(
        TERMINAL_OR_INVENTORY_SCOPE, "Ship a transfer: its units leave the source and are incoming at the destination."
    )
    async def stock_transfer_ship(self, info: Info, input: StockTransferShipInput) -> StockTransferPayload:
        lines = None if input.lines is None else [SkuUnits(**vars(line)) for line in input.lines]
        call = info.context.call("stockTransferShip", input.idempotency_key, {"id": input.id, "lines": lines})
        ship = partial(transfers.ship, actor=info.context.actor, transfer_id=_key(input.id), lines=lines)
        await info.context.once(call, ship)
        return await _payload(info, input.id)

    @mutation(
        TERMINAL_OR_INVENTORY_SCOPE,
        "Receive units of a transfer, all at once or in parts. A call can close the transfer.",
    )
    async def stock_transfer_receive(self, info: Info, input: StockTransferReceiveInput) -> StockTransferPayload:
        actor, units = info.context.actor, [ReceivedUnits(**vars(line)) for line in input.lines]
        content = {"id": input.id, "lines": units, "close": input.close}
        call = info.context.call("stockTransferReceive", input.idempotency_key, content)
        transfer_id = _key(input.id)
        receive = partial(
            transfer_receipts.receive, actor=actor, transfer_id=transfer_id, units=units, close=input.close
        )
        await info.context.once(call, partial(backorders.fill_after, change=receive, actor=actor.label))
        return await _payload(info, input.id)

    @mutation(TERMINAL_OR_INVENTORY_SCOPE, "Cancel a transfer: units on the way go back on hand at the source.")
    async def stock_transfer_cancel(self, info: Info, input: StockTransferCancelInput) -> StockTransferPayload:
        call = info.context.call("stockTransferCancel", input.idempotency_key, {"id": input.id, "reason": input.reason})
        actor = info.context.actor
        cancel = partial(transfers.cancel, actor=actor, transfer_id=_key(input.id), reason=input.reason)
        await info.context.once(call, partial(backorders.fill_after, change=cancel, actor=actor.label))
        return await _payload(info, input.id)


def _key(id: str) -> UUID | None:
    return ids.uuid(id, "StockTransfer")


async def _payload(info: Info, id: str) -> StockTransferPayload:
    """Return the transfer as it is now, for a replayed call too."""
    async with info.context.reading() as session:
        return StockTransferPayload(transfer=await transfer_by_id(session, id))
