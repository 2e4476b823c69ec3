"""Mutations of customers. Channels create customers and sign them in; the hub stores no passwords."""

from __future__ import annotations

from datetime import datetime

import strawberry

from uriba.access import keys
from uriba.customers import customers, identifiers
from uriba.customers.customers import CustomerRow
from uriba.graphql.catalog.mutations import UpsertPayload
from uriba.graphql.context import Info
from uriba.graphql.permissions import CUSTOMERS_SCOPE, mutation
from uriba.graphql.scalars import UserError


@strawberry.input
class CustomerInput:
    loyalty_card: str | None = None
    email: str | None = None
    phone: str | None = None
    name: str | None = None


@strawberry.input
class CustomerTokenInput:
    loyalty_card: str | None = None
    email: str | None = None
    phone: str | None = None
    ttl_seconds: int = 3600


@strawberry.type(description="A bearer token of a customer, bound to the channel that requested it.")
class CustomerTokenPayload:
    token: str | None = None
    expires_at: datetime | None = None
    errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class CustomerMutations:
    @mutation(CUSTOMERS_SCOPE, "Create or change customers, found by loyalty card, else by e-mail, else by phone.")
    async def customers_upsert(self, info: Info, customers: list[CustomerInput]) -> UpsertPayload:
        async with info.context.transaction() as session:
            return UpsertPayload(count=await upsert(session, [CustomerRow(**vars(row)) for row in customers]))

    @mutation(CUSTOMERS_SCOPE, "Issue a token for a customer whom the calling channel has signed in.")
    async def customer_token(self, info: Info, input: CustomerTokenInput) -> CustomerTokenPayload:
        identifier = identifiers.one_of(card=input.loyalty_card, email_address=input.email, phone_number=input.phone)
        async with info.context.transaction() as session:
            issued = await keys.for_customer(
                session,
                identifier=identifier,
                channel_id=info.context.actor.channel_id,
                term_s=input.ttl_seconds,
            )
        return CustomerTokenPayload(token=issued.key, expires_at=issued.expires_at)


upsert = customers.upsert
