"""HTTP responses of the load generator: separated by content-length, and searched as bytes without parsing JSON."""

from __future__ import annotations

CONTENT_LENGTH = b"content-length: "
ERRORS = b'"errors":[{'


class ResponseError(Exception):
    """A response with GraphQL errors, or with an HTTP status other than 200."""


class ResponseReader:
    """Separates the bytes of one connection into responses."""

    __slots__ = ("_body_start", "_end", "_received")

    def __init__(self) -> None:
        self._received = b""
        self._body_start = self._end = 0

    def feed(self, received: bytes) -> tuple[bytes, bytes] | None:
        """Return status and body if the response is complete. A connection has one request at a time."""
        self._received = buffer = self._received + received if self._received else received
        if not self._end and not self._find_end(buffer):
            return None
        if len(buffer) < self._end:
            return None
        response = buffer[9:12], buffer[self._body_start : self._end]
        self._received, self._end = b"", 0
        return response

    def _find_end(self, buffer: bytes) -> bool:
        head_end = buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return False
        at = buffer.index(CONTENT_LENGTH, 0, head_end) + len(CONTENT_LENGTH)
        self._body_start = head_end + 4
        self._end = self._body_start + int(buffer[at : buffer.index(b"\r\n", at)])
        return True


def without_errors(body: bytes) -> bytes:
    """Return the body. Errors: `ResponseError` if it has errors, at the top level or in a payload."""
    if ERRORS in body:
        raise ResponseError(body)
    return body


def text_between(body: bytes, before: bytes, after: bytes = b'"') -> str:
    """Return the text between two marks."""
    at = body.index(before) + len(before)
    return body[at : body.index(after, at)].decode()


def cart_id_of(body: bytes) -> str:
    return text_between(body, b'"cart":{"id":"')


def total_of(body: bytes) -> str:
    return text_between(body, b'"total":{"amount":"')
