"""Locations and destinations as sourcing sees them, and the distance between them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import asin, cos, radians, sin, sqrt
from typing import Any

EARTH_RADIUS_KM = 6371.0


@dataclass(frozen=True, slots=True)
class SourcingLocation:
    """The facts about a location that the sourcing rules compare; None where a fact is not known.

    `position`: the location's rank in its channel; 0 is the best. `open_work`: fulfillments that it has not handed
    over yet.
    """

    location_id: int
    code: str = ""
    position: int = 0
    ships_orders: bool = True
    offers_pickup: bool = False
    region: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    open_work: int | None = None
    pickup_ready_minutes: int = 0


@dataclass(frozen=True, slots=True)
class Destination:
    """The address goods are shipped to, or the customer's position, as far as it is known. Coordinates in degrees."""

    region: str | None = None
    postal_code: str | None = None
    latitude: float | None = None
    longitude: float | None = None

    @classmethod
    def of_address(cls, address: Mapping[str, Any] | None) -> Destination:
        """Return the destination of a postal address."""
        if address is None:
            return UNKNOWN_DESTINATION
        return cls(
            region=address.get("region"),
            postal_code=address.get("postalCode"),
            latitude=address.get("latitude"),
            longitude=address.get("longitude"),
        )


UNKNOWN_DESTINATION = Destination()


def same_region(location: SourcingLocation, destination: Destination) -> bool | None:
    """Return whether a location's region is the destination's, or a prefix of its postal code; None if not known.

    A region with a digit in it is a postal area: 150 serves 150-0001.
    """
    region = _normalize(location.region)
    if not region or not (destination.region or destination.postal_code):
        return None
    if region == _normalize(destination.region):
        return True
    is_postal_area = any(character.isdigit() for character in region)
    return is_postal_area and _normalize(destination.postal_code).startswith(region)


def _normalize(text: str | None) -> str:
    return "".join(character for character in (text or "").casefold() if character.isalnum())


def distance_km(location: SourcingLocation, destination: Destination) -> float | None:
    """Return the great-circle distance, on a sphere (0.5 % off at most); None if a coordinate is not known."""
    if (
        location.latitude is None
        or location.longitude is None
        or destination.latitude is None
        or destination.longitude is None
    ):
        return None
    from_latitude, to_latitude = radians(location.latitude), radians(destination.latitude)
    longitude_difference = radians(destination.longitude - location.longitude)
    # The haversine formula.
    haversine = (
        sin((to_latitude - from_latitude) / 2) ** 2
        + cos(from_latitude) * cos(to_latitude) * sin(longitude_difference / 2) ** 2
    )
    return 2 * EARTH_RADIUS_KM * asin(min(1.0, sqrt(haversine)))
