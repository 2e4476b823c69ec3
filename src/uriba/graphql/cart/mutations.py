"""Mutations of carts, for all callers who know the cart's id."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from uuid import UUID

import strawberry

from uriba.access.guess_limits import CodeKind
from uriba.cart import carts, coupons, fulfillment_methods, handoff, lines, merge
from uriba.cart.addresses import Address
from uriba.cart.enums import FulfillmentMethod
from uriba.cart.errors import CartNotFound, CodeExpired, CodeUnknown
from uriba.cart.lines import LineQuantity, NewLine
from uriba.cart.merge import CartMergePolicy
from uriba.cart.view import CartView
from uriba.core import ids
from uriba.core.ids import new_secret_id
from uriba.db import Session
from uriba.db.idempotency import Replayed
from uriba.graphql.cart.types import Cart, cart_of
from uriba.graphql.context import Context, Info
from uriba.graphql.permissions import ANY_CALLER, mutation
from uriba.graphql.scalars import UserError
from uriba.pricing.coupons import CouponInvalid


@strawberry.input(description="Give exactly one of sku and variantId.")
class CartLineInput:
    sku: str | None = None
    variant_id: strawberry.ID | None = None
    quantity: int = 1


@strawberry.input
class CartLineUpdateInput:
    line_id: strawberry.ID
    quantity: int


@strawberry.input
class CartCreateInput:
    channel: str | None = None
    lines: list[CartLineInput] | None = None
    idempotency_key: str | None = None


@strawberry.input
class AddressInput:
    name: str
    line1: str
    city: str
    postal_code: str
    country: str = strawberry.field(description="ISO 3166-1 alpha-2, such as JP.")
    line2: str | None = None
    region: str | None = None
    phone: str | None = None


@strawberry.input
class CartFulfillmentInput:
    method: FulfillmentMethod
    line_ids: list[strawberry.ID] | None = strawberry.field(default=None, description="Null for all lines.")
    location: str | None = None
    address: AddressInput | None = None


@strawberry.type
class CartPayload:
    cart: Cart | None = None
    errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type(description="A code to show or to scan. It can be used once, until expiresAt.")
class CartHandoffPayload:
    code: str | None = None
    qr: str | None = None
    expires_at: datetime | None = None
    errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class CartMutations:
    @mutation(ANY_CALLER, "Create a cart. A customer with an active cart gets that one, with the lines added.")
    async def cart_create(self, info: Info, input: CartCreateInput) -> CartPayload:
        new = new_lines(input.lines or [])
        lines.check(new)
        carts.check_has_channel(info.context.actor)
        channel = await info.context.channel(input.channel)
        carts.check_sells_in(info.context.actor, channel.id)
        content = {"channel": channel.id, "lines": new}
        call = info.context.call("cartCreate", input.idempotency_key, content)
        actor, new_id = info.context.actor, new_secret_id()

        async def create(session: Session) -> CartView:
            cart_id = await carts.create(session, actor=actor, channel_id=channel.id, cart_id=new_id)
            if new:
                return await lines.add(session, actor=actor, cart_id=cart_id, lines=new)
            return await carts.current(session, cart_id, actor=actor)

        created = await info.context.once(call, create, answer=str(new_id))
        if isinstance(created, Replayed):
            created = await current_cart(info.context, UUID(created.answer))
        return CartPayload(cart=cart_of(created))

    @mutation(ANY_CALLER, "Add quantities to the cart: two devices that add 1 each add 2.")
    async def cart_lines_add(
        self,
        info: Info,
        cart_id: strawberry.ID,
        lines: list[CartLineInput],
        idempotency_key: str | None = None,
    ) -> CartPayload:
        key, new = cart_key(cart_id), new_lines(lines)
        call = info.context.call("cartLinesAdd", idempotency_key, {"cart": key, "lines": new}, scope=str(key))
        add = partial(add_lines, actor=info.context.actor, cart_id=key, lines=new)
        cart = await info.context.once(call, add, answer=str(key))
        if isinstance(cart, Replayed):
            cart = await current_cart(info.context, key)
        return CartPayload(cart=cart_of(cart))

    @mutation(ANY_CALLER, "Set quantities; 0 removes a line. Refused if the cart is no longer at `expectedVersion`.")
    async def cart_lines_update(
        self,
        info: Info,
        cart_id: strawberry.ID,
        lines: list[CartLineUpdateInput],
        expected_version: int | None = None,
    ) -> CartPayload:
        quantities = [LineQuantity(ids.number(line.line_id, "CartLine") or 0, line.quantity) for line in lines]
        async with info.context.transaction() as session:
            cart = await update_lines(
                session,
                actor=info.context.actor,
                cart_id=cart_key(cart_id),
                lines=quantities,
                expected_version=expected_version,
            )
        return CartPayload(cart=cart_of(cart))

    @mutation(
        ANY_CALLER,
        "Issue a short code that gives the cart to another device or a till, with the content of its QR code.",
    )
    async def cart_handoff(self, info: Info, cart_id: strawberry.ID) -> CartHandoffPayload:
        async with info.context.transaction() as session:
            issued = await handoff.issue(
                session,
                actor=info.context.actor,
                cart_id=cart_key(cart_id),
                term_s=info.context.hub.settings.handoff_term_s,
            )
        return CartHandoffPayload(code=issued.code, qr=issued.qr, expires_at=issued.expires_at)

    @mutation(
        ANY_CALLER, "Take over the cart of a code. At a terminal, lines that its location can serve become CARRY_OUT."
    )
    async def cart_claim(self, info: Info, code: str) -> CartPayload:
        claim = partial(handoff.claim, actor=info.context.actor, code=code)
        cart = await info.context.attempt(CodeKind.HANDOFF, claim, wrong=(CodeUnknown, CodeExpired))
        return CartPayload(cart=cart_of(cart))

    @mutation(ANY_CALLER, "Merge one cart's lines into another, by default into the calling customer's active cart.")
    async def cart_merge(
        self,
        info: Info,
        from_cart_id: strawberry.ID,
        into_cart_id: strawberry.ID | None = None,
        policy: CartMergePolicy = CartMergePolicy.SUM,
    ) -> CartPayload:
        async with info.context.transaction() as session:
            cart = await merge.merge(
                session,
                actor=info.context.actor,
                from_cart_id=cart_key(from_cart_id, "fromCartId"),
                into_cart_id=cart_key(into_cart_id, "intoCartId") if into_cart_id is not None else None,
                policy=policy,
            )
        return CartPayload(cart=cart_of(cart))

    @mutation(ANY_CALLER, "Choose how lines reach the customer: carried out, picked up at a store, or shipped.")
    async def cart_fulfillment(self, info: Info, cart_id: strawberry.ID, input: CartFulfillmentInput) -> CartPayload:
        line_ids = input.line_ids
        async with info.context.transaction() as session:
            cart = await fulfillment_methods.choose(
                session,
                actor=info.context.actor,
                cart_id=cart_key(cart_id),
                line_ids=None if line_ids is None else [ids.number(one, "CartLine") or 0 for one in line_ids],
                method=input.method,
                location=input.location,
                address=Address(**vars(input.address)) if input.address else None,
            )
        return CartPayload(cart=cart_of(cart))

    @mutation(ANY_CALLER, "Add a coupon to the cart. `promotions` reports whether it discounts anything.")
    async def cart_coupon_add(
        self, info: Info, cart_id: strawberry.ID, code: str, idempotency_key: str | None = None
    ) -> CartPayload:
        key = cart_key(cart_id)
        call = info.context.call("cartCouponAdd", idempotency_key, {"cart": key, "code": code}, scope=str(key))
        add = partial(coupons.add, actor=info.context.actor, cart_id=key, code=code)
        cart = await info.context.attempt_once(call, CodeKind.COUPON, add, wrong=CouponInvalid, cart_id=key)
        if isinstance(cart, Replayed):
            cart = await current_cart(info.context, key)
        return CartPayload(cart=cart_of(cart))

    @mutation(ANY_CALLER, "Remove a coupon from the cart.")
    async def cart_coupon_remove(self, info: Info, cart_id: strawberry.ID, code: str) -> CartPayload:
        async with info.context.transaction() as session:
            cart = await coupons.remove(session, actor=info.context.actor, cart_id=cart_key(cart_id), code=code)
        return CartPayload(cart=cart_of(cart))


add_lines = lines.add
update_lines = lines.update


async def current_cart(context: Context, cart_id: UUID) -> CartView:
    """Return the cart of a replayed call. Errors: `CartNotFound`."""
    async with context.reading() as session:
        return await carts.current(session, cart_id, actor=context.actor)


def cart_key(value: str, path: str = "cartId") -> UUID:
    """Return the key of a cart's global id. Errors: `CartNotFound` for other ids."""
    key = ids.uuid(value, "Cart")
    if key is None:
        raise CartNotFound(path)
    return key


def new_lines(inputs: list[CartLineInput]) -> list[NewLine]:
    """Return the lines of the input. An id that is not a variant's becomes 0, which does not exist."""
    return [
        NewLine(
            sku=line.sku,
            variant_id=None if line.variant_id is None else ids.number(line.variant_id, "Variant") or 0,
            quantity=line.quantity,
        )
        for line in inputs
    ]
