"""The plan of an order: which line goes which way from where, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from uriba.cart.carts import merge_same_lines
from uriba.cart.errors import EmptyCart
from uriba.cart.models import FulfillmentMethod
from uriba.cart.view import CartView, LineView, price
from uriba.catalog import locations
from uriba.checkout.cart_sourcing import Allotment, allot, to_ship
from uriba.checkout.request import Contact
from uriba.core.actor import Actor, Role
from uriba.core.errors import Code, DomainError, Invalid, Refusals
from uriba.core.ids import new_id
from uriba.core.money import format_rate
from uriba.db import Session
from uriba.fulfillment.allocation.initial import InitialFulfillment, InitialFulfillmentLine
from uriba.fulfillment.sourcing.selection import Assignment, InsufficientStock
from uriba.inventory.errors import OutOfStock
from uriba.inventory.queries import supply_by_variant
from uriba.orders.placement import OrderDraft, OrderDraftLine, OrderDraftPromotion, OrderDraftTax
from uriba.pricing import redemptions
from uriba.pricing.coupons import CouponUsedUp
from uriba.pricing.promotions import PromotionResult, Reason
from uriba.pricing.quote import Quote


@dataclass(frozen=True, slots=True)
class Plan:
    """What the order will be, and the parcels it begins with. `lines` are the cart's, in the order of the draft's."""

    draft: OrderDraft
    parcels: tuple[InitialFulfillment, ...]
    lines: tuple[LineView, ...]


async def make(session: Session, *, order_id: UUID, cart: CartView, actor: Actor, contact: Contact) -> Plan:
    """Plan the order of a locked cart, from stock as it is seen now; taking it decides. Its coupons are used with this.

    Errors: `EmptyCart`, DISCONTINUED, `Invalid` (address, method), `CouponUsedUp`, `OutOfStock` per line.
    """
    if not cart.lines:
        raise EmptyCart("There is nothing in this cart.", "cartId")
    lines: Sequence[LineView] = resolve(cart.lines, actor)
    _refuse(cart, lines, actor)
    lines, priced = price(lines, cart.terms, cart.candidates)
    _refuse_used_up(priced)
    draft = _draft(order_id, cart, lines, priced, actor, contact)
    placed = _placed(lines, actor)
    shipped = await _shipped(session, cart, lines, placed)
    coupons = [promotion.coupon_id for promotion in draft.promotions if promotion.coupon_id is not None]
    await redemptions.redeem(session, order_id=order_id, customer_id=cart.customer_id, coupons=coupons)
    return Plan(draft, _parcels(draft, lines, placed, shipped), tuple(lines))


def resolve(lines: Sequence[LineView], actor: Actor) -> list[LineView]:
    """Lines whose way nobody chose are carried out at a terminal, and shipped elsewhere. Pure."""
    if actor.role is Role.TERMINAL:
        way, place = FulfillmentMethod.CARRY_OUT, actor.location_id
    else:
        way, place = FulfillmentMethod.SHIP, None
    return merge_same_lines([line if line.chosen else replace(line, method=way, location_id=place) for line in lines])


def _refuse(cart: CartView, lines: Sequence[LineView], actor: Actor) -> None:
    refusals = Refusals()
    for index, line in enumerate(lines):
        if not line.sold:
            refusals.add(Code.DISCONTINUED, f"{line.variant['name']} is not sold here any more.", "lines", index)
        if not cart.terms.has_rate(line.variant["tax_class"]):
            refusals.add(Code.INVALID, "The channel has no tax rate for this line.", "lines", index)
        if line.method is FulfillmentMethod.CARRY_OUT and actor.role is not Role.TERMINAL:
            refusals.add(Code.INVALID, "Goods are carried out from a till only.", "lines", index, "method")
    refusals.raise_any()
    if cart.address is None and any(line.method is FulfillmentMethod.SHIP for line in lines):
        raise Invalid("Goods that are shipped need an address: give one with cartFulfillment.", "address")


def _refuse_used_up(priced: Quote) -> None:
    """A coupon that others were faster with: the customer takes it out, and sees what the cart costs without it."""
    for verdict in priced.refused:
        if verdict.reason is Reason.COUPON_USED_UP and verdict.coupon is not None:
            raise CouponUsedUp(
                f"The coupon {verdict.coupon.code} is used up: take it out of the cart to go on.", "cartId"
            )


def _draft(
    order_id: UUID, cart: CartView, lines: Sequence[LineView], priced: Quote, actor: Actor, contact: Contact
) -> OrderDraft:
    ships = any(line.method is FulfillmentMethod.SHIP for line in lines)
    return OrderDraft(
        id=order_id,
        cart_id=cart.id,
        channel_id=actor.channel_id or cart.priced_in_id,
        cart_channel_id=cart.channel_id,
        location_id=actor.location_id,
        customer_id=cart.customer_id,
        currency=cart.terms.currency,
        prices_include_tax=cart.terms.prices_include_tax,
        subtotal_minor=priced.subtotal_minor,
        discount_minor=priced.discount_minor,
        shipping_minor=priced.shipping_minor,
        tax_minor=priced.tax_minor,
        total_minor=priced.total_minor,
        email=contact.email,
        phone=contact.phone,
        address=cart.address if ships else None,
        lines=tuple(_draft_line(line, cart) for line in lines),
        tax_lines=tuple(
            OrderDraftTax(rate=format_rate(t.rate), taxable_minor=t.taxable_minor, tax_minor=t.tax_minor)
            for t in priced.tax_lines
        ),
        rewards=cart.rewards and cart.customer_id is not None,
        promotions=tuple(_draft_promotion(verdict) for verdict in priced.applied),
    )


def _draft_promotion(verdict: PromotionResult) -> OrderDraftPromotion:
    coupon = verdict.coupon
    return OrderDraftPromotion(
        promotion=verdict.promotion.code,
        name=verdict.promotion.name,
        amount_minor=verdict.amount_minor,
        coupon=coupon.code if coupon else None,
        coupon_id=coupon.id if coupon else None,
    )


def _draft_line(line: LineView, cart: CartView) -> OrderDraftLine:
    return OrderDraftLine(
        id=new_id(),
        variant_id=line.variant_id,
        sku=line.variant["sku"],
        name=line.variant["name"],
        quantity=line.quantity,
        unit_minor=line.unit_minor,
        discount_minor=line.discount_minor,
        total_minor=line.total_minor,
        tax_class=line.variant["tax_class"],
        tax_rate=format_rate(cart.terms.rate(line.variant["tax_class"])),
    )


def _placed(lines: Sequence[LineView], actor: Actor) -> list[Assignment]:
    """Lines whose location is given: carried out from this till's shelf, or picked up at the chosen store."""
    pieces = []
    for index, line in enumerate(lines):
        if line.method is not FulfillmentMethod.SHIP:
            place = actor.location_id if line.method is FulfillmentMethod.CARRY_OUT else line.location_id
            assert place is not None
            pieces.append(Assignment(place, index, line.variant_id, line.quantity))
    return pieces


async def _shipped(
    session: Session, cart: CartView, lines: Sequence[LineView], placed: Sequence[Assignment]
) -> Allotment:
    """Lines to be shipped, from what the lines whose location is given leave there."""
    found = await allot(session, cart, lines, placed)
    if isinstance(found, InsufficientStock):
        short = [n.line for n in to_ship(lines) if n.variant_id in found.available]
        raise await out_of_stock(session, lines, short, cart.priced_in_id)
    return found


async def out_of_stock(
    session: Session, lines: Sequence[LineView], short: Sequence[int], channel_id: int
) -> DomainError:
    """The refusal for lines that fell short; says where the nearest units are, the channel's best location first."""
    variant_ids = [lines[index].variant_id for index in short]
    supply = await supply_by_variant(session, variant_ids, channel_id=channel_id)
    places = await locations.by_id(session, [rows[0]["location_id"] for rows in supply.values() if rows])
    refusals = Refusals()
    for index in short:
        line, rows = lines[index], supply[lines[index].variant_id]
        where = ""
        if rows:
            where = f" {places[rows[0]['location_id']]['name']} has {rows[0]['quantity']}."
        refusals.add(Code.OUT_OF_STOCK, f"Not enough of {line.variant['name']}.{where}", "lines", index, "quantity")
    return OutOfStock.of(refusals.problems)


def _parcels(
    draft: OrderDraft, lines: Sequence[LineView], placed: Sequence[Assignment], shipped: Allotment
) -> tuple[InitialFulfillment, ...]:
    """One parcel for each location and method."""
    grouped: dict[tuple[int, FulfillmentMethod], list[InitialFulfillmentLine]] = {}
    for piece in (*placed, *shipped.pieces):
        part = InitialFulfillmentLine(
            order_line_id=draft.lines[piece.line].id, variant_id=piece.variant_id, quantity=piece.quantity
        )
        grouped.setdefault((piece.location_id, lines[piece.line].method), []).append(part)
    return tuple(
        InitialFulfillment(
            id=new_id(),
            location_id=location_id,
            method=method,
            lines=tuple(parts),
            sourcing=shipped.why(location_id, method),
        )
        for (location_id, method), parts in grouped.items()
    )
