"""Planning an order from a cart: the method and location of each line, prices and taxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from uriba.cart.carts import merge_same_lines
from uriba.cart.enums import FulfillmentMethod
from uriba.cart.errors import EmptyCart
from uriba.cart.view import CartView, LineView, price
from uriba.catalog import locations
from uriba.checkout.cart_sourcing import CartSourcing, shipping_demands, source_lines
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
class OrderPlan:
    """An order draft with its initial fulfillments. `lines`: the cart's lines, in the order of the draft's lines."""

    draft: OrderDraft
    fulfillments: tuple[InitialFulfillment, ...]
    lines: tuple[LineView, ...]


async def plan_order(session: Session, *, order_id: UUID, cart: CartView, actor: Actor, contact: Contact) -> OrderPlan:
    """Plan the order of a locked cart, and redeem its coupons. Stock is read only: posting it may still be refused.

    Errors: `EmptyCart`, DISCONTINUED, `Invalid` (address, method), `CouponUsedUp`, `OutOfStock` per line.
    """
    if not cart.lines:
        raise EmptyCart("This cart is empty.", "cartId")
    lines: Sequence[LineView] = resolve_methods(cart.lines, actor)
    _refuse_invalid(cart, lines, actor)
    lines, priced = price(lines, cart.terms, cart.candidates)
    _refuse_used_up(priced)
    draft = _draft(order_id, cart, lines, priced, actor, contact)
    assigned = _fixed_assignments(lines, actor)
    sourcing = await _source_shipped_lines(session, cart, lines, assigned)
    coupons = [promotion.coupon_id for promotion in draft.promotions if promotion.coupon_id is not None]
    await redemptions.redeem(session, order_id=order_id, customer_id=cart.customer_id, coupons=coupons)
    return OrderPlan(draft, _initial_fulfillments(draft, lines, assigned, sourcing), tuple(lines))


def resolve_methods(lines: Sequence[LineView], actor: Actor) -> list[LineView]:
    """Give lines without a chosen method the default: CARRY_OUT at a terminal, SHIP elsewhere. Pure."""
    if actor.role is Role.TERMINAL:
        method, location_id = FulfillmentMethod.CARRY_OUT, actor.location_id
    else:
        method, location_id = FulfillmentMethod.SHIP, None
    return merge_same_lines(
        [line if line.chosen else replace(line, method=method, location_id=location_id) for line in lines]
    )


def _refuse_invalid(cart: CartView, lines: Sequence[LineView], actor: Actor) -> None:
    refusals = Refusals()
    for index, line in enumerate(lines):
        if not line.sold:
            refusals.add(
                Code.DISCONTINUED,
                f"{line.variant['name']} is no longer sold here. Remove it from the cart.",
                "lines",
                index,
            )
        if not cart.terms.has_rate(line.variant["tax_class"]):
            refusals.add(Code.INVALID, "The channel has no tax rate for this item's tax class.", "lines", index)
        if line.method is FulfillmentMethod.CARRY_OUT and actor.role is not Role.TERMINAL:
            refusals.add(
                Code.INVALID, "Only a till can use CARRY_OUT. Choose PICKUP or SHIP.", "lines", index, "method"
            )
    refusals.raise_any()
    if cart.address is None and any(line.method is FulfillmentMethod.SHIP for line in lines):
        raise Invalid("Shipping needs an address. Set one with cartFulfillment.", "address")


def _refuse_used_up(priced: Quote) -> None:
    """Refuse a coupon whose last use others have taken. The customer removes it and sees the new total."""
    for verdict in priced.refused:
        if verdict.reason is Reason.COUPON_USED_UP and verdict.coupon is not None:
            raise CouponUsedUp(
                f"The coupon {verdict.coupon.code} has no uses left. Remove it from the cart to continue.", "cartId"
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


def _fixed_assignments(lines: Sequence[LineView], actor: Actor) -> list[Assignment]:
    """Return the assignments of lines with a given location: the till's own, or the chosen store of a pickup."""
    assignments = []
    for index, line in enumerate(lines):
        if line.method is not FulfillmentMethod.SHIP:
            location_id = actor.location_id if line.method is FulfillmentMethod.CARRY_OUT else line.location_id
            assert location_id is not None
            assignments.append(Assignment(location_id, index, line.variant_id, line.quantity))
    return assignments


async def _source_shipped_lines(
    session: Session, cart: CartView, lines: Sequence[LineView], assigned: Sequence[Assignment]
) -> CartSourcing:
    """Source the lines to be shipped from the stock that `assigned` leaves. Errors: `OutOfStock`."""
    found = await source_lines(session, cart, lines, assigned)
    if isinstance(found, InsufficientStock):
        short = [demand.line for demand in shipping_demands(lines) if demand.variant_id in found.available]
        raise await out_of_stock(session, lines, short, cart.priced_in_id)
    return found


async def out_of_stock(
    session: Session, lines: Sequence[LineView], short: Sequence[int], channel_id: int
) -> DomainError:
    """Return the refusal of lines without enough stock. It names the channel's first location that has units."""
    variant_ids = [lines[index].variant_id for index in short]
    supply = await supply_by_variant(session, variant_ids, channel_id=channel_id)
    found = await locations.by_id(session, [rows[0]["location_id"] for rows in supply.values() if rows])
    refusals = Refusals()
    for index in short:
        line, rows = lines[index], supply[lines[index].variant_id]
        where = ""
        if rows:
            where = f" {found[rows[0]['location_id']]['name']} has {rows[0]['quantity']}."
        refusals.add(Code.OUT_OF_STOCK, f"Not enough of {line.variant['name']}.{where}", "lines", index, "quantity")
    return OutOfStock.of(refusals.problems)


def _initial_fulfillments(
    draft: OrderDraft, lines: Sequence[LineView], assigned: Sequence[Assignment], sourcing: CartSourcing
) -> tuple[InitialFulfillment, ...]:
    """Return one fulfillment for each location and method."""
    grouped: dict[tuple[int, FulfillmentMethod], list[InitialFulfillmentLine]] = {}
    for assignment in (*assigned, *sourcing.assignments):
        part = InitialFulfillmentLine(
            order_line_id=draft.lines[assignment.line].id,
            variant_id=assignment.variant_id,
            quantity=assignment.quantity,
        )
        grouped.setdefault((assignment.location_id, lines[assignment.line].method), []).append(part)
    return tuple(
        InitialFulfillment(
            id=new_id(),
            location_id=location_id,
            method=method,
            lines=tuple(parts),
            sourcing=sourcing.reason(location_id, method),
        )
        for (location_id, method), parts in grouped.items()
    )
