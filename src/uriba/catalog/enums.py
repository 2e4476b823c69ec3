"""The kinds and statuses of the catalog, as stored in the database and shown by the API."""

from __future__ import annotations

from enum import StrEnum

SHIPPING_TAX_CLASS = "standard"
"""The tax class of shipping charges."""


class ChannelKind(StrEnum):
    """Where a customer meets the retailer."""

    APP = "APP"
    WEB = "WEB"
    STORE = "STORE"
    MARKETPLACE = "MARKETPLACE"


class LocationKind(StrEnum):
    """A place that holds stock."""

    STORE = "STORE"
    WAREHOUSE = "WAREHOUSE"


class Capture(StrEnum):
    """When an authorized card is captured."""

    AT_CHECKOUT = "AT_CHECKOUT"
    AT_SHIPMENT = "AT_SHIPMENT"
