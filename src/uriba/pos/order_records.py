"""Order records of a batch: sales become orders, returns become returns, and prices off the list become conflicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from uriba.cart import carts
from uriba.cart.enums import FulfillmentMethod
from uriba.conflicts.conflicts import NewConflict
from uriba.conflicts.enums import ConflictKind
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
from uriba.pos.enums import PosEventType
from uriba.pos.facts import FactAmounts, TillFact, parse_amounts
from uriba.pos.reference_data import ReferenceData
from uriba.pos.terminals import SyncContext
from uriba.pricing import offline_redemptions
from uriba.pricing.offline_redemptions import OfflineRedemption
from uriba.pricing.tax import tax_per_rate
from uriba.stored_value import points
from uriba.stored_value.tenders import METHODS

UNSPECIFIED = "UNSPECIFIED"
"""The payment method of a sale that was sent without tenders."""


@dataclass(slots=True)
class OrderRecords:
    """Sales and returns of one batch, to be written together. `rewards`: the sales earn loyalty points."""

    sales: list[TillSale] = field(default_factory=list)
    returns: list[TillReturn] = field(default_factory=list)
    conflicts: list[NewConflict] = field(default_factory=list)
    coupons: list[OfflineRedemption] = field(default_factory=list)
    rewards: bool = False


def add_fact(
    records: OrderRecords,
    fact: TillFact,
    *,
    data: ReferenceData,
    context: SyncContext,
    occurred_at: datetime,
    reference: str,
) -> list[Problem]:
    """Add a sale or a return whose goods are known, or return why it cannot be applied; then nothing is added."""
    if data.terms is None or context.channel_id is None:
        sentence = "No STORE channel lists this terminal's location. Add the location to one."
        return [Problem(Code.INVALID_STATE, sentence)]
    goods = [data.goods[line.sku] for line in fact.lines]
    untaxed = {good["tax_class"] for good in goods if not data.terms.has_rate(good["tax_class"])}
    if untaxed and fact.type is PosEventType.SALE:
        return [Problem(Code.INVALID, f"The channel has no tax rate for class {min(untaxed)}.", ("lines",))]
    units = [
        data.price(good["id"], good["tax_class"], occurred_at) if line.unit_price is None else None
        for good, line in zip(goods, fact.lines, strict=True)
    ]
    if fact.type is PosEventType.RETURN:
        units = [0 if unit is None else unit for unit in units]
    amounts = parse_amounts(fact, data.terms.currency, units)
    if isinstance(amounts, list):
        return amounts
    if fact.type is PosEventType.RETURN:
        records.returns.append(_return(fact, amounts, goods, data, context, occurred_at, reference))
        return []
    cart_id = uuid_of(fact.cart_id, "Cart") if fact.cart_id else None
    if fact.cart_id and cart_id not in data.carts:
        return [Problem(Code.NOT_FOUND, "There is no such cart.", ("cartId",))]
    sale = _sale(fact, amounts, goods, data, context, occurred_at, cart_id)
    records.sales.append(sale)
    records.rewards = data.rewards
    records.coupons.extend(OfflineRedemption(code, sale.id, sale.customer_id, occurred_at) for code in fact.coupons)
    records.conflicts.extend(_price_variances(fact, amounts, goods, data, context, occurred_at))
    return []


def _sale(
    fact: TillFact,
    amounts: FactAmounts,
    goods: Sequence[Row],
    data: ReferenceData,
    context: SyncContext,
    occurred_at: datetime,
    cart_id: UUID | None,
) -> TillSale:
    terms = data.terms
    assert terms is not None and context.channel_id is not None
    rates = [terms.rate(good["tax_class"]) for good in goods]
    return TillSale(
        id=new_id(),
        cart_id=cart_id,
        channel_id=context.channel_id,
        cart_channel_id=context.channel_id,
        location_id=context.location_id,
        customer_id=data.customers.get((fact.loyalty_card or "").strip()),
        currency=terms.currency,
        total_minor=amounts.total,
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
            for line, good, minor, rate in zip(fact.lines, goods, amounts.lines, rates, strict=True)
        ],
        tax_lines=tax_per_rate(
            ((rate, total) for rate, (_, _, total) in zip(rates, amounts.lines, strict=True)),
            included=True,
            rounding=terms.rounding,
        ),
        tenders=_tenders(fact, amounts),
    )


def _tenders(fact: TillFact, amounts: FactAmounts) -> list[placement.Tender]:
    if fact.tenders is None or amounts.tenders is None:
        return [placement.new_tender(UNSPECIFIED, amounts.total)] if amounts.total else []
    return [
        placement.new_tender(tender.method.strip(), minor, tender.reference)
        for tender, minor in zip(fact.tenders, amounts.tenders, strict=True)
    ]


def _return(
    fact: TillFact,
    amounts: FactAmounts,
    goods: Sequence[Row],
    data: ReferenceData,
    context: SyncContext,
    occurred_at: datetime,
    reference: str,
) -> TillReturn:
    assert data.terms is not None
    return TillReturn(
        id=new_id(),
        location_id=context.location_id,
        currency=data.terms.currency,
        refund_minor=amounts.total if amounts.tenders is None else sum(amounts.tenders),
        receipt=fact.receipt,
        original_receipt=fact.original_receipt,
        reference=reference,
        created_at=occurred_at,
        units=[(good["id"], line.quantity, True) for good, line in zip(goods, fact.lines, strict=True)],
    )


def _price_variances(
    fact: TillFact,
    amounts: FactAmounts,
    goods: Sequence[Row],
    data: ReferenceData,
    context: SyncContext,
    occurred_at: datetime,
) -> list[NewConflict]:
    """Return a conflict for each printed price that differs from the price list at that time.

    Where listed prices are without tax, a difference of one minor unit can come from rounding.
    """
    assert data.terms is not None
    tolerance = 0 if data.terms.prices_include_tax else 1
    found = []
    for line, good, (unit, _, _) in zip(fact.lines, goods, amounts.lines, strict=True):
        if line.unit_price is None or good["id"] not in data.listed:
            continue
        listed = data.price(good["id"], good["tax_class"], occurred_at)
        if listed is not None and abs(listed - unit) <= tolerance:
            continue
        printed = Money(unit, data.terms.currency)
        price = "it has no price here" if listed is None else f"its price is {Money(listed, data.terms.currency)}"
        found.append(
            NewConflict(
                kind=ConflictKind.PRICE_VARIANCE,
                key=f"{context.location_id}:{good['id']}",
                message=f"A till sold {good['sku']} for {printed}; {price} (receipt {fact.receipt or 'not given'}).",
                location_id=context.location_id,
                variant_id=good["id"],
                terminal=context.key_id,
                quantity=line.quantity,
            )
        )
    return found


async def write_records(session: Session, records: OrderRecords, *, context: SyncContext, actor: str) -> None:
    """Write the records, close carts that were sold, and link returns to their sales."""
    sold = await _close_carts(session, records, context)
    await sales.record_sales(session, sold, actor=actor)
    records.conflicts.extend(_overused(await offline_redemptions.record(session, records.coupons), context))
    if records.rewards:
        await _reward(session, sold, actor)
    await create_handed_over(session, [(sale.id, _carry_out(sale)) for sale in sold])
    returns.record_returns(session, records.returns)
    receipts = {r.original_receipt for r in records.returns if r.original_receipt}
    if sold_receipts := [sale.receipt for sale in sold if sale.receipt]:
        receipts.update(await returns.receipts_awaiting_sale(session, sold_receipts))
    if receipts:
        await session.flush()
        await returns.link_to_sales(session, sorted(receipts), actor=actor)


async def _close_carts(session: Session, records: OrderRecords, context: SyncContext) -> list[TillSale]:
    """Close carts and return the sales, each with the cart that it closes.

    A cart that was sold elsewhere stays with that order, and both sales stay valid.
    """
    first: dict[UUID, UUID] = {}
    for sale in records.sales:
        if sale.cart_id is not None:
            first.setdefault(sale.cart_id, sale.id)
    if not first:
        return records.sales
    assert context.channel_id is not None
    closed = await carts.close_sold(session, first, channel_id=context.channel_id)
    sold = []
    for sale in records.sales:
        if sale.cart_id is None:
            sold.append(sale)
        elif (cart := closed.get(sale.cart_id)) is not None and first[sale.cart_id] == sale.id:
            sold.append(sale._replace(cart_channel_id=cart["channel_id"], customer_id=cart["customer_id"]))
        else:
            records.conflicts.append(_double_sale(sale, context))
            sold.append(sale._replace(cart_id=None))
    return sold


async def _reward(session: Session, sold: Sequence[TillSale], actor: str) -> None:
    """Credit loyalty points to the customers of these sales."""
    earned = [
        points.Earning(
            order_id=sale.id,
            customer_id=sale.customer_id,
            channel_id=sale.channel_id,
            currency=sale.currency,
            total_minor=sale.total_minor,
            money_minor=sum(t.amount_minor for t in sale.tenders if t.method not in METHODS),
        )
        for sale in sold
        if sale.customer_id is not None
    ]
    await points.earn_all(session, earned, actor=actor)


def _overused(refused: Sequence[OfflineRedemption], context: SyncContext) -> list[NewConflict]:
    """Return a conflict for each coupon that a till accepted and the hub does not count. The sales stay valid."""
    return [
        NewConflict(
            kind=ConflictKind.COUPON_OVERUSED,
            message=f"A till accepted the coupon {use.code[:40]}, which is unknown or used up. The sale is valid.",
            location_id=context.location_id,
            order_id=use.order_id,
            terminal=context.key_id,
        )
        for use in refused
    ]


def _double_sale(sale: TillSale, context: SyncContext) -> NewConflict:
    return NewConflict(
        kind=ConflictKind.DOUBLE_SALE,
        message="A till sold this cart, which was sold elsewhere too, or is being paid for. Both sales are valid.",
        location_id=context.location_id,
        order_id=sale.id,
        terminal=context.key_id,
    )


def _carry_out(sale: TillSale) -> InitialFulfillment:
    return InitialFulfillment(
        id=new_id(),
        location_id=sale.location_id,
        method=FulfillmentMethod.CARRY_OUT,
        lines=tuple(
            InitialFulfillmentLine(order_line_id=line.id, variant_id=line.variant_id, quantity=line.quantity)
            for line in sale.lines
        ),
    )
