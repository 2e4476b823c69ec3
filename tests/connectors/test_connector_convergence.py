"""After random changes, runs, crashes and refusals the folder has the current values in the end."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.support.connector_harness import (
    RUN,
    ConnectorHarness,
    Killed,
    WrappedConnector,
    open_connector,
    set_market_locations,
)
from tests.support.shop import Shop
from uriba.connectors.file_connector import FileConnector
from uriba.connectors.port import Batch, ChannelFailed, PushResult, Refusal
from uriba.db.statements import statement

STEPS = 14


async def _change(rng: random.Random, shop: Shop, harness: ConnectorHarness) -> None:
    name, location = rng.choice(("TEA", "POT")), rng.choice(("S1", "S2", "W1"))
    choice = rng.randrange(6)
    if choice <= 2:
        await shop.receive(**{f"{name}_{location}": rng.randint(1, 9)})
    elif choice == 3:
        await harness.set_price(name, str(rng.randint(100, 900)))
    elif choice == 4:
        await harness.set_sold(name, sold=rng.random() < 0.5)
    else:
        await set_market_locations(shop, *rng.sample(("S1", "S2", "W1"), rng.randint(1, 3)))


async def _run(rng: random.Random, harness: ConnectorHarness) -> None:
    """A run that succeeds, crashes before or after the file is written, fails, or has its rows refused."""

    async def die(_: Batch) -> None:
        raise Killed

    async def fail(_: Batch) -> None:
        raise ChannelFailed("HTTP 503")

    async def refuse(batch: Batch) -> PushResult:
        return PushResult({row.sku: Refusal("BUSY", "Not now.") for row in batch.rows})

    before, after = rng.choice([(None, None), (None, None), (die, None), (None, die), (None, fail), (refuse, None)])
    try:
        await harness.run(WrappedConnector(FileConnector(harness.folder), before=before, after=after))
    except Killed:
        return


@pytest.mark.parametrize("seed", range(6))
async def test_the_files_converge_to_the_current_values(shop: Shop, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    harness = await open_connector(shop, tmp_path)
    for _ in range(STEPS):
        await (_change(rng, shop, harness) if rng.random() < 0.6 else _run(rng, harness))
    await shop.staff.mutate(RUN, id=harness.id)
    await harness.run()

    assert await harness.differences() == []
    assert await harness.sent_values("TEA", "POT") == await _current_values(shop, harness)


async def _current_values(shop: Shop, harness: ConnectorHarness) -> dict[str, dict[str, str | None]]:
    """Return the current values, computed by other SQL than the connector's; 0 units for a variant that is not sold."""
    found: dict[str, dict[str, str | None]] = {}
    async with shop.hub.database.reading() as session:
        for name in ("TEA", "POT"):
            units = await session.fetchval(_UNITS, sku=shop.sku(name), channel=shop.code("market"))
            price = await session.fetchval(_PRICE, sku=shop.sku(name), channel=shop.code("market"))
            sent = (await harness.sent_values(name))[name]
            found[name] = {"available": str(units), "price": str(price)} if units is not None else _unsold(sent)
    return found


def _unsold(sent: dict[str, str | None]) -> dict[str, str | None]:
    """Return 0 units if any were ever sent, and the last price."""
    return {"available": sent["available"] and "0", "price": sent["price"]}


_UNITS = statement("""
    SELECT coalesce((SELECT sum(greatest(0, l.on_hand - l.committed - l.reserved - l.unavailable - l.safety_stock))
        FROM stock_level l JOIN channel_location p USING (location_id) JOIN channel c ON c.id = p.channel_id
        WHERE l.variant_id = v.id AND c.code = :channel), 0)::bigint
    FROM variant v WHERE v.sku = :sku AND NOT v.discontinued
""")
_PRICE = statement("""
    SELECT p.amount_minor FROM price p JOIN variant v ON v.id = p.variant_id JOIN channel c ON c.id = p.channel_id
    WHERE v.sku = :sku AND c.code = :channel AND p.valid_from <= now() AND (p.valid_to IS NULL OR p.valid_to > now())
    ORDER BY p.valid_from DESC, p.id DESC LIMIT 1
""")
