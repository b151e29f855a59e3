"""Settings, read once from the app settings (environment variables) that Azure and the sandbox set alike."""

from datetime import timedelta
from functools import cache
from typing import Self

from pydantic import AliasChoices, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.application.timing import Timing


class Settings(BaseSettings):
    """One attribute a setting; the name in capitals is the app setting's."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    postgres_url: str
    """libpq URI; in Azure without a password: the managed identity's token is used."""
    postgres_pool: int = Field(default=8, ge=1, le=100)
    redis_url: str
    """In Azure `rediss://` without a password: the managed identity's token is used."""
    redis_cluster: bool = False
    """Whether the server is a cluster, of which `redis_url` names one node."""
    service_bus_connection: str | None = None
    service_bus_namespace: str | None = Field(
        default=None, validation_alias=AliasChoices("SERVICE_BUS_CONNECTION__fullyQualifiedNamespace")
    )
    service_bus_admin_connection: str | None = None
    """Where queue figures are asked, when that is another endpoint than the queues'."""
    service_bus_admin_ca: str | None = None
    """PEM file with the certificate authority of that endpoint; None: the system's authorities."""
    signalr_connection: str | None = None
    signalr_service_uri: str | None = Field(
        default=None, validation_alias=AliasChoices("SIGNALR_CONNECTION__serviceUri")
    )
    webhook_keys: str | None = None
    """Base64 of 32 bytes or more each, separated by commas, the newest first, from which webhooks' secrets are made."""
    webhook_private_addresses: bool = False
    """Whether deliveries may go to private addresses and over http: never where strangers are users."""
    cosmos_connection: str | None = None
    cosmos_endpoint: str | None = Field(
        default=None, validation_alias=AliasChoices("COSMOS_CONNECTION__accountEndpoint")
    )
    cosmos_database: str = "broker"
    cosmos_region: str | None = None
    """The nearest region of an account that has several, as Azure names it: `Central India`."""
    entra_issuer: str
    entra_audience: str
    entra_jwks_url: str
    exchange_api_url: str | None = None
    """The venue's own records, for reconciliation."""
    exchange_answer_deadline_s: float = Field(default=6.0, gt=0)
    """Longer than `exchange_expire_after_s`: the first status answer after that decides."""
    exchange_expire_after_s: float = Field(default=5.0, gt=0)
    exchange_reports_settled_s: float = Field(default=8.0, gt=0)
    market_sessions: str = "nse"
    market_stream_waiting: int = Field(default=50, ge=1)
    """Polls of the ticker that may wait in one process: half of the concurrent calls that an instance takes."""
    sagas_in_flight: int = Field(default=8, ge=1)
    orders_per_saga: int = Field(default=200, ge=1, le=200)

    @model_validator(mode="after")
    def _answer_is_due_after_expiry(self) -> Self:
        if self.exchange_answer_deadline_s <= self.exchange_expire_after_s:
            raise ValueError(
                f"EXCHANGE_ANSWER_DEADLINE_S ({self.exchange_answer_deadline_s:g}) must be greater than "
                f"EXCHANGE_EXPIRE_AFTER_S ({self.exchange_expire_after_s:g}): until an order has expired at the "
                "exchange, silence about it decides nothing"
            )
        return self

    @property
    def timing(self) -> Timing:
        """Deadlines from the settings."""
        return Timing(
            answer=timedelta(seconds=self.exchange_answer_deadline_s),
            expire_after=timedelta(seconds=self.exchange_expire_after_s),
            settled=timedelta(seconds=self.exchange_reports_settled_s),
        )


@cache
def settings() -> Settings:
    """The process's settings. Raises pydantic.ValidationError naming what is missing."""
    return Settings()
