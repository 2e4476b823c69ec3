"""The same work with the guard taken out, on copies of the real rows: it shows that there is a race to win."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg

from shop import Shop
from uriba.db import Database


@asynccontextmanager
async def copy_of(database: Database, table: str, where: str, *args: object) -> AsyncIterator[str]:
    """The name of a table with a copy of some rows; gone at the end."""
    name = f"copy_{uuid4().hex}"
    async with database.transaction(notify=False) as session:
        await session.run(f"CREATE TABLE {name} (LIKE {table})")
        await session.run(f"INSERT INTO {name} SELECT * FROM {table} WHERE {where}", *args)
    try:
        yield name
    finally:
        async with database.transaction(notify=False) as session:
            await session.run(f"DROP TABLE {name}")


async def level_of(shop: Shop, name: str, location: str) -> tuple[int, int]:
    """The key of a level."""
    async with shop.hub.database.reading() as session:
        row = await session.fetchrow(
            "SELECT v.id AS variant_id, l.id AS location_id FROM variant v, location l WHERE v.sku = $1 AND l.code = $2",
            shop.sku(name),
            shop.code(location),
        )
    assert row is not None
    return row["variant_id"], row["location_id"]


async def sell_after_looking(database: Database, table: str, *, buyers: int) -> int:
    """Each buyer looks whether a unit is there, and takes one if so, in a transaction of its own; how many were sold."""
    all_have_looked = asyncio.Barrier(buyers)

    async def buy() -> int:
        async with database.reading() as session:
            there = await session.fetchval(f"SELECT on_hand - committed - reserved FROM {table}")
        await all_have_looked.wait()
        if there < 1:
            return 0
        async with database.transaction(notify=False) as session:
            await session.run(f"UPDATE {table} SET on_hand = on_hand - 1")
        return 1

    return sum(await asyncio.gather(*(buy() for _ in range(buyers))))


async def order_after_looking(database: Database, table: str, *, doors: int) -> int:
    """Each door looks whether the cart is active, and orders it if so; how many orders it became."""
    all_have_looked = asyncio.Barrier(doors)

    async def check_out() -> int:
        async with database.reading() as session:
            status = await session.fetchval(f"SELECT status FROM {table}")
        await all_have_looked.wait()
        if status != "ACTIVE":
            return 0
        async with database.transaction(notify=False) as session:
            await session.run(f"UPDATE {table} SET status = 'ORDERED'")
        return 1

    return sum(await asyncio.gather(*(check_out() for _ in range(doors))))


async def take_line_by_line(database: Database, table: str, carts: Sequence[Sequence[int]]) -> int:
    """Each cart takes a unit of each variant in its own order; how many carts waited in a circle and were ended."""
    all_hold_one = asyncio.Barrier(len(carts))

    async def take(variants: Sequence[int]) -> None:
        async with database.transaction(notify=False) as session:
            for n, variant_id in enumerate(variants):
                await session.run(f"UPDATE {table} SET on_hand = on_hand - 1 WHERE variant_id = $1", variant_id)
                if n == 0:
                    await all_hold_one.wait()

    ends = await asyncio.gather(*(take(variants) for variants in carts), return_exceptions=True)
    return sum(isinstance(end, asyncpg.DeadlockDetectedError) for end in ends)
