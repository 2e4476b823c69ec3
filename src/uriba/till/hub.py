"""The line to the hub: one request at a time, tried again where that can help, never taken for more than it said."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NoReturn, TypeVar

import httpx
import msgspec
import tenacity

from uriba.till.errors import EventMalformed, KeyRefused, NotUnderstood, TooLarge, Unreachable
from uriba.till.events import PULL, SYNC, Pulled, Synced

T = TypeVar("T")

ANSWER_S = 30
"""How long an answer may take. After that the batch is sent again: the hub takes an event once."""

TRIES_MAX = 6
PAUSE_MIN_S = 0.5
PAUSE_MAX_S = 30.0
PAUSE_ASKED_MAX_S = 300.0
KEY_REFUSED = {"UNAUTHENTICATED", "FORBIDDEN"}
FAULTS = {"INTERNAL", "UNAVAILABLE", "TIMEOUT"}
BUSY = {408, 425, 429, 500, 502, 503, 504}
EVENT = re.compile(r"\bevents[.\[](\d+)")


class Answer(msgspec.Struct):
    """The body of a GraphQL answer."""

    data: dict[str, Any] | None = None
    errors: list[dict[str, Any]] = []


class Hub:
    """A hub as one terminal sees it."""

    def __init__(
        self, url: str, key: str, *, tries_max: int = TRIES_MAX, transport: httpx.BaseTransport | None = None
    ) -> None:
        self.url = url if url.rstrip("/").endswith("/graphql") else f"{url.rstrip('/')}/graphql"
        headers = {"authorization": f"Bearer {key}"}
        self._http = httpx.Client(headers=headers, timeout=ANSWER_S, transport=transport)
        self._again = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Unreachable),
            stop=tenacity.stop_after_attempt(tries_max),
            wait=_pause,
            reraise=True,
        )

    def sync(self, events: Sequence[bytes], *, epoch: int, clock: Callable[[], datetime]) -> Synced:
        """Send a batch of encoded events. `clock` is the till's; it is asked anew for each attempt.

        Errors: `Unreachable` after all attempts; `KeyRefused`, `TooLarge`, `EventMalformed`, `NotUnderstood` at once.
        """

        def attempt() -> Synced:
            batch = [msgspec.Raw(event) for event in events]
            answer = self.ask(SYNC, input={"sentAt": clock(), "epoch": epoch, "events": batch})
            return _synced(answer["posSync"], len(events))

        return self._again(attempt)

    def pull(self, cursor: str | None, *, first: int) -> Pulled:
        """The next page of what the till has to know. Errors: as `sync`."""

        def attempt() -> Pulled:
            return _as(Pulled, self.ask(PULL, cursor=cursor, first=first)["posPull"])

        return self._again(attempt)

    def ask(self, document: str, **variables: object) -> dict[str, Any]:
        """One attempt of any operation; its data. Errors: as `sync`."""
        body = msgspec.json.encode({"query": document, "variables": variables})
        try:
            response = self._http.post(self.url, content=body, headers={"content-type": "application/json"})
        except httpx.TransportError as error:
            raise Unreachable(f"{self.url} does not answer ({type(error).__name__}).") from error
        except httpx.InvalidURL as error:
            raise NotUnderstood(f"{self.url} is no address of a hub: {error}.") from error
        return _data(response)

    def close(self) -> None:
        self._http.close()


def _pause(state: tenacity.RetryCallState) -> float:
    """Longer each time, at random so that a town of tills does not come back at once; at least what the hub asks."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.pause_s if isinstance(error, Unreachable) else 0
    drawn = tenacity.wait_random_exponential(multiplier=PAUSE_MIN_S, max=PAUSE_MAX_S)(state)
    return max(drawn, min(asked, PAUSE_ASKED_MAX_S))


def _data(response: httpx.Response) -> dict[str, Any]:
    """The data of an answer that is one."""
    if response.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE:
        raise TooLarge("The request has more bytes than the hub takes.")
    if response.status_code in BUSY:
        raise Unreachable(f"The hub cannot answer now (HTTP {response.status_code}).", pause_s=_asked_pause(response))
    if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise KeyRefused(f"The hub refuses this till's key (HTTP {response.status_code}).")
    try:
        answer = msgspec.json.decode(response.content, type=Answer)
    except msgspec.MsgspecError:
        sentence = f"This is no hub's answer (HTTP {response.status_code}): {response.text[:200]}"
        raise (Unreachable(sentence) if response.is_success else NotUnderstood(sentence)) from None
    if answer.errors:
        _refuse(answer.errors[0])
    if not answer.data:
        raise NotUnderstood(f"The hub answered without data (HTTP {response.status_code}).")
    return answer.data


def _refuse(error: dict[str, Any]) -> NoReturn:
    """What an error at the top of an answer means for a till."""
    message = str(error.get("message", ""))
    code = str((error.get("extensions") or {}).get("code", ""))
    if code in KEY_REFUSED:
        raise KeyRefused(f"The hub refuses this till's key: {message}")
    if code in FAULTS:
        raise Unreachable(message)
    if found := EVENT.search(message):
        raise EventMalformed(int(found[1]), message)
    raise NotUnderstood(f"The hub refuses the request: {message}")


def _asked_pause(response: httpx.Response) -> float:
    said = response.headers.get("retry-after", "")
    return float(said) if said.isdigit() else 0


def _synced(payload: Any, sent: int) -> Synced:
    answer = _as(Synced, payload)
    if any(problem.code == "LIMIT_EXCEEDED" for problem in answer.errors):
        raise TooLarge(answer.errors[0].message)
    if answer.errors:
        raise NotUnderstood(f"The hub refuses the batch: {answer.errors[0]}")
    if len(answer.results) != sent:
        raise NotUnderstood(f"The hub answered with {len(answer.results)} results for {sent} events.")
    return answer


def _as(kind: type[T], payload: Any) -> T:
    try:
        return msgspec.convert(payload, kind)
    except msgspec.ValidationError as error:
        raise NotUnderstood(f"The hub's answer is not what the protocol says: {error}.") from error
