"""What facts about money become: sales are orders, returns are returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from uriba.cart import carts
from uriba.cart.models import FulfillmentMethod
from uriba.conflicts.cases import Case
from uriba.conflicts.models import ConflictKind
from uriba.core.errors import Code, Problem
from uriba.core.ids import new_id
from uriba.core.ids import uuid as uuid_of
from uriba.core.money import Money, format_rate
from uriba.db import Row, Session
from uriba.fulfillment.allocation.initial import InitialFulfillment, InitialFulfillmentLine, create_handed_over
from uriba.orders import placement
from uriba.orders import till_returns as returns
from uriba.orders import till_sales as sales
from uriba.orders.till_returns import TillReturn
from uriba.orders.till_sales import TillSale, TillSaleLine
from uriba.pos.facts import Amounts, Told, amounts
from uriba.pos.models import PosEventType
from uriba.pos.reference_data import Knowledge
from uriba.pos.terminals import Meeting
from uriba.pricing import offline_redemptions
from uriba.pricing.offline_redemptions import OfflineRedemption
from uriba.pricing.tax import tax_per_rate
from uriba.stored_value import points
from uriba.stored_value.tenders import METHODS

UNSPECIFIED = "UNSPECIFIED"
"""The tender of a sale whose till does not say how it was paid."""


@dataclass(slots=True)
class Books:
    """Sales and returns of one batch, to be written together; `rewards`: the sales earn points."""

    sales: list[TillSale] = field(default_factory=list)
    returns: list[TillReturn] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)
    coupons: list[OfflineRedemption] = field(default_factory=list)
    rewards: bool = False


def enter(
    books: Books, fact: Told, *, known: Knowledge, meeting: Meeting, occurred_at: datetime, reference: str
) -> list[Problem]:
    """Enter a sale or a return, or say why it cannot be; the goods are known."""
    if known.terms is None or meeting.channel_id is None:
        return [Problem(Code.INVALID_STATE, "No STORE channel lists this terminal's location.")]
    goods = [known.goods[line.sku] for line in fact.lines]
    unknown = {good["tax_class"] for good in goods if not known.terms.has_rate(good["tax_class"])}
    if unknown and fact.type is PosEventType.SALE:
        return [Problem(Code.INVALID, f"The channel has no tax rate for class {min(unknown)}.", ("lines",))]
    units = [
        known.price(g["id"], g["tax_class"], occurred_at) if line.unit_price is None else None
        for g, line in zip(goods, fact.lines, strict=True)
    ]
    if fact.type is PosEventType.RETURN:
        units = [0 if unit is None else unit for unit in units]
    worth = amounts(fact, known.terms.currency, units)
    if isinstance(worth, list):
        return worth
    if fact.type is PosEventType.RETURN:
        books.returns.append(_returned(fact, worth, goods, known, meeting, occurred_at, reference))
        return []
    cart_id = uuid_of(fact.cart_id, "Cart") if fact.cart_id else None
    if fact.cart_id and cart_id not in known.carts:
        return [Problem(Code.NOT_FOUND, "There is no such cart.", ("cartId",))]
    sale = _sale(fact, worth, goods, known, meeting, occurred_at, cart_id)
    books.sales.append(sale)
    books.rewards = known.rewards
    books.coupons.extend(OfflineRedemption(code, sale.id, sale.customer_id, occurred_at) for code in fact.coupons)
    books.cases.extend(_variances(fact, worth, goods, known, meeting, occurred_at))
    return []


def _sale(
    fact: Told,
    worth: Amounts,
    goods: Sequence[Row],
    known: Knowledge,
    meeting: Meeting,
    occurred_at: datetime,
    cart_id: UUID | None,
) -> TillSale:
    terms = known.terms
    assert terms is not None and meeting.channel_id is not None
    rates = [terms.rate(good["tax_class"]) for good in goods]
    return TillSale(
        id=new_id(),
        cart_id=cart_id,
        channel_id=meeting.channel_id,
        cart_channel_id=meeting.channel_id,
        location_id=meeting.location_id,
        customer_id=known.customers.get((fact.loyalty_card or "").strip()),
        currency=terms.currency,
        total_minor=worth.total,
        receipt=fact.receipt,
        placed_at=occurred_at,
        lines=[
            TillSaleLine(
                new_id(),
                good["id"],
                good["sku"],
                good["name"],
                line.quantity,
                *minor,
                good["tax_class"],
                format_rate(rate),
            )
            for line, good, minor, rate in zip(fact.lines, goods, worth.lines, rates, strict=True)
        ],
        tax_lines=tax_per_rate(
            ((rate, total) for rate, (_, _, total) in zip(rates, worth.lines, strict=True)),
            included=True,
            rounding=terms.rounding,
        ),
        tenders=_tenders(fact, worth),
    )


def _tenders(fact: Told, worth: Amounts) -> list[placement.Tender]:
    if fact.tenders is None or worth.tenders is None:
        return [placement.new_tender(UNSPECIFIED, worth.total)] if worth.total else []
    return [
        placement.new_tender(tender.method.strip(), minor, tender.reference)
        for tender, minor in zip(fact.tenders, worth.tenders, strict=True)
    ]


def _returned(
    fact: Told,
    worth: Amounts,
    goods: Sequence[Row],
    known: Knowledge,
    meeting: Meeting,
    occurred_at: datetime,
    reference: str,
) -> TillReturn:
    assert known.terms is not None
    return TillReturn(
        id=new_id(),
        location_id=meeting.location_id,
        currency=known.terms.currency,
        refund_minor=worth.total if worth.tenders is None else sum(worth.tenders),
        receipt=fact.receipt,
        original_receipt=fact.original_receipt,
        reference=reference,
        created_at=occurred_at,
        units=[(good["id"], line.quantity, True) for good, line in zip(goods, fact.lines, strict=True)],
    )


def _variances(
    fact: Told, worth: Amounts, goods: Sequence[Row], known: Knowledge, meeting: Meeting, occurred_at: datetime
) -> list[Case]:
    """Prices that are not those of the price list at that time. A price without tax leaves a minor unit to rounding."""
    assert known.terms is not None
    slack = 0 if known.terms.prices_include_tax else 1
    found = []
    for line, good, (unit, _, _) in zip(fact.lines, goods, worth.lines, strict=True):
        if line.unit_price is None or good["id"] not in known.listed:
            continue
        listed = known.price(good["id"], good["tax_class"], occurred_at)
        if listed is not None and abs(listed - unit) <= slack:
            continue
        printed = Money(unit, known.terms.currency)
        said = "it has no price here" if listed is None else f"the list says {Money(listed, known.terms.currency)}"
        found.append(
            Case(
                kind=ConflictKind.PRICE_VARIANCE,
                key=f"{meeting.location_id}:{good['id']}",
                message=f"A till sold {good['sku']} for {printed}; {said} (receipt {fact.receipt or 'not given'}).",
                location_id=meeting.location_id,
                variant_id=good["id"],
                terminal=meeting.key_id,
                quantity=line.quantity,
            )
        )
    return found


async def write(session: Session, books: Books, *, meeting: Meeting, actor: str) -> None:
    """Have the books written, carts closed, and returns linked to their sales."""
    booked = await _close_carts(session, books, meeting)
    await sales.record_sales(session, booked, actor=actor)
    books.cases.extend(_overused(await offline_redemptions.record(session, books.coupons), meeting))
    if books.rewards:
        await _reward(session, booked, actor)
    await create_handed_over(session, [(sale.id, _parcel(sale)) for sale in booked])
    returns.record_returns(session, books.returns)
    receipts = {r.original_receipt for r in books.returns if r.original_receipt}
    if sold := [sale.receipt for sale in booked if sale.receipt]:
        receipts.update(await returns.receipts_awaiting_sale(session, sold))
    if receipts:
        await session.flush()
        await returns.link_to_sales(session, sorted(receipts), actor=actor)


async def _close_carts(session: Session, books: Books, meeting: Meeting) -> list[TillSale]:
    """The sales with the carts that they close. A cart that was sold elsewhere stays that order's: both stand."""
    first: dict[UUID, UUID] = {}
    for sale in books.sales:
        if sale.cart_id is not None:
            first.setdefault(sale.cart_id, sale.id)
    if not first:
        return books.sales
    assert meeting.channel_id is not None
    closed = await carts.close_sold(session, first, channel_id=meeting.channel_id)
    booked = []
    for sale in books.sales:
        if sale.cart_id is None:
            booked.append(sale)
        elif (cart := closed.get(sale.cart_id)) is not None and first[sale.cart_id] == sale.id:
            booked.append(sale._replace(cart_channel_id=cart["channel_id"], customer_id=cart["customer_id"]))
        else:
            books.cases.append(_double_sale(sale, meeting))
            booked.append(sale._replace(cart_id=None))
    return booked


async def _reward(session: Session, booked: Sequence[TillSale], actor: str) -> None:
    """Loyalty points of customers who showed their card."""
    earned = [
        points.Earning(
            order_id=sale.id,
            customer_id=sale.customer_id,
            channel_id=sale.channel_id,
            currency=sale.currency,
            total_minor=sale.total_minor,
            money_minor=sum(t.amount_minor for t in sale.tenders if t.method not in METHODS),
        )
        for sale in booked
        if sale.customer_id is not None
    ]
    await points.earn_all(session, earned, actor=actor)


def _overused(refused: Sequence[OfflineRedemption], meeting: Meeting) -> list[Case]:
    """Coupons that tills took and the hub does not count: the sales stand, people are told."""
    return [
        Case(
            kind=ConflictKind.COUPON_OVERUSED,
            message=f"A till took the coupon {use.code[:40]}, which is unknown or was used up. The sale stands.",
            location_id=meeting.location_id,
            order_id=use.order_id,
            terminal=meeting.key_id,
        )
        for use in refused
    ]


def _double_sale(sale: TillSale, meeting: Meeting) -> Case:
    return Case(
        kind=ConflictKind.DOUBLE_SALE,
        message="A till sold this cart, which was sold elsewhere too, or is being paid for. Both sales stand.",
        location_id=meeting.location_id,
        order_id=sale.id,
        terminal=meeting.key_id,
    )


def _parcel(sale: TillSale) -> InitialFulfillment:
    return InitialFulfillment(
        id=new_id(),
        location_id=sale.location_id,
        method=FulfillmentMethod.CARRY_OUT,
        lines=tuple(
            InitialFulfillmentLine(order_line_id=line.id, variant_id=line.variant_id, quantity=line.quantity)
            for line in sale.lines
        ),
    )
