"""Products and their variants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from uriba.catalog.events import ProductChanged, variant_subject
from uriba.core import text
from uriba.core.errors import Code, DomainError, Refusals
from uriba.core.quantities import ROWS_MAX, check_rows
from uriba.db import Session
from uriba.db.statements import statement
from uriba.outbox import emit


@dataclass(frozen=True, slots=True)
class VariantRow:
    """A variant to create or change."""

    sku: str
    name: str
    barcode: str | None = None
    tax_class: str = "standard"
    discontinued: bool = False


@dataclass(frozen=True, slots=True)
class ProductRow:
    """A product to create or change. Variants that are not listed stay as they are."""

    handle: str
    name: str
    variants: Sequence[VariantRow]
    description: str | None = None
    brand: str | None = None
    category: str | None = None


async def upsert(session: Session, rows: Sequence[ProductRow]) -> int:
    """Create or change products by handle and variants by SKU, all or none. Unchanged rows emit no event.

    A changed product emits an event for each of its variants.

    Errors: `Invalid` (also for a SKU or barcode that appears twice), `LimitExceeded` above 1,000 products or variants.
    """
    check_rows(len(rows), "products")
    refusals = Refusals()
    seen: set[tuple[str, str]] = set()
    products = [_parse(row, index, seen, refusals) for index, row in enumerate(rows)]
    variants = [
        _parse_variant(row.handle.strip(), variant, ("products", index, "variants", n), seen, refusals)
        for index, row in enumerate(rows)
        for n, variant in enumerate(row.variants)
    ]
    check_rows(len(variants), "products", rows_max=ROWS_MAX)
    refusals.raise_any()
    # Serialized, so that a call sees the barcodes that another one has taken.
    await session.run(_LOCK)
    await _refuse_taken_barcodes(session, rows)
    rows_changed = await session.fetch(_UPSERT_PRODUCTS, products=msgspec.json.encode(products).decode())
    changed = [row["id"] for row in rows_changed]
    await session.run(_LOCK_VARIANTS, skus=[variant["sku"] for variant in variants], product_ids=changed)
    written = await session.fetch(
        _UPSERT_VARIANTS, variants=msgspec.json.encode(variants).decode(), product_ids=changed
    )
    emit(
        session,
        *(
            ProductChanged(variant_subject(r["id"]), r["events"], {"sku": r["sku"], "discontinued": r["discontinued"]})
            for r in written
        ),
    )
    return len(rows)


_LOCK = statement("SELECT pg_advisory_xact_lock(hashtext('uriba.products'))")


def _parse(row: ProductRow, index: int, seen: set[tuple[str, str]], refusals: Refusals) -> dict[str, object]:
    at = ("products", index)
    try:
        handle = text.code(row.handle, *at, "handle")
        _refuse_duplicate("handle", handle, seen, refusals, *at, "handle")
        return {
            "handle": handle,
            "name": text.text(row.name, *at, "name"),
            "description": text.optional_text(row.description, *at, "description", size_max=text.LONG_TEXT_SIZE_MAX),
            "brand": text.optional_text(row.brand, *at, "brand"),
            "category": text.optional_text(row.category, *at, "category"),
        }
    except DomainError as error:
        refusals.caught(error)
        return {}


def _parse_variant(
    handle: str, row: VariantRow, at: tuple[str | int, ...], seen: set[tuple[str, str]], refusals: Refusals
) -> dict[str, object]:
    try:
        sku = text.code(row.sku, *at, "sku")
        _refuse_duplicate("sku", sku, seen, refusals, *at, "sku")
        barcode = text.code(row.barcode, *at, "barcode") if row.barcode else None
        if barcode:
            _refuse_duplicate("barcode", barcode, seen, refusals, *at, "barcode")
        return {
            "handle": handle,
            "n": at[-1],
            "sku": sku,
            "barcode": barcode,
            "name": text.text(row.name, *at, "name"),
            "tax_class": text.code(row.tax_class, *at, "taxClass"),
            "discontinued": row.discontinued,
        }
    except DomainError as error:
        refusals.caught(error)
        return {}


def _refuse_duplicate(what: str, key: str, seen: set[tuple[str, str]], refusals: Refusals, *path: str | int) -> None:
    if (what, key) in seen:
        refusals.add(Code.INVALID, f"This {what} appears twice in one call.", *path)
    seen.add((what, key))


async def _refuse_taken_barcodes(session: Session, rows: Sequence[ProductRow]) -> None:
    places = {
        variant.barcode.strip(): (variant.sku.strip(), "products", index, "variants", n, "barcode")
        for index, row in enumerate(rows)
        for n, variant in enumerate(row.variants)
        if variant.barcode
    }
    refusals = Refusals()
    named = [variant.sku.strip() for row in rows for variant in row.variants]
    for row in await session.fetch(_TAKEN_BARCODES, barcodes=list(places), skus=named):
        refusals.add(Code.INVALID, f"This barcode belongs to SKU {row['sku']}.", *places[row["barcode"]][1:])
    refusals.raise_any()


_TAKEN_BARCODES = statement("""
    SELECT sku, barcode FROM variant WHERE barcode = ANY(:barcodes) AND NOT sku = ANY(:skus)
""")

_UPSERT_PRODUCTS = statement("""
    INSERT INTO product AS p (handle, name, description, brand, category)
    SELECT handle, name, description, brand, category
    FROM json_to_recordset(:products::json) AS r(handle text, name text, description text, brand text, category text)
    ON CONFLICT (handle) DO UPDATE SET name = excluded.name, description = excluded.description,
        brand = excluded.brand, category = excluded.category
    WHERE (p.name, p.description, p.brand, p.category)
        IS DISTINCT FROM (excluded.name, excluded.description, excluded.brand, excluded.category)
    RETURNING id
""")

# By SKU, the order in which changes of prices lock variants too.
_LOCK_VARIANTS = statement("""
    SELECT FROM variant WHERE sku = ANY(:skus) OR product_id = ANY(:product_ids) ORDER BY sku FOR NO KEY UPDATE
""")

_UPSERT_VARIANTS = statement("""
    WITH r AS (
        SELECT p.id AS product_id, r.* FROM json_to_recordset(:variants::json)
            AS r(handle text, n bigint, sku text, barcode text, name text, tax_class text, discontinued boolean)
        JOIN product p USING (handle)
    ), named AS (
        INSERT INTO variant AS v (product_id, sku, barcode, name, tax_class, discontinued, events)
        SELECT product_id, sku, barcode, name, tax_class, discontinued, 1 FROM r ORDER BY n
        ON CONFLICT (sku) DO UPDATE SET product_id = excluded.product_id, barcode = excluded.barcode,
            name = excluded.name, tax_class = excluded.tax_class, discontinued = excluded.discontinued,
            events = v.events + 1
        WHERE (v.product_id, v.barcode, v.name, v.tax_class, v.discontinued)
            IS DISTINCT FROM (excluded.product_id, excluded.barcode, excluded.name, excluded.tax_class,
                excluded.discontinued)
            OR v.product_id = ANY(:product_ids)
        RETURNING id, sku, discontinued, events
    ), others AS (
        UPDATE variant SET events = events + 1 WHERE product_id = ANY(:product_ids) AND sku NOT IN (SELECT sku FROM r)
        RETURNING id, sku, discontinued, events
    )
    SELECT * FROM named UNION ALL SELECT * FROM others
""")
