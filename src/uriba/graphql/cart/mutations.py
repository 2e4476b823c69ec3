"""Changes of carts, by whoever holds the cart's id."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from uuid import UUID

import strawberry

from uriba.access.guess_limits import CodeKind
from uriba.cart import carts, coupons, fulfillment_methods, handoff, lines, merge
from uriba.cart.addresses import Address
from uriba.cart.errors import CartNotFound, CodeExpired, CodeUnknown
from uriba.cart.lines import LineQuantity, NewLine
from uriba.cart.merge import CartMergePolicy
from uriba.cart.models import FulfillmentMethod
from uriba.cart.view import CartView
from uriba.core import ids
from uriba.core.actor import Role
from uriba.core.errors import Invalid, InvalidState
from uriba.core.ids import new_secret_id
from uriba.db import Session
from uriba.db.idempotency import Replayed
from uriba.graphql.cart.types import Cart, cart_of
from uriba.graphql.context import Context, Info
from uriba.graphql.hub import ChannelRef
from uriba.graphql.permissions import ANY_CALLER, mutation
from uriba.graphql.scalars import UserError
from uriba.pricing.coupons import CouponInvalid


@strawberry.input(description="Exactly one of sku and variantId.")
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
    line_ids: list[strawberry.ID] | None = strawberry.field(default=None, description="None: all lines.")
    location: str | None = None
    address: AddressInput | None = None


@strawberry.type
class CartPayload:
    cart: Cart | None = None
    errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type(description="A code to show or to scan: used once, and not for long.")
class CartHandoffPayload:
    code: str | None = None
    qr: str | None = None
    expires_at: datetime | None = None
    errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class CartMutations:
    @mutation(ANY_CALLER, "Begin a cart; a customer gets the active one back, lines added.")
    async def cart_create(self, info: Info, input: CartCreateInput) -> CartPayload:
        new = new_lines(input.lines or [])
        lines.check(new)
        channel = await selling_channel(info.context, input.channel)
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

    @mutation(ANY_CALLER, "Add quantities: two devices adding 1 make 2.")
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

    @mutation(ANY_CALLER, "Set quantities; 0 removes. `expectedVersion` refuses to overwrite what others changed.")
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
        "A short code that carries the cart to another device or a till, and the content of its QR code.",
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

    @mutation(ANY_CALLER, "Take the cart of a code. At a terminal, lines on its shelf become CARRY_OUT.")
    async def cart_claim(self, info: Info, code: str) -> CartPayload:
        claim = partial(handoff.claim, actor=info.context.actor, code=code)
        cart = await info.context.attempt(CodeKind.HANDOFF, claim, wrong=(CodeUnknown, CodeExpired))
        return CartPayload(cart=cart_of(cart))

    @mutation(ANY_CALLER, "Bring one cart's lines into another: by default into the calling customer's active cart.")
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

    @mutation(ANY_CALLER, "Give the cart a coupon: whether it takes anything off is told by `promotions`.")
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

    @mutation(ANY_CALLER, "Take a coupon out of the cart.")
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
    """Errors: `CartNotFound` for what is no cart's id."""
    key = ids.uuid(value, "Cart")
    if key is None:
        raise CartNotFound(path)
    return key


def new_lines(given: list[CartLineInput]) -> list[NewLine]:
    """Of a variant's id that is none, the variant is 0: one that does not exist."""
    return [
        NewLine(
            sku=line.sku,
            variant_id=None if line.variant_id is None else ids.number(line.variant_id, "Variant") or 0,
            quantity=line.quantity,
        )
        for line in given
    ]


async def selling_channel(context: Context, code: str | None) -> ChannelRef:
    """The channel of a new cart: terminals and apps sell in their own only.

    Errors: `Invalid` and NOT_FOUND with the path channel, `InvalidState` for a terminal in no STORE channel.
    """
    actor = context.actor
    if actor.role is Role.TERMINAL and actor.channel_id is None:
        raise InvalidState("No STORE channel lists this terminal's location.")
    found = await context.channel(code)
    if actor.role in (Role.TERMINAL, Role.APP) and found.id != actor.channel_id:
        raise Invalid("This key sells in its own channel only.", "channel")
    return found
