"""Places and destinations: what sourcing knows of where goods are and where they go. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import asin, cos, radians, sin, sqrt
from typing import Any

EARTH_KM = 6371.0


@dataclass(frozen=True, slots=True)
class Place:
    """A location as sourcing sees it; None: nobody knows.

    `open_work`: fulfillments that it has still to hand over. `position`: in its channel, 0 is the best.
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
    """Where goods go, or where a customer is, as far as it is known; degrees."""

    region: str | None = None
    postal_code: str | None = None
    latitude: float | None = None
    longitude: float | None = None

    @classmethod
    def of_address(cls, address: Mapping[str, Any] | None) -> Destination:
        """Where a postal address is."""
        if address is None:
            return NOWHERE
        return cls(
            region=address.get("region"),
            postal_code=address.get("postalCode"),
            latitude=address.get("latitude"),
            longitude=address.get("longitude"),
        )


NOWHERE = Destination()


def same_region(place: Place, to: Destination) -> bool | None:
    """Whether a place's region is the destination's, or a postal area that its code begins with; None: nobody knows.

    A region with a digit in it is a postal area: 150 serves 150-0001.
    """
    region = _plain(place.region)
    if not region or not (to.region or to.postal_code):
        return None
    if region == _plain(to.region):
        return True
    return any(letter.isdigit() for letter in region) and _plain(to.postal_code).startswith(region)


def _plain(said: str | None) -> str:
    return "".join(letter for letter in (said or "").casefold() if letter.isalnum())


def distance_km(place: Place, to: Destination) -> float | None:
    """The great circle between two places on earth, a sphere here (0.5 % off at most); None: nobody knows."""
    if place.latitude is None or place.longitude is None or to.latitude is None or to.longitude is None:
        return None
    south, north = radians(place.latitude), radians(to.latitude)
    across = sin((north - south) / 2) ** 2
    along = cos(south) * cos(north) * sin(radians(to.longitude - place.longitude) / 2) ** 2
    return 2 * EARTH_KM * asin(min(1.0, sqrt(across + along)))
