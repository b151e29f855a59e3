"""How to reach Service Bus: a connection string, or a namespace with the app's managed identity."""

from dataclasses import dataclass, field

from azure.servicebus.aio import ServiceBusClient

from shared.adapters.azure_identity import ManagedIdentity

_RETRIES = 1


@dataclass(frozen=True, slots=True)
class BusConnection:
    """Exactly one of connection string and namespace is set."""

    connection_string: str | None = None
    namespace: str | None = None
    identity: ManagedIdentity = field(default_factory=ManagedIdentity)

    def client(self) -> ServiceBusClient:
        """A new client; the caller closes it."""
        if self.connection_string:
            return ServiceBusClient.from_connection_string(
                self.connection_string, retry_total=_RETRIES, retry_backoff_factor=0.1
            )
        if self.namespace:
            return ServiceBusClient(
                self.namespace, self.identity.credential, retry_total=_RETRIES, retry_backoff_factor=0.1
            )
        raise ValueError("SERVICE_BUS_CONNECTION or SERVICE_BUS_CONNECTION__fullyQualifiedNamespace must be set")
