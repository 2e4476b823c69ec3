"""Mutations of gift cards and points: issue, block, adjust.

Terminals cannot issue cards. A card is sold as goods, and the system that knows that it was paid issues it.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from uuid import UUID

import strawberry

from uriba.core import ids, text
from uriba.core.errors import NotFound
from uriba.core.ids import new_id
from uriba.db.idempotency import Replayed
from uriba.graphql.context import Info
from uriba.graphql.customers.types import Customer, load_customer
from uriba.graphql.permissions import CUSTOMERS_SCOPE, mutation
from uriba.graphql.scalars import MoneyInput, UserError
from uriba.graphql.stored_value.types import KIND, GiftCard, gift_card_of
from uriba.stored_value import gift_cards, points, queries


@strawberry.input
class GiftCardIssueInput:
    amount: MoneyInput
    idempotency_key: str
    code: str | None = strawberry.field(
        default=None,
        description="The code of a printed card: 16 to 40 random letters and digits. Null: the hub's own.",
    )
    expires_at: datetime | None = None


@strawberry.input
class GiftCardAdjustInput:
    id: strawberry.ID
    amount: MoneyInput = strawberry.field(description="A negative amount takes money off the card.")
    reason: str
    idempotency_key: str


@strawberry.input
class PointsAdjustInput:
    customer_id: strawberry.ID
    points: int = strawberry.field(description="A negative number takes points away.")
    reason: str
    idempotency_key: str


@strawberry.type
class GiftCardIssuePayload:
    code: str | None = strawberry.field(
        default=None, description="Returned once: repeating the call returns the card without it."
    )
    gift_card: GiftCard | None = None
    errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class GiftCardPayload:
    gift_card: GiftCard | None = None
    errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class PointsPayload:
    customer: Customer | None = None
    errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class StoredValueMutations:
    @mutation(CUSTOMERS_SCOPE, "Issue a gift card, with a generated code or the code of a printed card.")
    async def gift_card_issue(self, info: Info, input: GiftCardIssueInput) -> GiftCardIssuePayload:
        content = {
            "amount": vars(input.amount),
            "code": input.code,
            "expiresAt": input.expires_at and input.expires_at.isoformat(),
        }
        call = info.context.call("giftCardIssue", input.idempotency_key, content)
        card_id = new_id()
        issue = partial(
            gift_cards.issue,
            card_id=card_id,
            amount=input.amount.amount,
            currency=input.amount.currency,
            code=input.code,
            expires_at=input.expires_at,
            actor=info.context.actor.label,
        )
        code = await info.context.once(call, issue, answer={"card": str(card_id)})
        if isinstance(code, Replayed):
            return GiftCardIssuePayload(gift_card=await _card(info, UUID(code.answer["card"])))
        return GiftCardIssuePayload(code=code, gift_card=await _card(info, card_id))

    @mutation(CUSTOMERS_SCOPE, "Block a gift card from paying, or unblock it. Its balance stays.")
    async def gift_card_block(self, info: Info, id: strawberry.ID, blocked: bool = True) -> GiftCardPayload:
        key = _key(id)
        async with info.context.transaction() as session:
            await gift_cards.block(session, key, blocked=blocked)
        return GiftCardPayload(gift_card=await _card(info, key))

    @mutation(CUSTOMERS_SCOPE, "Change the balance of a gift card, with a reason.")
    async def gift_card_adjust(self, info: Info, input: GiftCardAdjustInput) -> GiftCardPayload:
        key, reason = _key(input.id), text.text(input.reason, "reason")
        content = {"card": key, "amount": vars(input.amount), "reason": reason}
        call = info.context.call("giftCardAdjust", input.idempotency_key, content)
        adjust = partial(
            gift_cards.adjust,
            card_id=key,
            amount=input.amount.amount,
            currency=input.amount.currency,
            reason=reason,
            actor=info.context.actor.label,
        )
        await info.context.once(call, adjust)
        return GiftCardPayload(gift_card=await _card(info, key))

    @mutation(CUSTOMERS_SCOPE, "Change a customer's points, with a reason. The balance cannot fall below zero.")
    async def points_adjust(self, info: Info, input: PointsAdjustInput) -> PointsPayload:
        key, reason = ids.uuid(input.customer_id, "Customer"), text.text(input.reason, "reason")
        if key is None:
            raise NotFound("There is no such customer.", "customerId")
        content = {"customer": key, "points": input.points, "reason": reason}
        call = info.context.call("pointsAdjust", input.idempotency_key, content)
        adjust = partial(
            points.adjust, customer_id=key, points=input.points, reason=reason, actor=info.context.actor.label
        )
        await info.context.once(call, adjust)
        return PointsPayload(customer=await load_customer(info, key))


async def _card(info: Info, key: UUID) -> GiftCard:
    async with info.context.reading() as session:
        return gift_card_of((await queries.cards_by_id(session, [key]))[key])


def _key(id: str) -> UUID:
    """Return the key in a gift card's global id. Errors: `NotFound`."""
    key = ids.uuid(id, KIND)
    if key is None:
        raise NotFound(gift_cards.NO_SUCH_CARD, "id")
    return key
