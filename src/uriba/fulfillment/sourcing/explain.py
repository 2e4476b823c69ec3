"""Reasons: why a location was chosen, in few words of JSON, as `fulfillment.sourcing` keeps it (docs/sourcing.md)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from uriba.fulfillment.sourcing.geography import Place
from uriba.fulfillment.sourcing.rules import Choice, Ranking, Rule
from uriba.fulfillment.sourcing.selection import Sourced

SHOWN_MAX = 8
"""Locations that a rule's ranking names, the best before any other."""

ONLY_LOCATION = "ONLY_LOCATION"
"""No other location had any of it: there was nothing to decide."""

YES_OR_NO = (Rule.STATED_STORE, Rule.FILLS_EVERYTHING, Rule.SAME_REGION)

STATED: Mapping[str, Any] = {"decidedBy": Rule.STATED_STORE, "rules": []}
"""A pickup: its customer chose the store."""


def of(sourced: Sourced, places: Mapping[int, Place], skus: Mapping[int, str]) -> dict[int, dict[str, Any]]:
    """The reasons of each location that sends a parcel."""
    return {
        choice.location_id: {
            "decidedBy": choice.decided or ONLY_LOCATION,
            "rules": [_ranking(ranking, places) for ranking in choice.rankings],
            "lacked": _lacked(choice, places, skus),
            "parcel": number,
            "parcels": len(sourced.choices),
        }
        for number, choice in enumerate(sourced.choices, 1)
    }


def _ranking(ranking: Ranking, places: Mapping[int, Place]) -> dict[str, Any]:
    best = dict.fromkeys(ranking.best)
    shown = islice((*best, *(place for place in ranking.values if place not in best)), SHOWN_MAX)
    said: dict[str, Any] = {
        "rule": ranking.rule,
        "ranked": {places[place].code: _value(ranking, place) for place in shown},
        "best": len(ranking.best),
        "of": len(ranking.values),
    }
    return said | {"estimated": True} if ranking.estimated else said


def _value(ranking: Ranking, place: int) -> int | bool | None:
    value = ranking.values[place]
    return bool(value) if ranking.rule in YES_OR_NO else value


def _lacked(choice: Choice, places: Mapping[int, Place], skus: Mapping[int, str]) -> dict[str, dict[str, int]]:
    """The units that the other locations lacked for sending all of it."""
    return {
        places[place].code: {skus[variant]: missing for variant, missing in islice(units.items(), SHOWN_MAX)}
        for place, units in islice(choice.lacked(), SHOWN_MAX)
    }
