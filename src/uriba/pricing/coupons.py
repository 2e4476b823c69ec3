"""Coupons: codes that ask for a promotion, with limits in total and for each customer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar
from unicodedata import normalize
from uuid import UUID

import msgspec

from uriba.core import text
from uriba.core.errors import Code, DomainError, Invalid, NotFound, Refusals
from uriba.core.quantities import check_rows
from uriba.db import Row, Session
from uriba.db.statements import statement

_TYPED_MAX = 4 * text.CODE_SIZE_MAX
"""Longer input cannot be a code and is cut before it is normalized."""

LIMIT_MAX = 1_000_000_000
"""The largest usage limit of a coupon."""


class CouponInvalid(DomainError):
    """The coupon does not exist, or cannot be used now. The answer is the same, so that guessing reveals nothing."""

    code: ClassVar[Code] = Code.COUPON_INVALID


class CouponUsedUp(DomainError):
    """The coupon's limit has been reached by other orders."""

    code: ClassVar[Code] = Code.COUPON_USED_UP


@dataclass(frozen=True, slots=True)
class CouponInput:
    """A coupon to create or change. A limit of None: no limit."""

    code: str
    promotion: str
    usage_limit: int | None = None
    per_customer_limit: int | None = None
    active: bool = True


def canonical(code: str) -> str:
    """Return a code as it is stored: NFKC-normalized, in upper case, trimmed."""
    return normalize("NFKC", code[:_TYPED_MAX]).upper().strip()


async def upsert(session: Session, rows: Sequence[CouponInput]) -> int:
    """Create or change coupons by code, all or none. Their redemptions stay.

    Errors: `NotFound` for promotions, `Invalid` (a promotion that needs no coupon, another one's coupon, a limit below
    what was used), `LimitExceeded` above 1,000 rows.
    """
    check_rows(len(rows), "coupons")
    refusals = Refusals()
    known = await _promotions(session, rows)
    seen: set[str] = set()
    parsed = [_parse(row, index, known, seen, refusals) for index, row in enumerate(rows)]
    refusals.raise_any()
    written = {row["code"] for row in await session.fetch(_UPSERT, coupons=msgspec.json.encode(parsed).decode())}
    for index, row in enumerate(parsed):
        if row["code"] not in written:
            sentence = "This coupon belongs to another promotion, or has been used more often than the new limit."
            refusals.add(Code.INVALID, sentence, "coupons", index)
    refusals.raise_any()
    return len(rows)


async def _promotions(session: Session, rows: Sequence[CouponInput]) -> dict[str, Row]:
    codes = list({row.promotion for row in rows if not text.has_control(row.promotion)})
    return {row["code"]: row for row in await session.fetch(_PROMOTIONS, codes=codes)}


_PROMOTIONS = statement("SELECT id, code, needs_coupon FROM promotion WHERE code = ANY(:codes)")


def _parse(
    row: CouponInput, index: int, known: dict[str, Row], seen: set[str], refusals: Refusals
) -> dict[str, object]:
    at = ("coupons", index)
    try:
        code = text.code(canonical(row.code), *at, "code")
        if code in seen:
            raise Invalid("This coupon appears twice in one call.", *at, "code")
        seen.add(code)
        promotion = known.get(row.promotion)
        if promotion is None:
            raise NotFound("There is no such promotion.", *at, "promotion")
        if not promotion["needs_coupon"]:
            raise Invalid("This promotion needs no coupon.", *at, "promotion")
        return {
            "code": code,
            "promotion_id": promotion["id"],
            "usage_limit": _limit(row.usage_limit, *at, "usageLimit"),
            "per_customer_limit": _limit(row.per_customer_limit, *at, "perCustomerLimit"),
            "active": row.active,
        }
    except DomainError as error:
        refusals.caught(error)
        return {}


def _limit(value: int | None, *path: str | int) -> int | None:
    if value is not None and not 1 <= value <= LIMIT_MAX:
        raise Invalid(f"A limit is from 1 to {LIMIT_MAX:,}.", *path)
    return value


_UPSERT = statement("""
    INSERT INTO coupon AS u (code, promotion_id, usage_limit, per_customer_limit, active)
    SELECT code, promotion_id, usage_limit, per_customer_limit, active FROM json_to_recordset(:coupons::json)
        AS r(code text, promotion_id bigint, usage_limit bigint, per_customer_limit bigint, active boolean)
    ORDER BY code
    ON CONFLICT (code) DO UPDATE SET usage_limit = excluded.usage_limit,
        per_customer_limit = excluded.per_customer_limit, active = excluded.active
    WHERE u.promotion_id = excluded.promotion_id AND u.used <= coalesce(excluded.usage_limit, u.used)
    RETURNING u.code
""")


async def find_usable(session: Session, code: str, *, customer_id: UUID | None) -> int:
    """Return the id of a coupon that this customer can use now. The content of the cart is not checked.

    Errors: `CouponInvalid`.
    """
    coupon_id: int | None = await session.fetchval(_USABLE, code=canonical(code), customer_id=customer_id)
    if coupon_id is None:
        raise CouponInvalid("This coupon cannot be used.", "code")
    return coupon_id


_USABLE = statement("""
    SELECT u.id FROM coupon u JOIN promotion m ON m.id = u.promotion_id
    WHERE u.code = :code AND u.active AND m.active AND (m.valid_from IS NULL OR m.valid_from <= now())
        AND (m.valid_to IS NULL OR m.valid_to > now()) AND (u.usage_limit IS NULL OR u.used < u.usage_limit)
        AND (u.per_customer_limit IS NULL OR :customer_id::uuid IS NULL OR u.per_customer_limit > (
            SELECT count(*) FROM coupon_redemption r
            WHERE r.coupon_id = u.id AND r.customer_id = :customer_id AND r.reversed_at IS NULL))
""")


async def of_promotion(session: Session, promotion_id: int, *, first: int, after: int | None) -> list[Row]:
    """Return a promotion's coupons by age, at most one more than `first`."""
    return await session.fetch(_OF_PROMOTION, promotion_id=promotion_id, after=after or 0, limit=first + 1)


_OF_PROMOTION = statement("""
    SELECT id, code, usage_limit, per_customer_limit, used, active FROM coupon
    WHERE promotion_id = :promotion_id AND id > :after ORDER BY id LIMIT :limit
""")
