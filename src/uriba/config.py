"""Settings: every one has a default that works on a developer's machine, and a URIBA_ variable."""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

OPENING_HOURS = "^(?:[01][0-9]|2[0-3]):[0-5][0-9]-(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"


class Env(StrEnum):
    """Development shows GraphiQL and has the provider TEST; production has neither."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class Addresses(StrEnum):
    """Where endpoints may be: on the internet; on this machine too; in private networks too."""

    PUBLIC = "public"
    LOOPBACK = "loopback"
    PRIVATE = "private"


class UnsafeSettings(Exception):
    """Production was asked for with settings that are not fit for it."""


class Settings(BaseSettings):
    """All settings of the hub; times in seconds."""

    model_config = SettingsConfigDict(env_prefix="URIBA_")

    env: Env = Env.DEVELOPMENT
    data_dir: Path = Path(".uriba")
    database_url: str | None = Field(default=None, description="postgresql://…; none: the embedded PostgreSQL")
    valkey_url: str | None = Field(default=None, description="redis://… or unix://…; none: the embedded Valkey")
    host: str = "127.0.0.1"
    port: int = 8000
    processes: int = Field(default=1, ge=1, le=64, description="API processes")
    allowed_origins: tuple[str, ...] = Field(
        default=(), description="origins of pages that may open a WebSocket or call from a browser"
    )
    trusted_proxies: str = Field(default="", description="whose X-Forwarded-For is believed: addresses, comma between")
    introspection: bool | None = Field(default=None, description="none: on in development, off in production")
    log_json: bool | None = Field(default=None, description="none: on in production")
    log_level: str = "INFO"

    database_pool_size: int = Field(default=20, ge=2, le=500)
    lock_timeout_s: float = 5
    statement_timeout_s: float = 15
    idle_timeout_s: float = Field(
        default=30, gt=0, description="how long PostgreSQL waits within a transaction for a process that stands still"
    )
    body_size_max: int = 4_000_000
    query_depth_max: int = 12
    query_aliases_max: int = 15
    query_tokens_max: int = 2_000
    query_cost_max: int = 20_000

    hold_term_s: int = Field(default=600, description="how long stock is held for a cart that is paying")
    handoff_term_s: int = Field(default=600, description="how long a handoff code can be claimed")
    handoff_guesses_max: int = Field(default=10, description="wrong codes of one caller in one handoff term")
    action_poll_s: float = Field(
        default=15, description="how often a provider is asked for a payment that waits for its customer"
    )
    gateway_timeout_s: float = Field(default=10, description="how long a checkout waits for a payment provider")
    stripe_secret_key: SecretStr | None = Field(default=None, description="none: the provider STRIPE is off")
    stripe_webhook_secret: SecretStr | None = Field(default=None, description="what Stripe signs its events with")
    stripe_api_base: str = "https://api.stripe.com"
    stripe_return_url: str | None = Field(
        default=None,
        description="where a bank sends customers after their second step; none: the page stays where it is",
    )
    low_stock: int = Field(default=5, description="availability up to this many units is LOW_STOCK")
    opening_hours: str = Field(
        default="09:00-21:00",
        pattern=OPENING_HOURS,
        description="when tills are missed where a location says nothing, by its own clock",
    )
    price_variance: bool = Field(
        default=True, description="whether people are told of tills that print other prices than the price list has"
    )
    idempotency_term_s: int = Field(default=30 * 86_400, description="how long an answer is kept for its key")
    cart_term_s: int = Field(default=90 * 86_400, description="how long an untouched cart lives")
    relay_poll_s: float = Field(default=0.5, description="how long the relay waits when nobody wakes it")
    live_poll_s: float = Field(
        default=1.0, description="how often subscriptions look at the feed when nobody wakes them"
    )

    event_term_s: int = Field(default=90 * 86_400, description="how long the feed keeps an event")
    delivery_term_s: int = Field(default=30 * 86_400, description="how long the log of a delivery is kept")
    webhook_addresses: Addresses | None = Field(
        default=None, description="none: public in production, loopback too in development"
    )
    webhook_timeout_s: float = Field(default=15, gt=0, le=30, description="how long a receiver may take to answer")
    webhook_retry_s: tuple[float, ...] = Field(
        default=(5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400),
        min_length=1,
        max_length=50,
        description="pauses before the next tries of a delivery; after the last one the endpoint is paused",
    )
    webhook_concurrency: int = Field(default=8, ge=1, le=100, description="deliveries under way to one endpoint")
    webhook_overlap_s: int = Field(default=86_400, description="how long an old secret signs beside a new one")
    webhook_coalesce_s: float = Field(
        default=5, description="an endpoint that lags by more gets the newest state of a level, not each"
    )
    webhook_lease_s: float = Field(default=10, gt=0, description="after so long another worker sends for a dead one")

    @property
    def addresses(self) -> Addresses:
        return self.webhook_addresses or (Addresses.PUBLIC if self.production else Addresses.LOOPBACK)

    @property
    def production(self) -> bool:
        return self.env is Env.PRODUCTION

    @property
    def has_sandbox(self) -> bool:
        """Whether the sandbox, the payment gateway for development, is on."""
        return not self.production

    @property
    def shows_schema(self) -> bool:
        return not self.production if self.introspection is None else self.introspection

    def check(self) -> Settings:
        """Refuse to start production on what is only fit for a developer's machine."""
        if not self.production:
            return self
        if not self.database_url or not self.valkey_url:
            raise UnsafeSettings(
                "Production needs URIBA_DATABASE_URL and URIBA_VALKEY_URL: the embedded engines are for development."
            )
        if self.stripe_secret_key and not self.stripe_webhook_secret:
            raise UnsafeSettings("Production needs URIBA_STRIPE_WEBHOOK_SECRET where it has URIBA_STRIPE_SECRET_KEY.")
        if not self.stripe_api_base.startswith("https://"):
            raise UnsafeSettings("Production sends Stripe's secret key over https:// only: see URIBA_STRIPE_API_BASE.")
        if self.introspection:
            raise UnsafeSettings("Production does not start with introspection on: unset URIBA_INTROSPECTION.")
        return self


@cache
def settings() -> Settings:
    """The settings of this process, read once."""
    return Settings().check()
