"""The stock of a channel's locations, with the facts that the sourcing rules compare, in one read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from uriba.db import Row, Session
from uriba.db.statements import statement
from uriba.fulfillment.sourcing.geography import SourcingLocation
from uriba.fulfillment.sourcing.selection import Assignment, Supply
from uriba.inventory.queries import AVAILABLE_UNITS

OPEN_WORK_MAX = 100
"""A location's open fulfillments are counted up to this number."""

POSITION_OUTSIDE_CHANNEL = 1_000_000
"""The position of a location that is not the channel's."""


@dataclass(frozen=True, slots=True)
class SourcingStock:
    """Locations that have some of the variants, the channel's best first.

    `units`: the available units by variant, then location. `split_limit`: the most shipments of one of the channel's
    orders; None for no limit.
    """

    locations: Mapping[int, SourcingLocation]
    units: Mapping[int, Mapping[int, int]]
    split_limit: int | None

    def shippable(
        self, *, excluding: Collection[int] = (), assigned: Sequence[Assignment] = ()
    ) -> dict[int, list[Supply]]:
        """Return by variant what the locations that ship orders could send.

        `excluding`: locations to leave out. `assigned`: units that are taken already.
        """
        taken: Counter[tuple[int, int]] = Counter()
        for assignment in assigned:
            taken[assignment.variant_id, assignment.location_id] += assignment.quantity
        return {
            variant: [
                Supply(
                    location.location_id,
                    max(0, units[location.location_id] - taken[variant, location.location_id]),
                    location,
                )
                for location in self.locations.values()
                if location.ships_orders and location.location_id in units and location.location_id not in excluding
            ]
            for variant, units in self.units.items()
        }


async def load_stock(
    session: Session, variant_ids: Collection[int], *, channel_id: int, store_ids: Collection[int] = ()
) -> SourcingStock:
    """Read where the channel has units of these variants. `store_ids`: locations to read in any case."""
    rows = await session.fetch(
        _STOCK, variant_ids=sorted(set(variant_ids)), channel_id=channel_id, store_ids=sorted(set(store_ids))
    )
    locations: dict[int, SourcingLocation] = {}
    units: dict[int, dict[int, int]] = {variant_id: {} for variant_id in variant_ids}
    for row in rows:
        locations[row["location_id"]] = _location(row)
        for variant_id, quantity in zip(row["variants"] or (), row["quantities"] or (), strict=True):
            units[variant_id][row["location_id"]] = quantity
    return SourcingStock(locations, units, rows[0]["split_limit"] if rows else None)


def _location(row: Row) -> SourcingLocation:
    return SourcingLocation(
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


# The open work of a location is read in the order of its index, which only that index has. Else the planner may expect
# to meet a hundred rows soon in a scan of all fulfillments, and read all of them for a location that has none.
_STOCK = statement(f"""
    WITH level AS MATERIALIZED (
        SELECT l.location_id, array_agg(l.variant_id) AS variants, array_agg(l.available) AS quantities
        FROM ({AVAILABLE_UNITS}) l
        JOIN channel_location s ON s.location_id = l.location_id AND s.channel_id = :channel_id
        WHERE l.variant_id = ANY(:variant_ids) AND l.available > 0 GROUP BY l.location_id
    )
    SELECT o.id AS location_id, o.code, coalesce(s.position, {POSITION_OUTSIDE_CHANNEL}) AS position, o.ships_orders,
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
    FROM level l FULL JOIN (SELECT unnest(:store_ids::bigint[]) AS location_id) k USING (location_id)
    JOIN location o ON o.id = location_id JOIN channel c ON c.id = :channel_id
    LEFT JOIN channel_location s ON (s.channel_id, s.location_id) = (c.id, o.id)
    ORDER BY position, o.id
""")
