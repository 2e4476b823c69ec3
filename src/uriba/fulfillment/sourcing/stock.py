"""Supply: what a channel's locations could send now, with all that the rules of sourcing ask, in one reading."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from uriba.db import Row, Session
from uriba.fulfillment.sourcing.geography import Place
from uriba.fulfillment.sourcing.selection import Piece, Supply
from uriba.inventory.queries import AVAILABLE

OPEN_WORK_MAX = 100
"""Open fulfillments of a location that are counted; more are as many."""

POSITION_NONE = 1_000_000
"""Of a location that is not the channel's."""


@dataclass(frozen=True, slots=True)
class Stocked:
    """Locations that have some, best for the channel first, and what each has, by variant; and the channel's limit."""

    places: Mapping[int, Place]
    units: Mapping[int, Mapping[int, int]]
    split_limit: int | None

    def sendable(self, *, without: Collection[int] = (), less: Sequence[Piece] = ()) -> dict[int, list[Supply]]:
        """By variant: what locations that ship orders could send, less what is taken from there already."""
        taken: Counter[tuple[int, int]] = Counter()
        for piece in less:
            taken[piece.variant_id, piece.location_id] += piece.quantity
        return {
            variant: [
                Supply(place.location_id, max(0, units[place.location_id] - taken[variant, place.location_id]), place)
                for place in self.places.values()
                if place.ships_orders and place.location_id in units and place.location_id not in without
            ]
            for variant, units in self.units.items()
        }


async def stocked(
    session: Session, variant_ids: Collection[int], *, channel_id: int, stores: Collection[int] = ()
) -> Stocked:
    """Where the channel has units of these variants; and `stores`, whatever they have and whosever they are."""
    rows = await session.fetch(_STOCKED, sorted(set(variant_ids)), channel_id, sorted(set(stores)))
    places: dict[int, Place] = {}
    units: dict[int, dict[int, int]] = {variant_id: {} for variant_id in variant_ids}
    for row in rows:
        places[row["location_id"]] = _place(row)
        for variant_id, quantity in zip(row["variants"] or (), row["quantities"] or (), strict=True):
            units[variant_id][row["location_id"]] = quantity
    return Stocked(places, units, rows[0]["split_limit"] if rows else None)


def _place(row: Row) -> Place:
    return Place(
        location_id=row["location_id"],
        code=row["code"],
        position=row["position"],
        ships_orders=row["ships_orders"],
        offers_pickup=row["offers_pickup"],
        region=row["region"],
        latitude=row["latitude"],
        longitude=row["longitude"],
        open_work=row["open_work"],
        pickup_ready_minutes=row["pickup_ready_minutes"],
    )


# The open work of a location is read in the order of its index, which no other way of reading has: the planner cannot
# take a location that has none for one whose hundred rows it meets soon, and read all fulfillments for it.
_STOCKED = f"""
    WITH level AS MATERIALIZED (
        SELECT l.location_id, array_agg(l.variant_id) AS variants, array_agg({AVAILABLE}) AS quantities
        FROM stock_level l JOIN channel_location s ON s.location_id = l.location_id AND s.channel_id = $2
        WHERE l.variant_id = ANY($1) AND {AVAILABLE} > 0 GROUP BY l.location_id
    )
    SELECT o.id AS location_id, o.code, coalesce(s.position, {POSITION_NONE}) AS position, o.ships_orders,
        o.offers_pickup, o.region, o.latitude, o.longitude, o.pickup_ready_minutes, c.split_limit,
        l.variants, l.quantities, (
            SELECT count(*) FROM (
                SELECT FROM fulfillment f
                WHERE (f.location_id, f.id) >= (o.id, '00000000-0000-0000-0000-000000000000')
                    AND (f.location_id, f.id) <= (o.id, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
                    AND f.status IN ('ALLOCATED', 'PICKED', 'READY_FOR_PICKUP')
                ORDER BY f.location_id, f.id LIMIT {OPEN_WORK_MAX}
            ) w
        ) AS open_work
    FROM level l FULL JOIN (SELECT unnest($3::bigint[]) AS location_id) k USING (location_id)
    JOIN location o ON o.id = location_id JOIN channel c ON c.id = $2
    LEFT JOIN channel_location s ON (s.channel_id, s.location_id) = (c.id, o.id)
    ORDER BY position, o.id
"""
