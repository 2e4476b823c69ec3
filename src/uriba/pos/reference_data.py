"""Reference data of a batch: the goods, prices, customers and carts that its facts name, read at once for all facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from uuid import UUID

from uriba.cart import queries as carts
from uriba.catalog import channels
from uriba.core.ids import uuid
from uriba.core.money import divide
from uriba.core.text import CODE_SIZE_MAX, has_control
from uriba.customers import customers
from uriba.db import Row, Session
from uriba.inventory.queries import variants_at_location
from uriba.pos.enums import PosEventType
from uriba.pos.facts import PRICED_TYPES, TillFact
from uriba.pos.terminals import SyncContext
from uriba.pricing import prices
from uriba.pricing.quote import PricingTerms, pricing_terms


@dataclass(slots=True)
class ReferenceData:
    """Known variants, prices, customers and carts that facts refer to.

    goods: variants by the SKU or barcode that the till has sent. terms: how the store's channel counts, None where no
    channel lists the store. listed: prices by variant. customers: by loyalty card. carts: the ids that exist. rewards:
    whether the channel gives loyalty points.
    """

    goods: Mapping[str, Row]
    terms: PricingTerms | None = None
    listed: Mapping[int, list[Row]] = field(default_factory=dict)
    customers: Mapping[str, UUID] = field(default_factory=dict)
    carts: frozenset[UUID] = frozenset()
    rewards: bool = False

    def price(self, variant_id: int, tax_class: str, moment: datetime) -> int | None:
        """Return the price of one unit at a time, tax included, in minor units."""
        listed = prices.at(self.listed.get(variant_id, ()), moment)
        return listed if listed is None or self.terms is None else with_tax(listed, tax_class, self.terms)


def with_tax(amount_minor: int, tax_class: str, terms: PricingTerms) -> int:
    """Return a listed price as a till prints it, tax included, in minor units. Pure."""
    if terms.prices_include_tax:
        return amount_minor
    rate = terms.rate(tax_class) + Fraction(1)
    return divide(amount_minor * rate.numerator, rate.denominator, terms.rounding)


async def load(
    session: Session, context: SyncContext, facts: Sequence[TillFact], *, check_prices: bool
) -> ReferenceData:
    """Return the reference data of these facts. `check_prices`: also the prices of lines that have one of their own."""
    data = ReferenceData(await _goods(session, context, facts))
    priced = [fact for fact in facts if fact.type in PRICED_TYPES]
    if not priced or context.channel_id is None:
        return data
    channel = await channels.with_rates(session, context.channel_id)
    data.terms, data.rewards = _terms(channel), channel["points_per_unit"] > 0
    needed = {line.sku for fact in priced for line in fact.lines if check_prices or line.unit_price is None}
    if variant_ids := list({data.goods[name]["id"] for name in needed if name in data.goods}):
        data.listed = await prices.listed_by_variant(
            session,
            variant_ids,
            channel_id=context.channel_id,
            currency=data.terms.currency,
            location_id=context.location_id,
        )
    if cards := {card for fact in priced if (card := _card(fact))}:
        data.customers = await customers.ids_by_loyalty_card(session, sorted(cards))
    if cart_ids := [key for fact in priced if fact.cart_id and (key := uuid(fact.cart_id, "Cart"))]:
        data.carts = await carts.existing(session, cart_ids)
    return data


def _card(fact: TillFact) -> str | None:
    """Return the loyalty card of a sale, unless it is invalid: then the sale is parked."""
    card = (fact.loyalty_card or "").strip()
    is_sale = fact.type is PosEventType.SALE
    return card if is_sale and 0 < len(card) <= CODE_SIZE_MAX and not has_control(card) else None


async def _goods(session: Session, context: SyncContext, facts: Sequence[TillFact]) -> Mapping[str, Row]:
    sent = {line.sku for fact in facts for line in fact.lines}
    names = [name for name in sent if len(name) <= CODE_SIZE_MAX and not has_control(name)]
    return await variants_at_location(session, names, location_id=context.location_id) if names else {}


async def terms_of_channel(session: Session, channel_id: int) -> PricingTerms:
    """Return the currency, tax rules and tax rates of a channel."""
    return _terms(await channels.with_rates(session, channel_id))


def _terms(row: Row) -> PricingTerms:
    rates = tuple((tax_class, rate) for tax_class, rate in row["rates"] or ())
    return pricing_terms(
        row["currency"], row["prices_include_tax"], row["tax_rounding"], row["shipping_price_minor"], rates
    )
