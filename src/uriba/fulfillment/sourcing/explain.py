"""Explanations: why a location was chosen, as the JSON of `fulfillment.sourcing` (docs/sourcing.md)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from uriba.fulfillment.sourcing.geography import SourcingLocation
from uriba.fulfillment.sourcing.rules import LocationChoice, Ranking, SourcingRule
from uriba.fulfillment.sourcing.selection import SourcingPlan

LOCATIONS_MAX = 8
"""Locations that a ranking names, the best ones first; also variants of one location that are named as missing."""

ONLY_LOCATION = "ONLY_LOCATION"
"""No other location had any of the units: there was nothing to decide."""

YES_NO_RULES = (SourcingRule.STATED_STORE, SourcingRule.FILLS_EVERYTHING, SourcingRule.SAME_REGION)

CHOSEN_BY_CUSTOMER: Mapping[str, Any] = {"decidedBy": SourcingRule.STATED_STORE, "rules": []}
"""The explanation of a pickup."""


def explanations(
    plan: SourcingPlan, locations: Mapping[int, SourcingLocation], skus: Mapping[int, str]
) -> dict[int, dict[str, Any]]:
    """Return the explanation of each location that sends a shipment, by location."""
    return {
        choice.location_id: {
            "decidedBy": choice.decided_by or ONLY_LOCATION,
            "rules": [_ranking(ranking, locations) for ranking in choice.rankings],
            "lacked": _missing_units(choice, locations, skus),
            "parcel": number,
            "parcels": len(plan.choices),
        }
        for number, choice in enumerate(plan.choices, 1)
    }


def _ranking(ranking: Ranking, locations: Mapping[int, SourcingLocation]) -> dict[str, Any]:
    best = dict.fromkeys(ranking.best)
    named = islice((*best, *(location for location in ranking.values if location not in best)), LOCATIONS_MAX)
    explanation: dict[str, Any] = {
        "rule": ranking.rule,
        "ranked": {locations[location].code: _value(ranking, location) for location in named},
        "best": len(ranking.best),
        "of": len(ranking.values),
    }
    return explanation | {"estimated": True} if ranking.estimated else explanation


def _value(ranking: Ranking, location_id: int) -> int | bool | None:
    value = ranking.values[location_id]
    return bool(value) if ranking.rule in YES_NO_RULES else value


def _missing_units(
    choice: LocationChoice, locations: Mapping[int, SourcingLocation], skus: Mapping[int, str]
) -> dict[str, dict[str, int]]:
    """Return the units by SKU that the other locations would have needed to fill the demand."""
    return {
        locations[location].code: {skus[variant]: missing for variant, missing in islice(units.items(), LOCATIONS_MAX)}
        for location, units in islice(choice.missing_units(), LOCATIONS_MAX)
    }
