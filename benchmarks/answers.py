"""Answers: cut from the wire by length, and looked at as bytes."""

from __future__ import annotations

LENGTH = b"content-length: "
ERRORS = b'"errors":[{'


class Refused(Exception):
    """An answer with errors, or none that HTTP calls good."""


class Reader:
    """Cuts one connection's bytes into answers."""

    __slots__ = ("_bytes", "_head", "_size")

    def __init__(self) -> None:
        self._bytes = b""
        self._head = self._size = 0

    def feed(self, some: bytes) -> tuple[bytes, bytes] | None:
        """Status and body of the answer, once it is whole; a server never sends more than it was asked for."""
        self._bytes = found = self._bytes + some if self._bytes else some
        if not self._size and not self._measure(found):
            return None
        if len(found) < self._size:
            return None
        answer = found[9:12], found[self._head : self._size]
        self._bytes, self._size = b"", 0
        return answer

    def _measure(self, found: bytes) -> bool:
        end = found.find(b"\r\n\r\n")
        if end < 0:
            return False
        at = found.index(LENGTH, 0, end) + len(LENGTH)
        self._head = end + 4
        self._size = self._head + int(found[at : found.index(b"\r\n", at)])
        return True


def fine(answer: bytes) -> bytes:
    """The answer, if it has no errors: neither of the whole nor of a payload."""
    if ERRORS in answer:
        raise Refused(answer)
    return answer


def between(answer: bytes, before: bytes, after: bytes = b'"') -> str:
    """What stands between two marks."""
    at = answer.index(before) + len(before)
    return answer[at : answer.index(after, at)].decode()


def cart_id(answer: bytes) -> str:
    return between(answer, b'"cart":{"id":"')


def total(answer: bytes) -> str:
    return between(answer, b'"total":{"amount":"')
