"""Reads of products and variants, batched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import CompoundSelect, select, union

from uriba.catalog.models import Product, Variant
from uriba.core.errors import LimitExceeded
from uriba.db import Row, Session

PRODUCT = "p.id, p.handle, p.name, p.description, p.brand, p.category"
VARIANT = "v.id, v.product_id, v.sku, v.barcode, v.name, v.tax_class, v.discontinued"

SEARCH_SIZE_MAX = 100
SEARCH_WORDS_MAX = 8


async def products_by_id(session: Session, ids: Sequence[int]) -> dict[int, Row]:
    rows = await session.fetch(f"SELECT {PRODUCT} FROM product p WHERE p.id = ANY($1)", ids)
    return {row["id"]: row for row in rows}


async def product_by_handle(session: Session, handle: str) -> Row | None:
    return await session.fetchrow(f"SELECT {PRODUCT} FROM product p WHERE p.handle = $1", handle)


async def variants_by_id(session: Session, ids: Sequence[int]) -> dict[int, Row]:
    rows = await session.fetch(f"SELECT {VARIANT} FROM variant v WHERE v.id = ANY($1)", ids)
    return {row["id"]: row for row in rows}


async def variants_by_product(session: Session, product_ids: Sequence[int]) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = {product_id: [] for product_id in product_ids}
    rows = await session.fetch(
        f"SELECT {VARIANT} FROM variant v WHERE v.product_id = ANY($1) ORDER BY v.product_id, v.id",
        product_ids,
    )
    for row in rows:
        found[row["product_id"]].append(row)
    return found


async def variant_by_sku(session: Session, sku: str) -> Row | None:
    return await session.fetchrow(f"SELECT {VARIANT} FROM variant v WHERE v.sku = $1", sku)


async def variant_by_barcode(session: Session, barcode: str) -> Row | None:
    return await session.fetchrow(f"SELECT {VARIANT} FROM variant v WHERE v.barcode = $1", barcode)


async def ids_by_sku(session: Session, skus: Sequence[str]) -> dict[str, int]:
    rows = await session.fetch("SELECT sku, id FROM variant WHERE sku = ANY($1)", skus)
    return {row["sku"]: row["id"] for row in rows}


async def sold_at(session: Session, names: Sequence[str], *, location_id: int) -> dict[str, Row]:
    """Variants by the SKU or barcode that a till has of them, and whether the location has a level of each."""
    sql = (
        "SELECT v.id, v.sku, v.barcode, v.name, v.tax_class, EXISTS (SELECT FROM stock_level l "
        "WHERE (l.variant_id, l.location_id) = (v.id, $2)) AS stocked FROM variant v WHERE v.{0} = ANY($1)"
    )
    found = {row["sku"]: row for row in await session.fetch(sql.format("sku"), names, location_id)}
    if others := [name for name in names if name not in found]:
        found |= {row["barcode"]: row for row in await session.fetch(sql.format("barcode"), others, location_id)}
    return found


async def products(
    session: Session, *, search: str | None, category: str | None, first: int, after: int | None
) -> Sequence[Mapping[str, Any]]:
    """Products by age, one more than asked for. `search`: every word is in name, brand, category, or a SKU or barcode.

    Errors: `LimitExceeded` for a search above 100 characters.
    """
    if not search and not category:
        return await session.fetch(
            f"SELECT {PRODUCT} FROM product p WHERE p.id > $1 ORDER BY p.id LIMIT $2", after or 0, first + 1
        )
    statement = (
        select(Product.id, Product.handle, Product.name, Product.description, Product.brand, Product.category)
        .where(Product.id > (after or 0))
        .order_by(Product.id)
        .limit(first + 1)
    )
    if category:
        statement = statement.where(Product.category == category)
    for word in _words(search or ""):
        statement = statement.where(Product.id.in_(_found_by(word)))
    return await session.select(statement)


def _found_by(word: str) -> CompoundSelect[tuple[int]]:
    """Each of the ways has an index of its own; with an OR between them none would be used."""
    return union(
        select(Product.id).where(Product.words.contains(word.lower(), autoescape=True)),
        select(Variant.product_id).where(Variant.sku == word),
        select(Variant.product_id).where(Variant.barcode == word),
    )


def _words(search: str) -> list[str]:
    if len(search) > SEARCH_SIZE_MAX:
        raise LimitExceeded(f"A search has at most {SEARCH_SIZE_MAX} characters.", "search")
    return search.split()[:SEARCH_WORDS_MAX]
