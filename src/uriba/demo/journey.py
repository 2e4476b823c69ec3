"""Journey A, from the phone to the till, with every step through the public API."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from rich.table import Table

from uriba.demo import operations, product_choice
from uriba.demo.device import Device, JsonObject, Subscription
from uriba.demo.errors import RequestRefused
from uriba.demo.product_choice import ProductChoice, Variant
from uriba.demo.steps import Step, StepLog, result_line
from uriba.demo.stock_changes import StockChanges

LOYALTY_CARD = "DEMO-HANA"
NAME = "Hana"
ADDRESS = {
    "name": NAME,
    "line1": "12 Garden Street",
    "city": "Cincinnati",
    "region": "OH",
    "postalCode": "45202",
    "country": "US",
}
SEARCHES = ("banana", "magazine", "candy", None, None, None, None, None, None)
"""The shopper's searches; None: the next page of all products."""

LISTED_MAX = 5
CLAIM_WITHIN_S = 1.0
RECEIVE_WITHIN_S = 2.0
"""More than the slowest way, polling, takes, so that a busy machine does not fail the demo. The time is printed."""


@dataclass(frozen=True, slots=True)
class ProgramKeys:
    """The keys of the retailer's own programs."""

    app: str
    web: str
    staff: str


class Journey:
    """Journey A. The devices are created as the steps need them."""

    def __init__(
        self, log: StepLog, url: str, keys: ProgramKeys, create_terminal_key: Callable[[str], Awaitable[str]]
    ) -> None:
        """`create_terminal_key` creates a terminal at a store, like `uriba key terminal`, and returns its key."""
        self._log = log
        self._url = url
        self._keys = keys
        self._create_terminal_key = create_terminal_key
        self._exit_stack = AsyncExitStack()

    async def play(self) -> None:
        """Play all steps. Errors: `StepFailed`."""
        async with self._exit_stack:
            self.staff = self._device(self._keys.staff)
            await self._sign_in()
            choice = await self._browse()
            stock_changes = StockChanges(self._log, self.staff, choice)
            await stock_changes.read_before()
            cart = await self._fill_cart(choice)
            on_phone, on_web = await self._subscribe(cart)
            await self._change_on_web(cart, choice, on_phone)
            await self._change_on_phone(choice, on_web)
            code = await self._create_handoff_code(cart)
            claimed_cart = await self._claim_cart(choice, code, on_phone)
            cart_to_pay = await self._choose_shipping(choice, claimed_cart)
            order = await self._pay(cart_to_pay, on_phone, on_web)
            await self._read_receipt(choice, order)
            await stock_changes.compare(order)

    def _device(self, key: str) -> Device:
        device = Device(self._url, key)
        self._exit_stack.push_async_callback(device.close)
        return device

    async def _sign_in(self) -> None:
        app, web_shop = self._device(self._keys.app), self._device(self._keys.web)
        sign_in = (operations.CUSTOMER, operations.TOKEN, operations.ME)
        with self._log.step("phone", "App and web shop sign in the same customer", *sign_in) as step:
            await app.execute(operations.CUSTOMER.document, c=[{"loyaltyCard": LOYALTY_CARD, "name": NAME}])
            self.phone, self.web = [await self._customer_device(backend) for backend in (app, web_shop)]
            on_phone = await self.phone.execute(operations.ME.document)
            on_web = await self.web.execute(operations.ME.document)
            step.show(result_line(f"{on_phone['name']}, loyalty card {LOYALTY_CARD}: a token for each device"))
            step.check("both devices belong to the same customer", on_phone["id"] == on_web["id"])

    async def _customer_device(self, backend: Device) -> Device:
        issued = await backend.execute(operations.TOKEN.document, i={"loyaltyCard": LOYALTY_CARD})
        return self._device(issued["token"])

    async def _browse(self) -> ProductChoice:
        with self._log.step("phone", "Browse in the app", operations.BROWSE) as step:
            channels = await self.phone.execute(operations.CHANNEL_STORES.document)
            stores = next(channel["locations"] for channel in channels if channel["code"] == "stores")
            codes = [store["code"] for store in stores]
            self._names = {store["code"]: store["name"] for store in stores}
            variants: list[Variant] = []
            choice, after = None, None
            for search in SEARCHES:
                page = await self.phone.execute(operations.BROWSE.document, search=search, after=after)
                after = page["pageInfo"]["endCursor"] if search is None else None
                variants += [variant for variant in product_choice.variants_of(page) if variant not in variants]
                if (choice := product_choice.choose(variants, codes[:1])) or (search is None and after is None):
                    break
            choice = (
                choice or product_choice.choose(variants, codes) or await self._remove_stock(step, variants, codes[0])
            )
            step.show(
                _variants_table(variants, choice),
                result_line(f"{len(variants)} variants read, each with price and availability"),
            )
            first, second = choice.in_store
            units = {variant.sku: variant.units_by_location.get(choice.store, 0) for variant in choice.all}
            step.check(
                f"{self._names[choice.store]} has {first.name} ({units[first.sku]}) and {second.name} "
                f"({units[second.sku]}) in stock",
                min(units[first.sku], units[second.sku]) > 0,
            )
            step.check(f"{choice.elsewhere.name} is available, but not at this store", choice.elsewhere.total > 0)
            return choice

    async def _remove_stock(self, step: Step, variants: list[Variant], store: str) -> ProductChoice:
        """Count one level as 0, because in a small slice of the goods every store may have everything."""
        choice = product_choice.choose_with_removable_stock(variants, store)
        if choice is None:
            raise RequestRefused("There are too few goods for the journey. Load more stores or products.")
        change = {"sku": choice.elsewhere.sku, "location": store, "onHand": 0}
        await self.staff.execute(operations.COUNT.document, i={"changes": [change], "idempotencyKey": uuid4().hex})
        step.show(
            result_line(
                f"every store has everything in this small slice: staff count 0 {choice.elsewhere.name} at this store"
            )
        )
        return replace(choice, elsewhere=product_choice.without_store(choice.elsewhere, store))

    async def _fill_cart(self, choice: ProductChoice) -> JsonObject:
        with self._log.step("phone", "Add three items to the cart", operations.BEGIN_CART, operations.ADD) as step:
            cart = await self.phone.execute(operations.BEGIN_CART.document)
            if cart["cart"]["lines"]:
                step.show(result_line("the customer still had an older cart: its lines are removed"))
                cart = await self._set_quantities(
                    self.phone, cart["cart"], {line["id"]: 0 for line in cart["cart"]["lines"]}
                )
            for variant in choice.all:
                cart = await self._add(self.phone, cart["cart"], variant)
            step.show(result_line(_content(cart["cart"])))
            step.check_equal("lines in the cart", len(cart["cart"]["lines"]), 3)
            return cart["cart"]  # type: ignore[no-any-return]

    async def _add(self, device: Device, cart: JsonObject, variant: Variant) -> JsonObject:
        lines = [{"sku": variant.sku, "quantity": 1}]
        return await device.execute(  # type: ignore[no-any-return]
            operations.ADD.document, cart=cart["id"], lines=lines, key=uuid4().hex
        )

    async def _set_quantities(self, device: Device, cart: JsonObject, quantities: dict[str, int]) -> JsonObject:
        lines = [{"lineId": line, "quantity": quantity} for line, quantity in quantities.items()]
        return await device.execute(  # type: ignore[no-any-return]
            operations.SET.document, cart=cart["id"], lines=lines, version=cart["version"]
        )

    async def _subscribe(self, cart: JsonObject) -> tuple[Subscription, Subscription]:
        with self._log.step("web", "Open the same cart in the web shop", operations.ME, operations.WATCH_CART) as step:
            active = (await self.web.execute(operations.ME.document))["carts"][0]
            subscriptions = [
                await self._exit_stack.enter_async_context(
                    device.subscribe(operations.WATCH_CART.document, cart=active["id"])
                )
                for device in (self.phone, self.web)
            ]
            states = [await subscription.wait_for(lambda _: True) for subscription in subscriptions]
            step.show(result_line(_content(states[1].state)), result_line("phone and web shop subscribe to the cart"))
            step.check("it is the same cart as on the phone", active["id"] == cart["id"])
            lines = [len(received.state["lines"]) for received in states]
            step.check("three lines on both devices", lines == [3, 3], found=lines)
            return subscriptions[0], subscriptions[1]

    async def _change_on_web(self, cart: JsonObject, choice: ProductChoice, on_phone: Subscription) -> None:
        title = f"Add one more in the web shop: {choice.in_store[0].name}"
        with self._log.step("web", title, operations.ADD) as step:
            started = time.perf_counter()
            changed = await self._add(self.web, cart, choice.in_store[0])
            received = await on_phone.wait_for(lambda state: state["version"] >= changed["cart"]["version"])
            _check_received(step, "the phone", received.at_s - started)
            step.check_equal("units on the phone", received.state["quantity"], 4)
            step.check_equal("last changed by", received.state["lastChangedBy"], "web")

    async def _change_on_phone(self, choice: ProductChoice, on_web: Subscription) -> None:
        title = f"Set the quantity to 2 on the phone: {choice.in_store[1].name}"
        with self._log.step("phone", title, operations.SET) as step:
            before = (await self.phone.execute(operations.ME.document))["carts"][0]
            line = _cart_line(before, choice.in_store[1])
            started = time.perf_counter()
            changed = await self._set_quantities(self.phone, before, {line["id"]: 2})
            received = await on_web.wait_for(lambda state: state["version"] >= changed["cart"]["version"])
            _check_received(step, "the web shop", received.at_s - started)
            step.check_equal("units in the web shop", received.state["quantity"], 5)
            step.check_equal("last changed by", received.state["lastChangedBy"], "app")

    async def _create_handoff_code(self, cart: JsonObject) -> str:
        with self._log.step("phone", "Show the handoff code at the store", operations.HANDOFF) as step:
            handoff = await self.phone.execute(operations.HANDOFF.document, cart=cart["id"])
            code: str = handoff["code"]
            step.show(
                result_line(f"{code[:4]}-{code[4:]}, as QR: {handoff['qr']}, until {handoff['expiresAt'][11:19]} UTC")
            )
            step.check("eight characters, short enough to type", len(code) == 8, found=code)
            return code

    async def _claim_cart(self, choice: ProductChoice, code: str, on_phone: Subscription) -> JsonObject:
        self.till = self._device(await self._create_terminal_key(choice.store))
        title = f"{self._names[choice.store]}: the till scans the code"
        with self._log.step("till", title, operations.CLAIM) as step:
            started = time.perf_counter()
            cart: JsonObject = (await self.till.execute(operations.CLAIM.document, code=code))["cart"]
            took_s = time.perf_counter() - started
            received = await on_phone.wait_for(lambda state: state["version"] >= cart["version"])
            step.show(
                result_line(
                    ", ".join(f"{_cart_line(cart, variant)['method']} {variant.name}" for variant in choice.all)
                )
            )
            _check_received(step, "the phone", received.at_s - started)
            step.check("the till has the cart within a second", took_s < CLAIM_WITHIN_S, found=f"{took_s:.1f} s")
            step.check_equal("units at the till", cart["quantity"], 5)
            methods = [_cart_line(cart, variant)["method"] for variant in choice.all]
            expected = ["CARRY_OUT", "CARRY_OUT", "SHIP"]
            step.check("two lines to carry out, one to ship", methods == expected, found=methods)
            return cart

    async def _choose_shipping(self, choice: ProductChoice, cart: JsonObject) -> JsonObject:
        with self._log.step("till", "Ship the item that the store does not have", operations.SHIP) as step:
            line = _cart_line(cart, choice.elsewhere)
            fulfillment = {"method": "SHIP", "lineIds": [line["id"]], "address": ADDRESS}
            updated: JsonObject = (await self.till.execute(operations.SHIP.document, cart=cart["id"], i=fulfillment))[
                "cart"
            ]
            step.show(result_line(f"to {ADDRESS['line1']}, {ADDRESS['city']}; total ${updated['total']['amount']}"))
            method = _cart_line(updated, choice.elsewhere)["method"]
            step.check(f"{choice.elsewhere.name} will be shipped", method == "SHIP", found=method)
            return updated

    async def _pay(self, cart: JsonObject, on_phone: Subscription, on_web: Subscription) -> JsonObject:
        amount = {"amount": cart["total"]["amount"], "currency": "USD"}
        with self._log.step("till", "Take the cash: the order appears on the phone", operations.CHECKOUT) as step:
            started = time.perf_counter()
            checkout: dict[str, Any] = {"cartId": cart["id"], "idempotencyKey": uuid4().hex, "expectedTotal": amount}
            checkout["payments"] = [{"method": "CASH", "amount": amount}]
            order: JsonObject = (await self.till.execute(operations.CHECKOUT.document, i=checkout))["order"]
            took_s = time.perf_counter() - started
            received = [
                await subscription.wait_for(lambda state: state["status"] == "ORDERED")
                for subscription in (on_phone, on_web)
            ]
            step.show(
                result_line(f"order {order['number']}, ${order['total']['amount']}, {order['paymentStatus'].lower()}")
            )
            step.show(result_line(f"the till has the answer after {took_s * 1000:.0f} ms"))
            _check_received(step, "the phone", received[0].at_s - started)
            _check_received(step, "the web shop", received[1].at_s - started)
            step.check("it is paid", order["paymentStatus"] == "PAID", found=order["paymentStatus"])
            numbers = {state.state["order"]["number"] for state in received}
            step.check("both devices show its number", numbers == {order["number"]}, found=numbers)
            return order

    async def _read_receipt(self, choice: ProductChoice, order: JsonObject) -> None:
        with self._log.step("phone", "Read the receipt", operations.RECEIPT) as step:
            receipt = await self.phone.execute(operations.RECEIPT.document, number=order["number"])
            step.show(_receipt_table(receipt))
            step.check("it is the same as at the till", receipt == order)
            fulfillments = {(part["method"], part["location"]["code"]) for part in receipt["fulfillments"]}
            step.check("carried out at this store", ("CARRY_OUT", choice.store) in fulfillments, found=fulfillments)
            shipped = [code for method, code in fulfillments if method == "SHIP" and code != choice.store]
            step.check("one shipment from another store", len(shipped) == 1, found=fulfillments)


def _cart_line(cart: JsonObject, variant: Variant) -> JsonObject:
    return next(line for line in cart["lines"] if line["variant"]["sku"] == variant.sku)


def _content(cart: JsonObject) -> str:
    lines = ", ".join(f"{line['quantity']} × {line['variant']['name']}" for line in cart["lines"])
    return f"{lines}; ${cart['total']['amount']}"


def _check_received(step: Step, device: str, after_s: float) -> None:
    step.show(result_line(f"{device} shows it after {after_s * 1000:.0f} ms"))
    step.check(f"{device} receives the change", after_s < RECEIVE_WITHIN_S, found=f"{after_s:.1f} s")


def _variants_table(variants: list[Variant], choice: ProductChoice) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for justify in ("left", "right", "right", "left"):
        table.add_column(justify=justify, no_wrap=True)
    listed = [
        *choice.all,
        *(variant for variant in variants if variant.sku not in {chosen.sku for chosen in choice.all}),
    ]
    for variant in listed[:LISTED_MAX]:
        mark = "into the cart" if variant in choice.all else ""
        table.add_row(variant.name[:36], f"${variant.price}", f"{variant.total:,} units", f"[dim]{mark}[/]")
    return table


def _receipt_table(receipt: JsonObject) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    for line in receipt["lines"]:
        table.add_row(f"{line['quantity']} × {line['name'][:36]}", line["total"]["amount"])
    for tax in receipt["taxLines"]:
        table.add_row(f"tax {float(tax['rate']):.0%} on {tax['taxable']['amount']}", tax["tax"]["amount"])
    table.add_row("[bold]total, cash[/]", f"[bold]{receipt['total']['amount']}[/]")
    return table
