"""The same work without the guard, on copies of the real rows: it shows that the race exists."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg

from tests.support.shop import Shop
from uriba.db import Database


@asynccontextmanager
async def copied_rows(database: Database, table: str, where: str, *args: object) -> AsyncIterator[str]:
    """Copy some rows of a table into a new table and yield its name; drop it at the end."""
    name = f"copy_{uuid4().hex}"
    async with database.transaction(notify=False) as session:
        await session.run(f"CREATE TABLE {name} (LIKE {table})")
        await session.run(f"INSERT INTO {name} SELECT * FROM {table} WHERE {where}", *args)
    try:
        yield name
    finally:
        async with database.transaction(notify=False) as session:
            await session.run(f"DROP TABLE {name}")


async def level_key(shop: Shop, name: str, location: str) -> tuple[int, int]:
    """Return the key (variant, location) of a stock level."""
    async with shop.hub.database.reading() as session:
        row = await session.fetchrow(
            "SELECT v.id AS variant_id, l.id AS location_id FROM variant v, location l WHERE v.sku = $1 AND l.code = $2",
            shop.sku(name),
            shop.code(location),
        )
    assert row is not None
    return row["variant_id"], row["location_id"]


async def sell_without_guard(database: Database, table: str, *, buyers: int) -> int:
    """Let each buyer read the available units, then take one in another transaction; return how many were sold."""
    all_have_read = asyncio.Barrier(buyers)

    async def buy() -> int:
        async with database.reading() as session:
            available = await session.fetchval(f"SELECT on_hand - committed - reserved FROM {table}")
        await all_have_read.wait()
        if available < 1:
            return 0
        async with database.transaction(notify=False) as session:
            await session.run(f"UPDATE {table} SET on_hand = on_hand - 1")
        return 1

    return sum(await asyncio.gather(*(buy() for _ in range(buyers))))


async def order_without_guard(database: Database, table: str, *, buyers: int) -> int:
    """Let each buyer read the cart's status, then order it in another transaction; return how many orders were placed."""
    all_have_read = asyncio.Barrier(buyers)

    async def check_out() -> int:
        async with database.reading() as session:
            status = await session.fetchval(f"SELECT status FROM {table}")
        await all_have_read.wait()
        if status != "ACTIVE":
            return 0
        async with database.transaction(notify=False) as session:
            await session.run(f"UPDATE {table} SET status = 'ORDERED'")
        return 1

    return sum(await asyncio.gather(*(check_out() for _ in range(buyers))))


async def take_in_cart_order(database: Database, table: str, carts: Sequence[Sequence[int]]) -> int:
    """Let each cart take one unit of each variant in its own order; return how many were ended by a deadlock."""
    all_hold_one = asyncio.Barrier(len(carts))

    async def take(variants: Sequence[int]) -> None:
        async with database.transaction(notify=False) as session:
            for n, variant_id in enumerate(variants):
                await session.run(f"UPDATE {table} SET on_hand = on_hand - 1 WHERE variant_id = $1", variant_id)
                if n == 0:
                    await all_hold_one.wait()

    results = await asyncio.gather(*(take(variants) for variants in carts), return_exceptions=True)
    return sum(isinstance(result, asyncpg.DeadlockDetectedError) for result in results)
