"""The client of the hub: GraphQL over HTTP, one request at a time, with retries where a retry can help."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NoReturn, TypeVar

import httpx
import msgspec
import tenacity

from uriba.till.errors import BatchTooLarge, HubUnavailable, KeyRejected, MalformedEvent, ProtocolError
from uriba.till.protocol import PULL_QUERY, SYNC_MUTATION, PullPage, SyncAnswer

T = TypeVar("T")

TIMEOUT_S = 30
"""After this the batch is sent again, which is safe: the hub applies an event only once."""

ATTEMPTS_MAX = 6
PAUSE_MIN_S = 0.5
PAUSE_MAX_S = 30.0
RETRY_AFTER_MAX_S = 300.0
KEY_REJECTED_CODES = {"UNAUTHENTICATED", "FORBIDDEN"}
RETRYABLE_CODES = {"INTERNAL", "UNAVAILABLE", "TIMEOUT"}
RETRYABLE_STATUSES = {408, 425, 429, 500, 502, 503, 504}
EVENT_INDEX_PATTERN = re.compile(r"\bevents[.\[](\d+)")


class GraphQLResponse(msgspec.Struct):
    """The body of a GraphQL response."""

    data: dict[str, Any] | None = None
    errors: list[dict[str, Any]] = []


class HubClient:
    """A client with one terminal's key."""

    def __init__(
        self, url: str, key: str, *, attempts_max: int = ATTEMPTS_MAX, transport: httpx.BaseTransport | None = None
    ) -> None:
        self.url = url if url.rstrip("/").endswith("/graphql") else f"{url.rstrip('/')}/graphql"
        headers = {"authorization": f"Bearer {key}"}
        self._http = httpx.Client(headers=headers, timeout=TIMEOUT_S, transport=transport)
        self._retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(HubUnavailable),
            stop=tenacity.stop_after_attempt(attempts_max),
            wait=_pause_s,
            reraise=True,
        )

    def sync(self, events: Sequence[bytes], *, epoch: int, clock: Callable[[], datetime]) -> SyncAnswer:
        """Send a batch of encoded events. `clock` is the till's clock; each attempt reads it again for `sentAt`.

        Errors: `HubUnavailable` after all attempts; `KeyRejected`, `BatchTooLarge`, `MalformedEvent` and
        `ProtocolError` at once.
        """

        def attempt() -> SyncAnswer:
            batch = [msgspec.Raw(event) for event in events]
            data = self.execute(SYNC_MUTATION, input={"sentAt": clock(), "epoch": epoch, "events": batch})
            return _sync_answer(data["posSync"], len(events))

        return self._retrying(attempt)

    def pull(self, cursor: str | None, *, first: int) -> PullPage:
        """Return the next page of posPull. Errors: those of `sync`."""

        def attempt() -> PullPage:
            return _convert(PullPage, self.execute(PULL_QUERY, cursor=cursor, first=first)["posPull"])

        return self._retrying(attempt)

    def execute(self, document: str, **variables: object) -> dict[str, Any]:
        """Execute an operation in one attempt, and return its data. Errors: those of `sync`."""
        body = msgspec.json.encode({"query": document, "variables": variables})
        try:
            response = self._http.post(self.url, content=body, headers={"content-type": "application/json"})
        except httpx.TransportError as error:
            raise HubUnavailable(f"The hub at {self.url} does not answer ({type(error).__name__}).") from error
        except httpx.InvalidURL as error:
            raise ProtocolError(f"{self.url} is not a valid address of a hub: {error}.") from error
        return _data_of(response)

    def close(self) -> None:
        self._http.close()


def _pause_s(state: tenacity.RetryCallState) -> float:
    """Return the pause before the next attempt: growing, random, and at least what `Retry-After` asks for.

    It is random so that many tills do not return at the same moment.
    """
    error = state.outcome.exception() if state.outcome else None
    retry_after_s = error.retry_after_s if isinstance(error, HubUnavailable) else 0
    random_s = tenacity.wait_random_exponential(multiplier=PAUSE_MIN_S, max=PAUSE_MAX_S)(state)
    return max(random_s, min(retry_after_s, RETRY_AFTER_MAX_S))


def _data_of(response: httpx.Response) -> dict[str, Any]:
    """Return the data of a successful response. Errors: those of `HubClient.sync`."""
    if response.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE:
        raise BatchTooLarge("The request has more bytes than the hub accepts.")
    if response.status_code in RETRYABLE_STATUSES:
        message = f"The hub cannot answer now (HTTP {response.status_code})."
        raise HubUnavailable(message, retry_after_s=_retry_after_s(response))
    if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise KeyRejected(f"The hub rejects this till's key (HTTP {response.status_code}).")
    try:
        body = msgspec.json.decode(response.content, type=GraphQLResponse)
    except msgspec.MsgspecError:
        message = f"The answer is not from a hub (HTTP {response.status_code}): {response.text[:200]}"
        raise (HubUnavailable(message) if response.is_success else ProtocolError(message)) from None
    if body.errors:
        _raise_top_level(body.errors[0])
    if not body.data:
        raise ProtocolError(f"The hub's answer has no data (HTTP {response.status_code}).")
    return body.data


def _raise_top_level(error: dict[str, Any]) -> NoReturn:
    """Raise the till's error for a top-level GraphQL error."""
    message = str(error.get("message", ""))
    code = str((error.get("extensions") or {}).get("code", ""))
    if code in KEY_REJECTED_CODES:
        raise KeyRejected(f"The hub rejects this till's key: {message}")
    if code in RETRYABLE_CODES:
        raise HubUnavailable(message)
    if found := EVENT_INDEX_PATTERN.search(message):
        raise MalformedEvent(int(found[1]), message)
    raise ProtocolError(f"The hub rejects the request: {message}")


def _retry_after_s(response: httpx.Response) -> float:
    value = response.headers.get("retry-after", "")
    return float(value) if value.isdigit() else 0


def _sync_answer(payload: Any, sent: int) -> SyncAnswer:
    answer = _convert(SyncAnswer, payload)
    if any(error.code == "LIMIT_EXCEEDED" for error in answer.errors):
        raise BatchTooLarge(answer.errors[0].message)
    if answer.errors:
        raise ProtocolError(f"The hub rejects the batch: {answer.errors[0]}")
    if len(answer.results) != sent:
        raise ProtocolError(f"The hub's answer has {len(answer.results)} results for {sent} events.")
    return answer


def _convert(kind: type[T], payload: Any) -> T:
    try:
        return msgspec.convert(payload, kind)
    except msgspec.ValidationError as error:
        raise ProtocolError(f"The hub's answer does not follow the protocol: {error}.") from error
