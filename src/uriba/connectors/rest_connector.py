"""The REST connector: JSON to a base URL, with a bearer token.

POST /availability, /prices and /orders/acknowledge, GET /orders. Every request has an Idempotency-Key: the same key is
the same request, sent again because nobody knows what became of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt, stop_before_delay
from tenacity.wait import wait_exponential, wait_random

from uriba.connectors.external_orders import NoOrders, orders_of
from uriba.connectors.models import ValueKind
from uriba.connectors.port import ORDERS_MAX, Batch, ChannelFailed, Page, Pushed, Refusal, Verdict
from uriba.connectors.settings import ConnectorSettings
from uriba.core import clock, text
from uriba.core.ids import new_id
from uriba.core.money import to_decimal
from uriba.outbound.client import Answer, Client, Unreachable
from uriba.outbound.retry_policy import asked_s, taken

AGAIN = frozenset({408, 425, 429})
"""Beside all of 5xx: later it may be taken."""

REFUSED = frozenset({400, 413, 422})
"""A batch is not to be had as it is; its rows are tried again one by one as they are due, and others go on."""

ANSWER_SIZE_MAX = 1_000_000
PAUSE_MAX_S = 8.0
CURSOR_SIZE_MAX = 1_000
FOR_GOOD = frozenset({"FORBIDDEN_ADDRESS"})


class _Later(ChannelFailed):
    """No, but perhaps in a moment."""


class RestConnector:
    """A channel's API, for as long as `client` is open."""

    def __init__(self, *, url: str, token: str | None, name: str, client: Client, settings: ConnectorSettings) -> None:
        self._url = url.rstrip("/")
        self._name = name
        self._client = client
        self._settings = settings
        self._headers = {"accept": "application/json", **({"authorization": f"Bearer {token}"} if token else {})}

    async def push(self, batch: Batch) -> Pushed:
        path = "/availability" if batch.kind is ValueKind.AVAILABILITY else "/prices"
        answer, attempts = await self._post(path, batch.number, {"sequence": batch.number, "rows": _rows(batch)})
        if answer.status in REFUSED:
            why = Refusal(f"HTTP_{answer.status}", "The batch was refused as a whole.")
            return Pushed({row.sku: why for row in batch.rows}, doubt=True, attempts=attempts)
        return Pushed(_refused(_content(answer, attempts), attempts), attempts=attempts)

    async def fetch_orders(self, cursor: str | None) -> Page:
        asked = {"limit": str(ORDERS_MAX), **({"after": cursor} if cursor else {})}
        answer, attempts = await self._request("GET", f"/orders?{urlencode(asked)}", key=str(new_id()))
        found = _content(_expected(answer, attempts), attempts)
        following = found.get("next")
        if following is not None and not _cursor(following):
            raise ChannelFailed("ANSWER: next is no cursor", attempts=attempts)
        try:
            orders = orders_of(found.get("orders", []))
        except NoOrders as error:
            raise ChannelFailed(f"ANSWER: {error}", attempts=attempts) from error
        return Page(orders, following, more=bool(orders) and following not in (None, cursor))

    async def received(self, page: Page, verdicts: Sequence[Verdict]) -> None:
        """Nothing to do: the cursor has moved on."""

    async def acknowledge(self, number: int, verdicts: Sequence[Verdict]) -> None:
        content = {"sequence": number, "orders": [_verdict(verdict) for verdict in verdicts]}
        answer, attempts = await self._post("/orders/acknowledge", number, content)
        _expected(answer, attempts)

    async def _post(self, path: str, number: int, content: object) -> tuple[Answer, int]:
        return await self._request("POST", path, body=msgspec.json.encode(content), key=f"{self._name}-{number}")

    async def _request(self, method: str, path: str, *, body: bytes = b"", key: str) -> tuple[Answer, int]:
        """An answer, and how many tries it took. Errors: `ChannelFailed`."""
        headers = {**self._headers, "idempotency-key": key}
        if body:
            headers["content-type"] = "application/json"
        attempts = 0
        try:
            async for attempt in self._tries():
                attempts = attempt.retry_state.attempt_number
                with attempt:
                    return await self._once(method, self._url + path, body, headers), attempts
        except ChannelFailed as failed:
            failed.attempts = attempts
            raise
        raise AssertionError("tenacity answers or raises")

    def _tries(self) -> AsyncRetrying:
        pause_s = self._settings.backoff_s
        jittered = wait_exponential(multiplier=pause_s, max=PAUSE_MAX_S) + wait_random(0, pause_s)

        def wait(state: RetryCallState) -> float:
            failed = state.outcome.exception() if state.outcome else None
            return max(jittered(state), failed.retry_s or 0.0 if isinstance(failed, ChannelFailed) else 0.0)

        return AsyncRetrying(
            retry=retry_if_exception_type(_Later),
            stop=stop_after_attempt(self._settings.attempts) | stop_before_delay(self._settings.turn_s),
            wait=wait,
            reraise=True,
        )

    async def _once(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        try:
            answer = await self._client.send(method, url, body=body, headers=headers, keep=ANSWER_SIZE_MAX)
        except Unreachable as error:
            raise (ChannelFailed if error.reason in FOR_GOOD else _Later)(error.reason) from error
        if answer.status in AGAIN or answer.status >= 500:
            raise _Later(f"HTTP {answer.status}", retry_s=asked_s(answer.headers, clock.now()))
        if not taken(answer.status) and answer.status not in REFUSED:
            raise ChannelFailed(f"HTTP {answer.status}")
        return answer


def _rows(batch: Batch) -> list[dict[str, object]]:
    if batch.kind is ValueKind.AVAILABILITY:
        return [{"sku": row.sku, "available": row.value} for row in batch.rows]
    return [
        {"sku": row.sku, "price": to_decimal(row.value, batch.currency), "currency": batch.currency}
        for row in batch.rows
    ]


def _verdict(verdict: Verdict) -> dict[str, str | None]:
    why = verdict.refusal
    return {
        "number": verdict.number,
        "status": verdict.status,
        "order": verdict.order,
        "code": why.code if why else None,
        "message": why.message if why else None,
    }


def _expected(answer: Answer, attempts: int) -> Answer:
    if not taken(answer.status):
        raise ChannelFailed(f"HTTP {answer.status}", attempts=attempts)
    return answer


def _content(answer: Answer, attempts: int) -> dict[str, Any]:
    """The object of an answer; none is an empty one."""
    try:
        found = msgspec.json.decode(answer.body) if answer.body.strip() else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ChannelFailed("ANSWER: no JSON", attempts=attempts) from error
    if not isinstance(found, dict):
        raise ChannelFailed("ANSWER: no JSON object", attempts=attempts)
    return found


def _refused(found: Mapping[str, Any], attempts: int) -> dict[str, Refusal]:
    listed = found.get("refused") or []
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise ChannelFailed("ANSWER: refused is no list", attempts=attempts)
    return {str(one.get("sku")): Refusal(_said(one.get("code")), _said(one.get("message"))) for one in listed}


def _said(value: object) -> str:
    """Somebody else's words, as short and plain as they can be kept."""
    return text.CONTROL.sub(" ", str(value or ""))[: text.TEXT_SIZE_MAX] or "REFUSED"


def _cursor(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= CURSOR_SIZE_MAX and not text.has_control(value)
