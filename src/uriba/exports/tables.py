"""The exported tables: their columns, and their rows in pages by key, within one snapshot.

They contain no names, addresses, e-mail addresses or phone numbers of people; orders have the id of their customer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from uriba.db import Row, Session
from uriba.db.statements import statement
from uriba.exports.columns import CellRow, Column, amount, boolean, cell_rows, identifier, integer, rate, text, time
from uriba.exports.requests import ALL_TIME, ExportRequest, ExportTable
from uriba.inventory.queries import AVAILABLE

ROWS_MAX = 2_000
"""The rows of a page. Only some pages of an export are in memory at a time."""

ORDERS_MAX = 250
"""The orders of a page, each with all its lines."""

Pages = AsyncIterator[Sequence[Row]]


@dataclass(frozen=True, slots=True)
class TableDefinition:
    """The columns of a table, and the function that reads pages of database rows for a request."""

    columns: Sequence[Column]
    read_pages: Callable[[Session, ExportRequest], Pages]

    async def pages(self, session: Session, request: ExportRequest) -> AsyncIterator[list[CellRow]]:
        """Yield the exported rows of a request, page by page."""
        async for rows in self.read_pages(session, request):
            yield cell_rows(self.columns, rows)


async def _variant_pages(session: Session, request: ExportRequest) -> Pages:
    last_id = 0
    while rows := await session.fetch(_VARIANTS, last_id=last_id, rows_max=ROWS_MAX):
        yield rows
        last_id = rows[-1]["variant_id"]


_VARIANTS = statement("""
    SELECT v.id AS variant_id, v.product_id, v.sku, v.barcode, v.name, v.tax_class, v.discontinued, v.events AS version,
        p.handle, p.name AS product_name, p.brand, p.category, p.description
    FROM variant v JOIN product p ON p.id = v.product_id
    WHERE v.id > :last_id ORDER BY v.id LIMIT :rows_max
""")


async def _price_pages(session: Session, request: ExportRequest) -> Pages:
    limits = {"first_time": ALL_TIME[0], "last_time": ALL_TIME[1], "rows_max": ROWS_MAX}
    last = {"last_variant_id": 0, "last_id": 0}
    while rows := await _price_page(session, request.channel_id, **limits, **last):
        yield rows
        last = {"last_variant_id": rows[-1]["variant_id"], "last_id": rows[-1]["id"]}


async def _price_page(session: Session, channel_id: int | None, **position: object) -> Sequence[Row]:
    if channel_id is None:
        return await session.fetch(_PRICES, **position)
    return await session.fetch(_PRICES_OF_CHANNEL, channel_id=channel_id, **position)


_PRICE_PAGE = """
    SELECT p.id, p.variant_id, v.sku, h.code AS channel, o.code AS location, p.currency, p.amount_minor,
        CASE WHEN p.valid_from > :first_time THEN p.valid_from END AS valid_from_utc,
        CASE WHEN p.valid_to < :last_time THEN p.valid_to END AS valid_until_utc, v.events AS version
    FROM price p JOIN variant v ON v.id = p.variant_id LEFT JOIN channel h ON h.id = p.channel_id
    LEFT JOIN location o ON o.id = p.location_id
    WHERE (p.variant_id, p.id) > (:last_variant_id, :last_id) AND {of_channel}
    ORDER BY p.variant_id, p.id LIMIT :rows_max
"""
_PRICES = statement(_PRICE_PAGE.format(of_channel="true"))
_PRICES_OF_CHANNEL = statement(_PRICE_PAGE.format(of_channel="(p.channel_id = :channel_id OR p.channel_id IS NULL)"))


async def _level_pages(session: Session, request: ExportRequest) -> Pages:
    last = {"last_variant_id": 0, "last_location_id": 0}
    while rows := await _level_page(session, request.location_id, **last):
        yield rows
        last = {"last_variant_id": rows[-1]["variant_id"], "last_location_id": rows[-1]["location_id"]}


async def _level_page(
    session: Session, location_id: int | None, *, last_variant_id: int, last_location_id: int
) -> Sequence[Row]:
    if location_id is None:
        return await session.fetch(
            _LEVELS, last_variant_id=last_variant_id, last_location_id=last_location_id, rows_max=ROWS_MAX
        )
    return await session.fetch(
        _LEVELS_OF_LOCATION, last_variant_id=last_variant_id, location_id=location_id, rows_max=ROWS_MAX
    )


_LEVEL_PAGE = f"""
    SELECT l.variant_id, l.location_id, v.sku, o.code AS location, l.on_hand AS on_hand_units,
        l.committed AS committed_units, l.reserved AS reserved_units, l.unavailable AS unavailable_units,
        l.safety_stock AS safety_stock_units, {AVAILABLE} AS available_units, l.incoming AS incoming_units,
        l.shortage AS shortage_units, l.counted_at AS counted_at_utc, l.updated_at AS updated_at_utc, l.version
    FROM stock_level l JOIN variant v ON v.id = l.variant_id JOIN location o ON o.id = l.location_id
    WHERE {{after_last}} ORDER BY l.variant_id, l.location_id LIMIT :rows_max
"""
_LEVELS = statement(
    _LEVEL_PAGE.format(after_last="(l.variant_id, l.location_id) > (:last_variant_id, :last_location_id)")
)
_LEVELS_OF_LOCATION = statement(
    _LEVEL_PAGE.format(after_last="l.location_id = :location_id AND l.variant_id > :last_variant_id")
)


async def _order_line_pages(session: Session, request: ExportRequest) -> Pages:
    limits = {"until": request.until, "orders_max": ORDERS_MAX}
    last = {"last_placed_at": request.since, "last_id": UUID(int=0)}
    while orders := await _order_page(session, request.channel_id, **limits, **last):
        yield await session.fetch(_ORDER_LINES, order_ids=[order["id"] for order in orders])
        last = {"last_placed_at": orders[-1]["placed_at"], "last_id": orders[-1]["id"]}


async def _order_page(session: Session, channel_id: int | None, **position: object) -> Sequence[Row]:
    if channel_id is None:
        return await session.fetch(_ORDERS, **position)
    return await session.fetch(_ORDERS_OF_CHANNEL, channel_id=channel_id, **position)


_ORDER_PAGE = """
    SELECT o.id, o.placed_at FROM orders o
    WHERE (o.placed_at, o.id) > (:last_placed_at, :last_id) AND o.placed_at < :until AND {of_channel}
    ORDER BY o.placed_at, o.id LIMIT :orders_max
"""
_ORDERS = statement(_ORDER_PAGE.format(of_channel="true"))
_ORDERS_OF_CHANNEL = statement(_ORDER_PAGE.format(of_channel="o.channel_id = :channel_id"))

_ORDER_LINES = statement("""
    SELECT l.id AS line_id, o.id AS order_id, o.number AS order_number, o.version AS order_version, o.status,
        o.payment_status, o.receipt, o.customer_id, o.placed_at AS placed_at_utc, o.currency, o.prices_include_tax,
        h.code AS channel, s.code AS location, l.position, l.variant_id, l.sku, l.name, l.quantity AS ordered_units,
        l.cancelled_quantity AS cancelled_units, l.returned_quantity AS returned_units, l.unit_minor, l.discount_minor,
        l.total_minor, l.tax_class, l.tax_rate, o.shipping_minor AS order_shipping_minor,
        o.tax_minor AS order_tax_minor, o.total_minor AS order_total_minor, o.refunded_minor AS order_refunded_minor
    FROM orders o JOIN order_line l ON l.order_id = o.id JOIN channel h ON h.id = o.channel_id
    LEFT JOIN location s ON s.id = o.location_id
    WHERE o.id = ANY(:order_ids) ORDER BY o.placed_at, o.id, l.position, l.id
""")

_PRODUCTS_TABLE = TableDefinition(
    (
        identifier("variant_id", "Variant", "variant_id"),
        text("sku"),
        text("barcode"),
        text("name"),
        identifier("product_id", "Product", "product_id"),
        text("handle"),
        text("product_name"),
        text("brand"),
        text("category"),
        text("description"),
        text("tax_class"),
        boolean("discontinued"),
        integer("version"),
    ),
    _variant_pages,
)

_PRICES_TABLE = TableDefinition(
    (
        identifier("variant_id", "Variant", "variant_id"),
        text("sku"),
        text("channel"),
        text("location"),
        text("currency"),
        amount("price_amount", "amount_minor"),
        time("valid_from_utc"),
        time("valid_until_utc"),
        integer("version"),
    ),
    _price_pages,
)

_STOCK_TABLE = TableDefinition(
    (
        identifier("stock_level_id", "StockLevel", "variant_id", "location_id"),
        text("sku"),
        text("location"),
        integer("on_hand_units"),
        integer("committed_units"),
        integer("reserved_units"),
        integer("unavailable_units"),
        integer("safety_stock_units"),
        integer("available_units"),
        integer("incoming_units"),
        integer("shortage_units"),
        time("counted_at_utc"),
        time("updated_at_utc"),
        integer("version"),
    ),
    _level_pages,
)

_ORDERS_TABLE = TableDefinition(
    (
        identifier("order_id", "Order", "order_id"),
        text("order_number"),
        time("placed_at_utc"),
        text("status"),
        text("payment_status"),
        text("channel"),
        text("location"),
        text("receipt"),
        identifier("customer_id", "Customer", "customer_id"),
        identifier("line_id", "OrderLine", "line_id"),
        integer("position"),
        identifier("variant_id", "Variant", "variant_id"),
        text("sku"),
        text("name"),
        integer("ordered_units"),
        integer("cancelled_units"),
        integer("returned_units"),
        text("currency"),
        boolean("prices_include_tax"),
        amount("unit_price_amount", "unit_minor"),
        amount("discount_amount", "discount_minor"),
        amount("total_amount", "total_minor"),
        text("tax_class"),
        rate("tax_rate"),
        amount("order_shipping_amount", "order_shipping_minor"),
        amount("order_tax_amount", "order_tax_minor"),
        amount("order_total_amount", "order_total_minor"),
        amount("order_refunded_amount", "order_refunded_minor"),
        integer("order_version"),
    ),
    _order_line_pages,
)

TABLES: Mapping[ExportTable, TableDefinition] = {
    ExportTable.PRODUCTS: _PRODUCTS_TABLE,
    ExportTable.PRICES: _PRICES_TABLE,
    ExportTable.STOCK: _STOCK_TABLE,
    ExportTable.ORDERS: _ORDERS_TABLE,
}
