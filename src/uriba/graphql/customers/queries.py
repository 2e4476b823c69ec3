"""Queries of customers."""

from __future__ import annotations

import strawberry

from uriba.customers import customers, identifiers
from uriba.graphql.context import Info
from uriba.graphql.customers.types import Customer, customer_of, load_customer
from uriba.graphql.permissions import PUBLIC, TERMINAL_OR_STAFF, query


@strawberry.type
class CustomerQueries:
    @query(PUBLIC, "The customer whose token the call is made with.")
    async def me(self, info: Info) -> Customer | None:
        return await load_customer(info, info.context.actor.customer_id)

    @query(TERMINAL_OR_STAFF, "A customer, by exactly one identifier. For terminals and staff.")
    async def customer(
        self, info: Info, loyalty_card: str | None = None, email: str | None = None, phone: str | None = None
    ) -> Customer | None:
        identifier = identifiers.one_of(card=loyalty_card, email_address=email, phone_number=phone)
        async with info.context.reading() as session:
            row = await customers.find(session, identifier)
        return customer_of(row) if row else None
