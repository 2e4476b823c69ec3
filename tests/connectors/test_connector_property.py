"""Whatever changes, runs, dies and is refused, in whatever order: in the end the folder has what the book has."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from stall import RUN, Killed, Stall, Wrapped, open_stall, sells_from

from shop import Shop
from uriba.connectors.file_connector import FileConnector
from uriba.connectors.port import Batch, ChannelFailed, Pushed, Refusal

STEPS = 14


async def _change(dice: random.Random, shop: Shop, stall: Stall) -> None:
    name, place = dice.choice(("TEA", "POT")), dice.choice(("S1", "S2", "W1"))
    what = dice.randrange(6)
    if what <= 2:
        await shop.receive(**{f"{name}_{place}": dice.randint(1, 9)})
    elif what == 3:
        await stall.set_price(name, str(dice.randint(100, 900)))
    elif what == 4:
        await stall.set_sold(name, sold=dice.random() < 0.5)
    else:
        await sells_from(shop, *dice.sample(("S1", "S2", "W1"), dice.randint(1, 3)))


async def _run(dice: random.Random, stall: Stall) -> None:
    """A turn that goes well, is cut off before or after the file stands, fails, or has rows refused."""

    async def die(_: Batch) -> None:
        raise Killed

    async def fail(_: Batch) -> None:
        raise ChannelFailed("HTTP 503")

    async def refuse(batch: Batch) -> Pushed:
        return Pushed({row.sku: Refusal("BUSY", "Not now.") for row in batch.rows})

    before, after = dice.choice([(None, None), (None, None), (die, None), (None, die), (None, fail), (refuse, None)])
    try:
        await stall.run(Wrapped(FileConnector(stall.folder), before=before, after=after))
    except Killed:
        return


@pytest.mark.parametrize("seed", range(6))
async def test_the_folders_last_values_are_the_book(shop: Shop, tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    stall = await open_stall(shop, tmp_path)
    for _ in range(STEPS):
        await (_change(dice, shop, stall) if dice.random() < 0.6 else _run(dice, stall))
    await shop.staff.do(RUN, id=stall.id)
    await stall.run()

    assert await stall.differences() == []
    assert await stall.told("TEA", "POT") == await _book(shop, stall)


async def _book(shop: Shop, stall: Stall) -> dict[str, dict[str, str | None]]:
    """What a connector that was told nothing would be told now, worked out by hand; 0 where nothing is sold."""
    found: dict[str, dict[str, str | None]] = {}
    async with shop.hub.database.reading() as session:
        for name in ("TEA", "POT"):
            units = await session.fetchval(_UNITS, shop.sku(name), shop.code("market"))
            price = await session.fetchval(_PRICE, shop.sku(name), shop.code("market"))
            told = (await stall.told(name))[name]
            found[name] = {"available": str(units), "price": str(price)} if units is not None else _unsold(told)
    return found


def _unsold(told: dict[str, str | None]) -> dict[str, str | None]:
    """No units, if it was ever told; its price is what it was."""
    return {"available": told["available"] and "0", "price": told["price"]}


_UNITS = """
    SELECT coalesce((SELECT sum(greatest(0, l.on_hand - l.committed - l.reserved - l.unavailable - l.safety_stock))
        FROM stock_level l JOIN channel_location p USING (location_id) JOIN channel c ON c.id = p.channel_id
        WHERE l.variant_id = v.id AND c.code = $2), 0)::bigint
    FROM variant v WHERE v.sku = $1 AND NOT v.discontinued
"""
_PRICE = """
    SELECT p.amount_minor FROM price p JOIN variant v ON v.id = p.variant_id JOIN channel c ON c.id = p.channel_id
    WHERE v.sku = $1 AND c.code = $2 AND p.valid_from <= now() AND (p.valid_to IS NULL OR p.valid_to > now())
    ORDER BY p.valid_from DESC, p.id DESC LIMIT 1
"""
