"""Stripe's PaymentIntents on a loopback port, as its documents describe them: for Stripe's own library to talk to.

It has the guarantees that the hub relies on: the same idempotency key with the same parameters gets the first answer
again (also where that was a fault), with others it is refused; each state of an intent allows what it allows at Stripe;
parameters that this version of the API has not are refused. It can lose an answer, or never give one.

`localstripe` is not used: it has no idempotency keys, and its confirm takes no payment method.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import stripe

SECRET_KEY = "sk_test_of_the_fake"
WEBHOOK_SECRET = "whsec_of_the_fake"

OK, DECLINED, ACTION = "pm_card_visa", "pm_card_chargeDeclined", "pm_card_authenticationRequired"

CREATE = r"amount|currency|metadata\[\w+\]|allowed_payment_method_types\[0\]"
CONFIRM = "payment_method|capture_method|return_url|use_stripe_sdk"
CANCELLABLE = ("requires_payment_method", "requires_confirmation", "requires_action", "requires_capture")


class ErrorResponse(Exception):
    """An answer with an error."""

    def __init__(self, status: int, code: str, message: str, **more: Any) -> None:
        kind = {402: "card_error", 409: "idempotency_error"}.get(status, "invalid_request_error")
        self.status = status
        self.body = {"error": {"type": kind, "code": code, "message": message, **more}}


class ConnectionDropped(Exception):
    """The connection ends without an answer."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request of the library."""

    method: str
    path: str
    params: dict[str, str]
    key: str | None
    authorization: str

    @property
    def step(self) -> str:
        """create, confirm, cancel, capture, refund, retrieve, search or refunds."""
        last = self.path.rpartition("/")[2]
        if last == "payment_intents":
            return "create"
        if last == "refunds":
            return "refund" if self.method == "POST" else "refunds"
        return last if self.method == "POST" or last == "search" else "retrieve"


@dataclass
class FakeStripe:
    """One account. `faults` names a step and what happens to its next request: lose, hang, fault, busy, drop."""

    port: int = 0
    intents: dict[str, dict[str, Any]] = field(default_factory=dict)
    refunds: dict[str, dict[str, Any]] = field(default_factory=dict)
    seen: list[Request] = field(default_factory=list)
    faults: list[tuple[str, str]] = field(default_factory=list)
    search_is_late: bool = False
    _answers: dict[str, tuple[object, int, dict[str, Any]]] = field(default_factory=dict)
    _numbers: Any = field(default_factory=lambda: count(1))
    _suffix: str = field(default_factory=lambda: uuid4().hex[:12])
    _hanging: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def steps(self) -> list[str]:
        return [request.step for request in self.seen]

    def intent_of(self, key: str) -> dict[str, Any]:
        """Return the only intent of a charge."""
        (found,) = [i for i in self.intents.values() if i["metadata"].get("uriba_charge") == key]
        return found

    def forget_keys(self) -> None:
        """Forget all idempotency keys, as Stripe does after a day."""
        self._answers.clear()

    def authenticate(self, key: str, *, approved: bool) -> None:
        """Take the customer's second step at the bank."""
        intent = self.intent_of(key)
        assert intent["status"] == "requires_action"
        intent["next_action"] = None
        if approved:
            self._succeed(intent)
        else:
            intent["status"] = "requires_payment_method"
            intent["last_payment_error"] = {
                "type": "invalid_request_error",
                "code": "payment_intent_authentication_failure",
                "message": "We are unable to authenticate your payment method.",
            }

    def event(self, kind: str, about: dict[str, Any], *, at: int | None = None, secret: str = WEBHOOK_SECRET) -> Any:
        """Return the headers and the body of a webhook."""
        event = {"id": self._id("evt"), "object": "event", "type": kind, "data": {"object": about}}
        body = json.dumps(event)
        signed = stripe.WebhookSignature.generate_signature_header(body, secret, timestamp=at)  # type: ignore[no-untyped-call]
        return {"stripe-signature": signed, "content-type": "application/json"}, body.encode()

    def _id(self, kind: str) -> str:
        return f"{kind}_{self._suffix}{next(self._numbers):04}"

    async def answer(self, request: Request) -> tuple[int, dict[str, Any], bool]:
        """Return status, body, and whether this repeats the first answer to the key."""
        self.seen.append(request)
        fault = next((f for f in self.faults if f[0] == request.step), None)
        if fault:
            self.faults.remove(fault)
        what = fault[1] if fault else None
        if what == "drop":
            raise ConnectionDropped
        if request.authorization != f"Bearer {SECRET_KEY}":
            return 401, {"error": {"type": "invalid_request_error", "message": "Invalid API Key provided"}}, False
        if what == "busy":
            return (
                429,
                {"error": {"type": "invalid_request_error", "code": "rate_limit", "message": "Slow down"}},
                False,
            )
        status, body, again = self._answer_once(request, broken=what == "fault")
        if what == "lose":
            raise ConnectionDropped
        if what == "hang":
            await self._hanging.wait()
        return status, body, again

    def _answer_once(self, request: Request, *, broken: bool) -> tuple[int, dict[str, Any], bool]:
        content = (request.method, request.path, request.params)
        if request.key is not None and request.key in self._answers:
            first, status, body = self._answers[request.key]
            if first != content:
                error = {"type": "idempotency_error", "message": "Keys can only be used with the same parameters."}
                return 400, {"error": error}, False
            return status, body, True
        if broken:
            status, body = 500, {"error": {"type": "api_error", "message": "Something went wrong on Stripe's end."}}
        else:
            try:
                status, body = 200, self._perform(request)
            except ErrorResponse as refusal:
                status, body = refusal.status, refusal.body
        if request.key is not None:
            self._answers[request.key] = (content, status, json.loads(json.dumps(body)))
        return status, body, False

    def _perform(self, request: Request) -> dict[str, Any]:
        if request.step in ("create", "refund", "refunds", "search"):
            return getattr(self, f"_{request.step}")(request.params)  # type: ignore[no-any-return]
        intent = self.intents.get(request.path.split("/")[3])
        if intent is None:
            raise ErrorResponse(404, "resource_missing", "No such payment_intent")
        return getattr(self, f"_{request.step}")(intent, request.params)  # type: ignore[no-any-return]

    def _create(self, params: dict[str, str]) -> dict[str, Any]:
        _check(params, CREATE)
        if int(params["amount"]) < 50 and params["currency"] != "jpy":
            raise ErrorResponse(400, "amount_too_small", "Amount must be at least 50 cents", param="amount")
        intent = {
            "id": self._id("pi"),
            "object": "payment_intent",
            "amount": int(params["amount"]),
            "amount_received": 0,
            "currency": params["currency"],
            "status": "requires_payment_method",
            "capture_method": "automatic_async",
            "metadata": _metadata(params),
            "latest_charge": None,
            "last_payment_error": None,
            "next_action": None,
        }
        intent["client_secret"] = f"{intent['id']}_secret"
        self.intents[str(intent["id"])] = intent
        return intent

    def _confirm(self, intent: dict[str, Any], params: dict[str, str]) -> dict[str, Any]:
        _check(params, CONFIRM)
        if intent["status"] not in ("requires_payment_method", "requires_confirmation"):
            raise ErrorResponse(400, "payment_intent_unexpected_state", "This PaymentIntent cannot be confirmed.")
        token = params["payment_method"]
        if token not in (OK, DECLINED, ACTION):
            raise ErrorResponse(400, "resource_missing", f"No such PaymentMethod: '{token}'", param="payment_method")
        intent["capture_method"] = params["capture_method"]
        if token == DECLINED:
            error = {"type": "card_error", "code": "card_declined", "message": "Your card was declined."}
            intent["last_payment_error"] = error
            raise ErrorResponse(402, "card_declined", error["message"], decline_code="generic_decline")
        if token == ACTION:
            intent["status"] = "requires_action"
            intent["next_action"] = {"type": "use_stripe_sdk", "use_stripe_sdk": {}}
            if "return_url" in params:
                page = {"url": f"https://bank.example/{intent['id']}", "return_url": params["return_url"]}
                intent["next_action"] = {"type": "redirect_to_url", "redirect_to_url": page}
            return intent
        return self._succeed(intent)

    def _succeed(self, intent: dict[str, Any]) -> dict[str, Any]:
        manual = intent["capture_method"] == "manual"
        taken = 0 if manual else intent["amount"]
        charge = {"id": self._id("ch"), "object": "charge", "refunded": False, "amount_refunded": 0}
        intent |= {
            "status": "requires_capture" if manual else "succeeded",
            "amount_received": taken,
            "latest_charge": charge,
        }
        return intent

    def _retrieve(self, intent: dict[str, Any], params: dict[str, str]) -> dict[str, Any]:
        _check(params, r"expand\[0\]")
        return intent

    def _cancel(self, intent: dict[str, Any], params: dict[str, str]) -> dict[str, Any]:
        _check(params, "cancellation_reason")
        if intent["status"] not in CANCELLABLE:
            raise ErrorResponse(400, "payment_intent_unexpected_state", "You cannot cancel this PaymentIntent.")
        intent |= {"status": "canceled", "next_action": None}
        return intent

    def _capture(self, intent: dict[str, Any], params: dict[str, str]) -> dict[str, Any]:
        _check(params, "amount_to_capture")
        if intent["status"] != "requires_capture":
            raise ErrorResponse(400, "payment_intent_unexpected_state", "This PaymentIntent could not be captured.")
        amount = int(params["amount_to_capture"])
        if amount > intent["amount"]:
            raise ErrorResponse(400, "amount_too_large", "The amount is greater than the capturable amount.")
        intent |= {"status": "succeeded", "amount_received": amount}
        return intent

    def _refund(self, params: dict[str, str]) -> dict[str, Any]:
        _check(params, r"payment_intent|amount|metadata\[\w+\]")
        intent = self.intents[params["payment_intent"]]
        charge = intent["latest_charge"]
        if charge is None or not intent["amount_received"]:
            raise ErrorResponse(400, "payment_intent_unexpected_state", "There is nothing to refund.")
        left = intent["amount_received"] - charge["amount_refunded"]
        if left == 0:
            raise ErrorResponse(400, "charge_already_refunded", "Charge has already been refunded.")
        amount = int(params.get("amount", left))
        if amount > left:
            raise ErrorResponse(400, "amount_too_large", "Refund amount is greater than unrefunded amount on charge.")
        charge["amount_refunded"] += amount
        charge["refunded"] = amount == left
        refund = {
            "id": self._id("re"),
            "object": "refund",
            "status": "succeeded",
            "amount": amount,
            "payment_intent": intent["id"],
            "metadata": _metadata(params),
        }
        self.refunds[str(refund["id"])] = refund
        return refund

    def _refunds(self, params: dict[str, str]) -> dict[str, Any]:
        _check(params, "payment_intent|limit|starting_after")
        found = [r for r in self.refunds.values() if r["payment_intent"] == params["payment_intent"]]
        return {"object": "list", "url": "/v1/refunds", "has_more": False, "data": found[::-1]}

    def _search(self, params: dict[str, str]) -> dict[str, Any]:
        wanted = re.fullmatch(r"metadata\['(\w+)'\]:'([^']+)'", params["query"])
        assert wanted
        found = (
            []
            if self.search_is_late
            else [i for i in self.intents.values() if i["metadata"].get(wanted[1]) == wanted[2]]
        )
        return {"object": "search_result", "url": "/v1/payment_intents/search", "has_more": False, "data": found}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionDropped, asyncio.IncompleteReadError, ConnectionError):
            status, body, again = await self.answer(await _read(reader))
            sent = json.dumps(body).encode()
            replayed = "Idempotent-Replayed: true\r\n" if again else ""
            writer.write(
                f"HTTP/1.1 {status} Answer\r\nContent-Type: application/json\r\nRequest-Id: {self._id('req')}\r\n"
                f"{replayed}Content-Length: {len(sent)}\r\nConnection: close\r\n\r\n".encode()
                + sent
            )
            await writer.drain()
        writer.close()

    def stop(self) -> None:
        self._hanging.set()


@asynccontextmanager
async def fake_stripe() -> AsyncIterator[FakeStripe]:
    """A new account, while the context is open."""
    fake = FakeStripe()
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.port = server.sockets[0].getsockname()[1]
    try:
        yield fake
    finally:
        fake.stop()
        server.close()


async def _read(reader: asyncio.StreamReader) -> Request:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, target, _ = lines[0].split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)}
    body = (await reader.readexactly(int(headers.get("content-length", 0)))).decode()
    found = urlsplit(target)
    params = dict(parse_qsl(body or found.query, keep_blank_values=True))
    return Request(method, found.path, params, headers.get("idempotency-key"), headers.get("authorization", ""))


def _check(params: dict[str, str], known: str) -> None:
    for name in params:
        if not re.fullmatch(known, name):
            raise ErrorResponse(400, "parameter_unknown", f"Received unknown parameter: {name}", param=name)


def _metadata(params: dict[str, str]) -> dict[str, str]:
    return {name[9:-1]: value for name, value in params.items() if name.startswith("metadata[")}
