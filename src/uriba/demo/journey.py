"""Journey A, from the phone to the till: every step through the public API."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from rich.table import Table

from uriba.demo import goods, operations
from uriba.demo.device import Answer, Device, Refused, Screen
from uriba.demo.effects import Effects
from uriba.demo.goods import Choice, Good
from uriba.demo.story import Step, Story, answer

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
"""What the shopper looks for; after that, page after page of everything."""

SHOWN = 5
SCAN_S = 1.0
TOLD_S = 2.0
"""Above the slowest way, which is polling: a busy machine is no fault of the story. What it took is told anyway."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys that the retailer's own programs work with."""

    app: str
    web: str
    staff: str


class Journey:
    """The story's devices and what they know so far."""

    def __init__(self, story: Story, url: str, keys: Keys, terminal_key: Callable[[str], Awaitable[str]]) -> None:
        """`terminal_key` makes a key for a new till at a store, as `uriba key terminal` does."""
        self._story = story
        self._url = url
        self._keys = keys
        self._terminal_key = terminal_key
        self._closing = AsyncExitStack()

    async def play(self) -> None:
        """Every step. Errors: `Broken` where it cannot go on."""
        async with self._closing:
            self.staff = self._device(self._keys.staff)
            await self._sign_in()
            choice = await self._browse()
            effects = Effects(self._story, self.staff, choice)
            await effects.look_before()
            cart = await self._fill_cart(choice)
            on_phone, on_web = await self._open_screens(cart)
            await self._change_on_web(cart, choice, on_phone)
            await self._change_on_phone(choice, on_web)
            code = await self._hand_over(cart)
            claimed = await self._claim(choice, code, on_phone)
            ready = await self._ship(choice, claimed)
            order = await self._pay(ready, on_phone, on_web)
            await self._read_receipt(choice, order)
            await effects.look_after(order)

    def _device(self, key: str) -> Device:
        device = Device(self._url, key)
        self._closing.push_async_callback(device.close)
        return device

    async def _sign_in(self) -> None:
        app, web_shop = self._device(self._keys.app), self._device(self._keys.web)
        asked = (operations.CUSTOMER, operations.TOKEN, operations.ME)
        with self._story.step("phone", "App and web shop sign the same customer in", *asked) as step:
            await app.ask(operations.CUSTOMER.document, c=[{"loyaltyCard": LOYALTY_CARD, "name": NAME}])
            self.phone, self.web = [await self._token(backend) for backend in (app, web_shop)]
            on_phone = await self.phone.ask(operations.ME.document)
            on_web = await self.web.ask(operations.ME.document)
            step.hear(answer(f"{on_phone['name']}, loyalty card {LOYALTY_CARD}: a token for each device"))
            step.hold("both devices are the same customer", on_phone["id"] == on_web["id"])

    async def _token(self, backend: Device) -> Device:
        issued = await backend.ask(operations.TOKEN.document, i={"loyaltyCard": LOYALTY_CARD})
        return self._device(issued["token"])

    async def _browse(self) -> Choice:
        with self._story.step("phone", "Browse in the app", operations.BROWSE) as step:
            channels = await self.phone.ask(operations.CHANNEL_STORES.document)
            stores = next(channel["locations"] for channel in channels if channel["code"] == "stores")
            codes = [store["code"] for store in stores]
            self._names = {store["code"]: store["name"] for store in stores}
            found: list[Good] = []
            choice, after = None, None
            for search in SEARCHES:
                page = await self.phone.ask(operations.BROWSE.document, search=search, after=after)
                after = page["pageInfo"]["endCursor"] if search is None else None
                found += [good for good in goods.of_page(page) if good not in found]
                if (choice := goods.choose(found, codes[:1])) or (search is None and after is None):
                    break
            choice = choice or goods.choose(found, codes) or await self._empty_a_shelf(step, found, codes[0])
            step.hear(_listed(found, choice), answer(f"{len(found)} articles seen, each with price and availability"))
            first, second = choice.shelf
            there = {good.sku: good.places.get(choice.store, 0) for good in choice.all}
            step.hold(
                f"{self._names[choice.store]} has {first.name} ({there[first.sku]}) and {second.name} "
                f"({there[second.sku]}) on its shelf",
                min(there[first.sku], there[second.sku]) > 0,
            )
            step.hold(f"{choice.elsewhere.name} is not there, but elsewhere", choice.elsewhere.total > 0)
            return choice

    async def _empty_a_shelf(self, step: Step, found: list[Good], store: str) -> Choice:
        """A small slice may have everything everywhere: then staff count one shelf as empty."""
        choice = goods.choose_to_empty(found, store)
        if choice is None:
            raise Refused("The goods are too few for this story: load more stores or products.")
        change = {"sku": choice.elsewhere.sku, "location": store, "onHand": 0}
        await self.staff.ask(operations.COUNT.document, i={"changes": [change], "idempotencyKey": uuid4().hex})
        step.hear(answer(f"this small slice has everything everywhere: staff count 0 {choice.elsewhere.name} there"))
        return replace(choice, elsewhere=goods.emptied(choice.elsewhere, store))

    async def _fill_cart(self, choice: Choice) -> Answer:
        with self._story.step("phone", "Add three items", operations.BEGIN_CART, operations.ADD) as step:
            cart = await self.phone.ask(operations.BEGIN_CART.document)
            if cart["cart"]["lines"]:
                step.hear(answer("an older cart of the same customer was still there: emptied"))
                cart = await self._set(self.phone, cart["cart"], {line["id"]: 0 for line in cart["cart"]["lines"]})
            for good in choice.all:
                cart = await self._add(self.phone, cart["cart"], good)
            step.hear(answer(_content(cart["cart"])))
            step.equal("lines in the cart", len(cart["cart"]["lines"]), 3)
            return cart["cart"]  # type: ignore[no-any-return]

    async def _add(self, device: Device, cart: Answer, good: Good) -> Answer:
        lines = [{"sku": good.sku, "quantity": 1}]
        return await device.ask(  # type: ignore[no-any-return]
            operations.ADD.document, cart=cart["id"], lines=lines, key=uuid4().hex
        )

    async def _set(self, device: Device, cart: Answer, quantities: dict[str, int]) -> Answer:
        lines = [{"lineId": line, "quantity": quantity} for line, quantity in quantities.items()]
        return await device.ask(  # type: ignore[no-any-return]
            operations.SET.document, cart=cart["id"], lines=lines, version=cart["version"]
        )

    async def _open_screens(self, cart: Answer) -> tuple[Screen, Screen]:
        with self._story.step("web", "Open the web shop: the same cart", operations.ME, operations.WATCH_CART) as step:
            active = (await self.web.ask(operations.ME.document))["carts"][0]
            screens = [
                await self._closing.enter_async_context(device.open(operations.WATCH_CART.document, cart=active["id"]))
                for device in (self.phone, self.web)
            ]
            shown = [await screen.until(lambda _: True) for screen in screens]
            step.hear(answer(_content(shown[1].state)), answer("phone and web shop stay open and follow the cart"))
            step.hold("it is the cart of the phone", active["id"] == cart["id"])
            lines = [len(seen.state["lines"]) for seen in shown]
            step.hold("three lines on both screens", lines == [3, 3], found=lines)
            return screens[0], screens[1]

    async def _change_on_web(self, cart: Answer, choice: Choice, on_phone: Screen) -> None:
        title = f"One more on the web: {choice.shelf[0].name}"
        with self._story.step("web", title, operations.ADD) as step:
            began = time.perf_counter()
            changed = await self._add(self.web, cart, choice.shelf[0])
            seen = await on_phone.until(lambda state: state["version"] >= changed["cart"]["version"])
            _heard(step, "the phone", seen.at_s - began)
            step.equal("units on the phone", seen.state["quantity"], 4)
            step.equal("changed last by", seen.state["lastChangedBy"], "web")

    async def _change_on_phone(self, choice: Choice, on_web: Screen) -> None:
        title = f"Now two on the phone: {choice.shelf[1].name}"
        with self._story.step("phone", title, operations.SET) as step:
            before = (await self.phone.ask(operations.ME.document))["carts"][0]
            line = _line(before, choice.shelf[1])
            began = time.perf_counter()
            changed = await self._set(self.phone, before, {line["id"]: 2})
            seen = await on_web.until(lambda state: state["version"] >= changed["cart"]["version"])
            _heard(step, "the web shop", seen.at_s - began)
            step.equal("units in the web shop", seen.state["quantity"], 5)
            step.equal("changed last by", seen.state["lastChangedBy"], "app")

    async def _hand_over(self, cart: Answer) -> str:
        with self._story.step("phone", "At the store: show the handoff code", operations.HANDOFF) as step:
            handed = await self.phone.ask(operations.HANDOFF.document, cart=cart["id"])
            code: str = handed["code"]
            step.hear(answer(f"{code[:4]}-{code[4:]}, as QR: {handed['qr']}, until {handed['expiresAt'][11:19]} UTC"))
            step.hold("eight characters, short enough to type", len(code) == 8, found=code)
            return code

    async def _claim(self, choice: Choice, code: str, on_phone: Screen) -> Answer:
        self.till = self._device(await self._terminal_key(choice.store))
        title = f"{self._names[choice.store]}: the till scans it"
        with self._story.step("till", title, operations.CLAIM) as step:
            began = time.perf_counter()
            cart: Answer = (await self.till.ask(operations.CLAIM.document, code=code))["cart"]
            took_s = time.perf_counter() - began
            seen = await on_phone.until(lambda state: state["version"] >= cart["version"])
            step.hear(answer(", ".join(f"{_line(cart, good)['method']} {good.name}" for good in choice.all)))
            _heard(step, "the phone", seen.at_s - began)
            step.hold("the till sees the cart within a second", took_s < SCAN_S, found=f"{took_s:.1f} s")
            step.equal("units at the till", cart["quantity"], 5)
            methods = [_line(cart, good)["method"] for good in choice.all]
            wanted = ["CARRY_OUT", "CARRY_OUT", "SHIP"]
            step.hold("two lines from its shelf, one to be shipped", methods == wanted, found=methods)
            return cart

    async def _ship(self, choice: Choice, cart: Answer) -> Answer:
        with self._story.step("till", "Ship what is not on the shelf", operations.SHIP) as step:
            line = _line(cart, choice.elsewhere)
            given = {"method": "SHIP", "lineIds": [line["id"]], "address": ADDRESS}
            ready: Answer = (await self.till.ask(operations.SHIP.document, cart=cart["id"], i=given))["cart"]
            step.hear(answer(f"to {ADDRESS['line1']}, {ADDRESS['city']}; total ${ready['total']['amount']}"))
            method = _line(ready, choice.elsewhere)["method"]
            step.hold(f"{choice.elsewhere.name} will be shipped", method == "SHIP", found=method)
            return ready

    async def _pay(self, cart: Answer, on_phone: Screen, on_web: Screen) -> Answer:
        amount = {"amount": cart["total"]["amount"], "currency": "USD"}
        with self._story.step("till", "Take the cash: the phone has the order", operations.CHECKOUT) as step:
            began = time.perf_counter()
            given: dict[str, Any] = {"cartId": cart["id"], "idempotencyKey": uuid4().hex, "expectedTotal": amount}
            given["payments"] = [{"method": "CASH", "amount": amount}]
            order: Answer = (await self.till.ask(operations.CHECKOUT.document, i=given))["order"]
            took_s = time.perf_counter() - began
            seen = [await screen.until(lambda state: state["status"] == "ORDERED") for screen in (on_phone, on_web)]
            step.hear(answer(f"order {order['number']}, ${order['total']['amount']}, {order['paymentStatus'].lower()}"))
            step.hear(answer(f"the till has its answer after {took_s * 1000:.0f} ms"))
            _heard(step, "the phone", seen[0].at_s - began)
            _heard(step, "the web shop", seen[1].at_s - began)
            step.hold("it is paid", order["paymentStatus"] == "PAID", found=order["paymentStatus"])
            numbers = {screen.state["order"]["number"] for screen in seen}
            step.hold("both screens show its number", numbers == {order["number"]}, found=numbers)
            return order

    async def _read_receipt(self, choice: Choice, order: Answer) -> None:
        with self._story.step("phone", "Read the receipt", operations.RECEIPT) as step:
            receipt = await self.phone.ask(operations.RECEIPT.document, number=order["number"])
            step.hear(_receipt(receipt))
            step.hold("it is what the till printed", receipt == order)
            places = {(part["method"], part["location"]["code"]) for part in receipt["fulfillments"]}
            step.hold("carried out of this store", ("CARRY_OUT", choice.store) in places, found=places)
            shipped = [code for method, code in places if method == "SHIP" and code != choice.store]
            step.hold("one parcel from another store", len(shipped) == 1, found=places)


def _line(cart: Answer, good: Good) -> Answer:
    return next(line for line in cart["lines"] if line["variant"]["sku"] == good.sku)


def _content(cart: Answer) -> str:
    lines = ", ".join(f"{line['quantity']} × {line['variant']['name']}" for line in cart["lines"])
    return f"{lines}; ${cart['total']['amount']}"


def _heard(step: Step, where: str, after_s: float) -> None:
    step.hear(answer(f"{where} shows it {after_s * 1000:.0f} ms after the tap"))
    step.hold(f"{where} is told", after_s < TOLD_S, found=f"{after_s:.1f} s")


def _listed(found: list[Good], choice: Choice) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for justify in ("left", "right", "right", "left"):
        table.add_column(justify=justify, no_wrap=True)
    shown = [*choice.all, *(good for good in found if good.sku not in {chosen.sku for chosen in choice.all})]
    for good in shown[:SHOWN]:
        mark = "into the cart" if good in choice.all else ""
        table.add_row(good.name[:36], f"${good.price}", f"{good.total:,} units", f"[dim]{mark}[/]")
    return table


def _receipt(receipt: Answer) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    for line in receipt["lines"]:
        table.add_row(f"{line['quantity']} × {line['name'][:36]}", line["total"]["amount"])
    for tax in receipt["taxLines"]:
        table.add_row(f"tax {float(tax['rate']):.0%} on {tax['taxable']['amount']}", tax["tax"]["amount"])
    table.add_row("[bold]total, cash[/]", f"[bold]{receipt['total']['amount']}[/]")
    return table
