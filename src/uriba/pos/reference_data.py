"""What the hub knows of the things that facts name, read at once for all facts of a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from uuid import UUID

from uriba.catalog import channels, queries
from uriba.core.ids import uuid
from uriba.core.money import divide
from uriba.core.text import CODE_SIZE_MAX, has_control
from uriba.customers import customers
from uriba.db import Row, Session
from uriba.pos.facts import PRICED, Told
from uriba.pos.models import PosEventType
from uriba.pos.terminals import Meeting
from uriba.pricing import prices
from uriba.pricing.quote import PricingTerms, pricing_terms


@dataclass(slots=True)
class Knowledge:
    """Goods by the name that the till has of them, prices by variant, customers by card, carts by id."""

    goods: Mapping[str, Row]
    terms: PricingTerms | None = None
    listed: Mapping[int, list[Row]] = field(default_factory=dict)
    customers: Mapping[str, UUID] = field(default_factory=dict)
    carts: frozenset[UUID] = frozenset()
    rewards: bool = False
    """Whether the store's channel gives loyalty points."""

    def price(self, variant_id: int, tax_class: str, moment: datetime) -> int | None:
        """What one unit cost then, tax included, in minor units."""
        listed = prices.at(self.listed.get(variant_id, ()), moment)
        return listed if listed is None or self.terms is None else with_tax(listed, tax_class, self.terms)


def with_tax(amount_minor: int, tax_class: str, terms: PricingTerms) -> int:
    """A price of the list as a till prints it, in minor units: with its tax. Pure."""
    if terms.prices_include_tax:
        return amount_minor
    rate = terms.rate(tax_class) + Fraction(1)
    return divide(amount_minor * rate.numerator, rate.denominator, terms.rounding)


async def gather(session: Session, meeting: Meeting, facts: Sequence[Told], *, check_prices: bool) -> Knowledge:
    """Look up what these facts name."""
    known = Knowledge(await _goods(session, meeting, facts))
    priced = [fact for fact in facts if fact.type in PRICED]
    if not priced or meeting.channel_id is None:
        return known
    channel = await channels.with_rates(session, meeting.channel_id)
    known.terms, known.rewards = _terms(channel), channel["points_per_unit"] > 0
    named = {line.sku for f in priced for line in f.lines if check_prices or line.unit_price is None}
    if variant_ids := list({known.goods[name]["id"] for name in named if name in known.goods}):
        known.listed = await prices.listed_by_variant(
            session,
            variant_ids,
            channel_id=meeting.channel_id,
            currency=known.terms.currency,
            location_id=meeting.location_id,
        )
    if cards := {card for f in priced if (card := _card(f))}:
        known.customers = await customers.ids_by_loyalty_card(session, sorted(cards))
    if carts := [key for f in priced if f.cart_id and (key := uuid(f.cart_id, "Cart"))]:
        rows = await session.fetch("SELECT id FROM cart WHERE id = ANY($1)", carts)
        known.carts = frozenset(row["id"] for row in rows)
    return known


def _card(fact: Told) -> str | None:
    """The card of a sale that will be booked; a bad one parks it."""
    card = (fact.loyalty_card or "").strip()
    sold = fact.type is PosEventType.SALE
    return card if sold and 0 < len(card) <= CODE_SIZE_MAX and not has_control(card) else None


async def _goods(session: Session, meeting: Meeting, facts: Sequence[Told]) -> Mapping[str, Row]:
    named = {line.sku for fact in facts for line in fact.lines}
    asked = [name for name in named if len(name) <= CODE_SIZE_MAX and not has_control(name)]
    return await queries.variants_at_location(session, asked, location_id=meeting.location_id) if asked else {}


async def terms_of_channel(session: Session, channel_id: int) -> PricingTerms:
    """How the store's channel counts."""
    return _terms(await channels.with_rates(session, channel_id))


def _terms(row: Row) -> PricingTerms:
    rates = tuple((tax_class, rate) for tax_class, rate in row["rates"] or ())
    return pricing_terms(
        row["currency"], row["prices_include_tax"], row["tax_rounding"], row["shipping_price_minor"], rates
    )
