"""The settings of a process, read from variables named URIBA_ and the setting's name.

Every setting has a default that works on a developer's machine.
"""

from __future__ import annotations

import json
from enum import StrEnum
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

OPENING_HOURS = "^(?:[01][0-9]|2[0-3]):[0-5][0-9]-(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"
"""The pattern of opening hours: 09:00-21:00."""


class Env(StrEnum):
    """Where the hub runs. DEVELOPMENT has GraphiQL and the sandbox; PRODUCTION has neither."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class AllowedAddresses(StrEnum):
    """Which addresses of endpoints and connectors the hub sends requests to.

    PUBLIC: only those of the internet. LOOPBACK: also those of this machine. PRIVATE: also those of private networks.
    """

    PUBLIC = "public"
    LOOPBACK = "loopback"
    PRIVATE = "private"


class UnsafeSettings(Exception):
    """The settings are not safe for this command; the message says what to change."""


class Settings(BaseSettings):
    """All settings of the hub. Names that end in `_s` are seconds."""

    model_config = SettingsConfigDict(env_prefix="URIBA_")

    # Processes
    env: Env = Field(default=Env.DEVELOPMENT, description="development or production")
    data_dir: Path = Field(default=Path(".uriba"), description="the data directory of the embedded engines")
    database_url: str | None = Field(default=None, description="postgresql://…; unset: the embedded PostgreSQL")
    valkey_url: str | None = Field(default=None, description="redis://… or unix://…; unset: the embedded Valkey")
    host: str = Field(default="127.0.0.1", description="the address that the API listens on")
    port: int = Field(default=8000, description="the port that the API listens on")
    processes: int = Field(default=1, ge=1, le=64, description="the number of API processes")
    allowed_origins: tuple[str, ...] = Field(
        default=(), description="origins of web pages that may call the API or open a WebSocket from a browser"
    )
    trusted_proxies: str = Field(
        default="", description="addresses of proxies whose X-Forwarded-For is trusted, separated by commas"
    )
    introspection: bool | None = Field(
        default=None, description="whether the API's schema can be queried; unset: only in development"
    )
    log_json: bool | None = Field(default=None, description="whether logs are JSON; unset: only in production")
    log_level: str = Field(default="INFO", description="the lowest level that is logged")

    # Database
    database_pool_size: int = Field(default=20, ge=2, le=500, description="connections of one process")
    lock_timeout_s: float = Field(default=5, description="how long a statement waits for a lock")
    statement_timeout_s: float = Field(default=15, description="how long a statement may take")
    idle_timeout_s: float = Field(
        default=30, gt=0, description="how long a transaction may be idle before PostgreSQL ends its connection"
    )

    # Limits of a request
    body_size_max: int = Field(default=4_000_000, description="bytes of a request's body")
    query_depth_max: int = Field(default=12, description="levels of nested fields")
    query_aliases_max: int = Field(default=15, description="aliases in a document")
    query_tokens_max: int = Field(default=2_000, description="tokens of a document")
    query_cost_max: int = Field(default=20_000, description="estimated cost of an operation")

    # Carts and checkout
    hold_term_s: int = Field(default=600, description="how long stock is held for a cart that is paying")
    handoff_term_s: int = Field(default=600, description="how long a handoff code can be claimed")
    handoff_guesses_max: int = Field(default=10, description="wrong codes that one caller may send in a handoff term")
    idempotency_term_s: int = Field(
        default=30 * 86_400, description="how long the answer for an idempotency key is kept"
    )
    cart_term_s: int = Field(default=90 * 86_400, description="how long a cart is kept after its last change")
    low_stock: int = Field(default=5, description="availability of up to this many units is LOW_STOCK")
    opening_hours: str = Field(
        default="09:00-21:00",
        pattern=OPENING_HOURS,
        description="opening hours of locations without their own, in the location's time; outside of them, a terminal "
        "that does not sync raises no alert",
    )
    price_variance: bool = Field(
        default=True, description="whether a till's sale at another price than the price list's opens a conflict"
    )

    # Payments
    action_poll_s: float = Field(
        default=15, description="how often a provider is asked about a payment that waits for its customer"
    )
    gateway_timeout_s: float = Field(default=10, description="how long a checkout waits for a payment provider")
    stripe_secret_key: SecretStr | None = Field(default=None, description="unset: the gateway STRIPE is off")
    stripe_webhook_secret: SecretStr | None = Field(default=None, description="the secret that signs Stripe's webhooks")
    stripe_api_base: str = Field(default="https://api.stripe.com", description="the address of Stripe's API")
    stripe_return_url: str | None = Field(
        default=None,
        description="where a bank sends customers after 3-D Secure; unset: the page does not change",
    )

    # Events and webhooks
    relay_poll_s: float = Field(default=0.5, description="how often the relay looks for events without a hint")
    live_poll_s: float = Field(default=1.0, description="how often subscriptions look at the feed without a hint")
    event_term_s: int = Field(default=90 * 86_400, description="how long the feed keeps an event")
    delivery_term_s: int = Field(default=30 * 86_400, description="how long the log of a delivery is kept")
    webhook_addresses: AllowedAddresses | None = Field(
        default=None, description="addresses that endpoints may have; unset: public in production, else loopback too"
    )
    webhook_timeout_s: float = Field(default=15, gt=0, le=30, description="how long an endpoint may take to respond")
    webhook_retry_s: tuple[float, ...] = Field(
        default=(5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400),
        min_length=1,
        max_length=50,
        description="pauses before further attempts of a delivery; when the last one fails, the endpoint is paused",
    )
    webhook_concurrency: int = Field(
        default=8, ge=1, le=100, description="deliveries sent to one endpoint at the same time"
    )
    webhook_overlap_s: int = Field(
        default=86_400, description="how long requests are signed with the old secret too after a new one"
    )
    webhook_coalesce_s: float = Field(
        default=5, description="lag from which an endpoint gets only the newest event of each stock level"
    )
    webhook_lease_s: float = Field(
        default=10, gt=0, description="time after which another worker takes over the endpoints of a dead one"
    )

    @property
    def allowed_addresses(self) -> AllowedAddresses:
        """Which addresses the hub sends requests to."""
        default = AllowedAddresses.PUBLIC if self.production else AllowedAddresses.LOOPBACK
        return self.webhook_addresses or default

    @property
    def production(self) -> bool:
        """Whether this is production."""
        return self.env is Env.PRODUCTION

    @property
    def has_sandbox(self) -> bool:
        """Whether the sandbox, the payment gateway for development, is on."""
        return not self.production

    @property
    def has_introspection(self) -> bool:
        """Whether the API's schema can be queried."""
        return not self.production if self.introspection is None else self.introspection

    def check(self) -> Settings:
        """Return the settings. Errors: `UnsafeSettings` for settings that need a package that is not installed, and
        for production with settings that are for development only.
        """
        if self.stripe_secret_key and find_spec("stripe") is None:
            raise UnsafeSettings(
                "URIBA_STRIPE_SECRET_KEY needs the package stripe, which is not installed. Install it with: "
                "pip install 'uriba[stripe]'"
            )
        if not self.production:
            return self
        if not self.database_url or not self.valkey_url:
            raise UnsafeSettings(
                "Production needs URIBA_DATABASE_URL and URIBA_VALKEY_URL: the embedded engines are for development."
            )
        if self.stripe_secret_key and not self.stripe_webhook_secret:
            raise UnsafeSettings("Production needs URIBA_STRIPE_WEBHOOK_SECRET where URIBA_STRIPE_SECRET_KEY is set.")
        if not self.stripe_api_base.startswith("https://"):
            raise UnsafeSettings("Production sends Stripe's secret key over https:// only: see URIBA_STRIPE_API_BASE.")
        if self.introspection:
            raise UnsafeSettings("Production does not start with introspection on: unset URIBA_INTROSPECTION.")
        return self


@cache
def process_settings() -> Settings:
    """Return the settings of this process, which are read once. Errors: `UnsafeSettings`."""
    return Settings().check()


def to_environment(settings: Settings) -> dict[str, str]:
    """Return the settings that are not the defaults as environment variables, for programs that this one starts."""
    variables = {}
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        if value is not None and value != field.get_default(call_default_factory=True):
            variables[f"URIBA_{name.upper()}"] = _to_text(value)
    return variables


def _to_text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return json.dumps(value) if isinstance(value, tuple) else str(value)
