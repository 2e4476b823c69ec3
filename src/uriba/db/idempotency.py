"""The same call again gives the first answer again, and does nothing twice.

The row (caller, operation, key) is written in the transaction of the effect: either both stand or neither. A second
call with the same key waits for the first one's commit on the primary key. Refusals roll back and leave no row: a
refused call has changed nothing, so its key is free.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec
from sqlalchemy import Index, LargeBinary, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from uriba.core.errors import IdempotencyKeyReused
from uriba.core.text import text
from uriba.db.base import Base
from uriba.db.session import Session

KEY_SIZE_MAX = 255


class IdempotencyKey(Base):
    """A key that was used, the digest of what came with it, and the answer (ids, never personal data)."""

    __tablename__ = "idempotency_key"
    __table_args__ = (Index(None, "created_at"),)

    caller: Mapped[str] = mapped_column(primary_key=True)
    operation: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    answer: Mapped[Any] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


@dataclass(frozen=True, slots=True)
class Claim:
    """What a call wants to be known by. `key` None: the caller asked for no such promise."""

    caller: str
    operation: str
    key: str | None
    digest: bytes

    @classmethod
    def of(cls, *, caller: str, operation: str, key: str | None, content: object) -> Claim:
        """Errors: `Invalid` for a key that is empty, over 255 characters or holds control characters."""
        if key is not None:
            key = text(key, "idempotencyKey", size_max=KEY_SIZE_MAX)
        return cls(caller, operation, key, sha256(msgspec.json.encode(content, order="deterministic")).digest())


NO_CLAIM = Claim("", "", None, b"")
"""Of a call whose caller asked for no such promise."""

CLAIM = """
    INSERT INTO idempotency_key (caller, operation, key, digest, answer)
    SELECT $1, $2, $3, $4, $5::jsonb WHERE $3::text IS NOT NULL
    ON CONFLICT DO NOTHING RETURNING true
"""
"""As a CTE of a hot statement: its first five parameters are `arguments(claim, answer)`."""


def arguments(claim: Claim, answer: object) -> tuple[object, ...]:
    return (claim.caller, claim.operation, claim.key, claim.digest, msgspec.json.encode(answer).decode())


async def begin(session: Session, claim: Claim, *, answer: object) -> Any | None:
    """Claim the key for this answer; the earlier answer where the call was made before.

    Errors: `IdempotencyKeyReused`.
    """
    if claim.key is None or await session.fetchval(CLAIM, *arguments(claim, answer)):
        return None
    return await earlier(session, claim)


async def earlier(session: Session, claim: Claim) -> Any | None:
    """The answer that this very call got before; None where there was no such call."""
    if claim.key is None:
        return None
    row = await session.fetchrow(
        "SELECT digest, answer FROM idempotency_key WHERE (caller, operation, key) = ($1, $2, $3)",
        claim.caller,
        claim.operation,
        claim.key,
    )
    if row is None:
        return None
    if row["digest"] != claim.digest:
        raise IdempotencyKeyReused("This idempotencyKey was used with another input.", "idempotencyKey")
    return row["answer"]


async def forget(session: Session, *, older_than_s: int) -> int:
    """Drop answers whose term has ended."""
    rows = await session.fetch(
        "DELETE FROM idempotency_key WHERE created_at < now() - make_interval(secs => $1) RETURNING 1",
        older_than_s,
    )
    return len(rows)


__all__ = ["CLAIM", "NO_CLAIM", "Claim", "IdempotencyKey", "arguments", "begin", "earlier", "forget"]
