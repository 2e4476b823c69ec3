"""Reads of products and variants, batched."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from uriba.core.errors import LimitExceeded
from uriba.db import Row, Session
from uriba.db.statements import dynamic_statement, fragment, statement

PRODUCT = fragment("p.id, p.handle, p.name, p.description, p.brand, p.category")
VARIANT = fragment("v.id, v.product_id, v.sku, v.barcode, v.name, v.tax_class, v.discontinued")

COUNT_VARIANT_EVENTS = fragment("""
    locked_variant AS (
        SELECT id FROM variant WHERE id IN ({ids}) ORDER BY sku FOR NO KEY UPDATE
    ), counted AS (
        UPDATE variant v SET events = v.events + 1 FROM locked_variant l WHERE v.id = l.id
        RETURNING v.id, v.sku, v.events
    )
""")
"""CTEs that count one more event of variants; `counted` has their id, sku and events."""

VARIANTS_BY_CODE = fragment(
    "SELECT v.id, v.sku, v.barcode, v.name, v.tax_class FROM variant v WHERE v.{column} = ANY({codes})"
)
"""A subquery, for statements of other domains that read variants by SKU or barcode."""

VARIANT_ID_OF_SKU = fragment("SELECT v.id FROM variant v WHERE v.sku = {sku}")
"""A scalar subquery, for statements of other domains that get SKUs."""

SKU_OF_VARIANT = fragment("SELECT v.sku FROM variant v WHERE v.id = {variant}")
"""A scalar subquery, for statements of other domains that return SKUs."""

SEARCH_SIZE_MAX = 100
SEARCH_WORDS_MAX = 8


async def products_by_id(session: Session, ids: Sequence[int]) -> dict[int, Row]:
    """Return products by id."""
    return {row["id"]: row for row in await session.fetch(_PRODUCTS_BY_ID, ids=ids)}


_PRODUCTS_BY_ID = statement(f"SELECT {PRODUCT} FROM product p WHERE p.id = ANY(:ids)")


async def product_by_handle(session: Session, handle: str) -> Row | None:
    """Return a product by its handle."""
    return await session.fetchrow(_PRODUCT_BY_HANDLE, handle=handle)


_PRODUCT_BY_HANDLE = statement(f"SELECT {PRODUCT} FROM product p WHERE p.handle = :handle")


async def variants_by_id(session: Session, ids: Sequence[int]) -> dict[int, Row]:
    """Return variants by id."""
    return {row["id"]: row for row in await session.fetch(_VARIANTS_BY_ID, ids=ids)}


_VARIANTS_BY_ID = statement(f"SELECT {VARIANT} FROM variant v WHERE v.id = ANY(:ids)")


async def variants_by_product(session: Session, product_ids: Sequence[int]) -> dict[int, list[Row]]:
    """Return the variants of products, by product."""
    by_product: dict[int, list[Row]] = {product_id: [] for product_id in product_ids}
    for row in await session.fetch(_VARIANTS_BY_PRODUCT, product_ids=product_ids):
        by_product[row["product_id"]].append(row)
    return by_product


_VARIANTS_BY_PRODUCT = statement(f"""
    SELECT {VARIANT} FROM variant v WHERE v.product_id = ANY(:product_ids) ORDER BY v.product_id, v.id
""")


async def variant_by_sku(session: Session, sku: str) -> Row | None:
    """Return a variant by its SKU."""
    return await session.fetchrow(_VARIANT_BY_SKU, sku=sku)


_VARIANT_BY_SKU = statement(f"SELECT {VARIANT} FROM variant v WHERE v.sku = :sku")


async def variant_by_barcode(session: Session, barcode: str) -> Row | None:
    """Return a variant by its barcode."""
    return await session.fetchrow(_VARIANT_BY_BARCODE, barcode=barcode)


_VARIANT_BY_BARCODE = statement(f"SELECT {VARIANT} FROM variant v WHERE v.barcode = :barcode")


async def ids_by_sku(session: Session, skus: Sequence[str]) -> dict[str, int]:
    """Return the ids of variants by SKU; unknown SKUs are left out."""
    return {row["sku"]: row["id"] for row in await session.fetch(_IDS_BY_SKU, skus=skus)}


_IDS_BY_SKU = statement("SELECT sku, id FROM variant WHERE sku = ANY(:skus)")


async def variant_ids_after(session: Session, after: int, *, limit: int) -> list[int]:
    """Return the ids of variants in their order, from the first one after an id."""
    return [row["id"] for row in await session.fetch(_VARIANT_IDS_AFTER, after=after, limit=limit)]


_VARIANT_IDS_AFTER = statement("SELECT id FROM variant WHERE id > :after ORDER BY id LIMIT :limit")


async def products(
    session: Session, *, search: str | None, category: str | None, first: int, after: int | None
) -> Sequence[Mapping[str, Any]]:
    """Return products by age, at most one more than `first`.

    `search`: each word is part of the name, brand or category, or is a SKU or barcode.

    Errors: `LimitExceeded` for a search above 100 characters.
    """
    if not search and not category:
        return await session.fetch(_PRODUCTS, after=after or 0, limit=first + 1)
    conditions, params = ["p.id > :after"], dict[str, object](after=after or 0, limit=first + 1)
    if category:
        conditions.append("p.category = :category")
        params["category"] = category
    for number, word in enumerate(_words(search or "")):
        conditions.append(_HAS_WORD.format(word=f":word_{number}", pattern=f":pattern_{number}"))
        params |= {f"word_{number}": word, f"pattern_{number}": _contains(word.lower())}
    return await session.fetch(dynamic_statement(_SEARCH.format(conditions=" AND ".join(conditions))), **params)


_PRODUCTS = statement(f"SELECT {PRODUCT} FROM product p WHERE p.id > :after ORDER BY p.id LIMIT :limit")


_SEARCH = fragment(f"SELECT {PRODUCT} FROM product p WHERE {{conditions}} ORDER BY p.id LIMIT :limit")

_HAS_WORD = fragment("""
    p.id IN (
        SELECT id FROM product WHERE words LIKE {pattern}
        UNION SELECT product_id FROM variant WHERE sku = {word}
        UNION SELECT product_id FROM variant WHERE barcode = {word}
    )
""")
"""A union, because each condition has an index of its own and OR would use none of them."""


def _contains(text: str) -> str:
    """Return the LIKE pattern of texts that contain this one, in which no character has a special meaning."""
    return "%" + re.sub(r"([\\%_])", r"\\\1", text) + "%"


def _words(search: str) -> list[str]:
    if len(search) > SEARCH_SIZE_MAX:
        raise LimitExceeded(f"A search has at most {SEARCH_SIZE_MAX} characters.", "search")
    return search.split()[:SEARCH_WORDS_MAX]
