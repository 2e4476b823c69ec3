"""The REST connector: JSON requests to a base URL, with a bearer token.

POST /availability, /prices and /orders/acknowledge; GET /orders. Every request has an Idempotency-Key. A request whose
outcome is unknown is repeated with the same key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt, stop_before_delay
from tenacity.wait import wait_exponential, wait_random

from uriba.connectors.enums import ValueKind
from uriba.connectors.external_orders import NotAnOrderList, parse_orders
from uriba.connectors.port import ORDERS_MAX, Batch, ChannelFailed, ImportOutcome, OrderPage, PushResult, Refusal
from uriba.connectors.settings import ConnectorSettings
from uriba.core import clock, text
from uriba.core.ids import new_id
from uriba.core.money import to_decimal
from uriba.outbound.client import NoResponse, OutboundClient, Response
from uriba.outbound.retry_policy import is_success, retry_after_s

RETRIED_STATUSES = frozenset({408, 425, 429})
"""Statuses that are retried in the same run, besides all 5xx."""

BATCH_REFUSED_STATUSES = frozenset({400, 413, 422})
"""Statuses that refuse a batch as a whole. The run goes on, and the batch's values are tried again later."""

RESPONSE_BYTES_MAX = 1_000_000
PAUSE_MAX_S = 8.0
CURSOR_SIZE_MAX = 1_000
FINAL_REASONS = frozenset({"FORBIDDEN_ADDRESS"})
"""Reasons of `NoResponse` that are not retried."""


class _Retryable(ChannelFailed):
    """A failed attempt that may succeed in the same run."""


class RestConnector:
    """The transport to a channel's API, as long as `client` is open. `name`: the prefix of idempotency keys."""

    def __init__(
        self, *, url: str, token: str | None, name: str, client: OutboundClient, settings: ConnectorSettings
    ) -> None:
        self._url = url.rstrip("/")
        self._name = name
        self._client = client
        self._settings = settings
        self._headers = {"accept": "application/json", **({"authorization": f"Bearer {token}"} if token else {})}

    async def push(self, batch: Batch) -> PushResult:
        path = "/availability" if batch.kind is ValueKind.AVAILABILITY else "/prices"
        response, attempts = await self._post(path, batch.number, {"sequence": batch.number, "rows": _rows(batch)})
        if response.status in BATCH_REFUSED_STATUSES:
            refusal = Refusal(f"HTTP_{response.status}", "The channel refused the whole batch.")
            return PushResult({row.sku: refusal for row in batch.rows}, in_doubt=True, attempts=attempts)
        return PushResult(_refusals(_json_object(response, attempts), attempts), attempts=attempts)

    async def fetch_orders(self, cursor: str | None) -> OrderPage:
        query = {"limit": str(ORDERS_MAX), **({"after": cursor} if cursor else {})}
        response, attempts = await self._request("GET", f"/orders?{urlencode(query)}", key=str(new_id()))
        found = _json_object(_check_success(response, attempts), attempts)
        next_cursor = found.get("next")
        if next_cursor is not None and not _is_cursor(next_cursor):
            raise ChannelFailed("ANSWER: next is not a cursor", attempts=attempts)
        try:
            orders = parse_orders(found.get("orders", []))
        except NotAnOrderList as error:
            raise ChannelFailed(f"ANSWER: {error}", attempts=attempts) from error
        return OrderPage(orders, next_cursor, more=bool(orders) and next_cursor not in (None, cursor))

    async def confirm_received(self, page: OrderPage, outcomes: Sequence[ImportOutcome]) -> None:
        """Do nothing: the cursor has moved on."""

    async def acknowledge(self, number: int, outcomes: Sequence[ImportOutcome]) -> None:
        content = {"sequence": number, "orders": [_outcome(outcome) for outcome in outcomes]}
        response, attempts = await self._post("/orders/acknowledge", number, content)
        _check_success(response, attempts)

    async def _post(self, path: str, number: int, content: object) -> tuple[Response, int]:
        return await self._request("POST", path, body=msgspec.json.encode(content), key=f"{self._name}-{number}")

    async def _request(self, method: str, path: str, *, body: bytes = b"", key: str) -> tuple[Response, int]:
        """Send a request, with retries. Return the response and the number of attempts. Errors: `ChannelFailed`."""
        headers = {**self._headers, "idempotency-key": key}
        if body:
            headers["content-type"] = "application/json"
        attempts = 0
        try:
            async for attempt in self._retrying():
                attempts = attempt.retry_state.attempt_number
                with attempt:
                    return await self._send(method, self._url + path, body, headers), attempts
        except ChannelFailed as failed:
            failed.attempts = attempts
            raise
        raise AssertionError("tenacity returns or raises")

    def _retrying(self) -> AsyncRetrying:
        pause_s = self._settings.backoff_s
        jittered = wait_exponential(multiplier=pause_s, max=PAUSE_MAX_S) + wait_random(0, pause_s)

        def wait(state: RetryCallState) -> float:
            failed = state.outcome.exception() if state.outcome else None
            return max(jittered(state), failed.retry_after_s or 0.0 if isinstance(failed, ChannelFailed) else 0.0)

        return AsyncRetrying(
            retry=retry_if_exception_type(_Retryable),
            stop=stop_after_attempt(self._settings.attempts) | stop_before_delay(self._settings.turn_s),
            wait=wait,
            reraise=True,
        )

    async def _send(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Response:
        """Send a request once. Errors: `ChannelFailed`, `_Retryable`."""
        try:
            response = await self._client.send(
                method, url, body=body, headers=headers, response_bytes_max=RESPONSE_BYTES_MAX
            )
        except NoResponse as error:
            raise (ChannelFailed if error.reason in FINAL_REASONS else _Retryable)(error.reason) from error
        if response.status in RETRIED_STATUSES or response.status >= 500:
            pause_s = retry_after_s(response.headers, clock.now())
            raise _Retryable(f"HTTP {response.status}", retry_after_s=pause_s)
        if not is_success(response.status) and response.status not in BATCH_REFUSED_STATUSES:
            raise ChannelFailed(f"HTTP {response.status}")
        return response


def _rows(batch: Batch) -> list[dict[str, object]]:
    if batch.kind is ValueKind.AVAILABILITY:
        return [{"sku": row.sku, "available": row.value} for row in batch.rows]
    return [
        {"sku": row.sku, "price": to_decimal(row.value, batch.currency), "currency": batch.currency}
        for row in batch.rows
    ]


def _outcome(outcome: ImportOutcome) -> dict[str, str | None]:
    refusal = outcome.refusal
    return {
        "number": outcome.number,
        "status": outcome.status,
        "order": outcome.order,
        "code": refusal.code if refusal else None,
        "message": refusal.message if refusal else None,
    }


def _check_success(response: Response, attempts: int) -> Response:
    """Return a successful response. Errors: `ChannelFailed`."""
    if not is_success(response.status):
        raise ChannelFailed(f"HTTP {response.status}", attempts=attempts)
    return response


def _json_object(response: Response, attempts: int) -> dict[str, Any]:
    """Return the JSON object of a response; an empty body is an empty object. Errors: `ChannelFailed`."""
    try:
        found = msgspec.json.decode(response.body) if response.body.strip() else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ChannelFailed("ANSWER: not JSON", attempts=attempts) from error
    if not isinstance(found, dict):
        raise ChannelFailed("ANSWER: not a JSON object", attempts=attempts)
    return found


def _refusals(found: Mapping[str, Any], attempts: int) -> dict[str, Refusal]:
    """Return the refused values of a response, by SKU. Errors: `ChannelFailed`."""
    listed = found.get("refused") or []
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise ChannelFailed("ANSWER: refused is not a list of objects", attempts=attempts)
    return {
        str(entry.get("sku")): Refusal(_plain_text(entry.get("code")), _plain_text(entry.get("message")))
        for entry in listed
    }


def _plain_text(value: object) -> str:
    """Return a text of the channel without control characters and shortened."""
    return text.CONTROL.sub(" ", str(value or ""))[: text.TEXT_SIZE_MAX] or "REFUSED"


def _is_cursor(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= CURSOR_SIZE_MAX and not text.has_control(value)
