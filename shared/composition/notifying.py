"""What reaches users by itself: hubs, subscriptions, webhooks."""

import random
from dataclasses import dataclass

from shared.application.push import Push
from shared.application.quotes.board import QuoteBoard
from shared.application.subscriptions import Subscriptions
from shared.application.webhooks import WebhookDeliveries, Webhooks
from shared.domain.market_data.shards import ShardMap
from shared.domain.webhooks import SigningKeys
from shared.ports.push import Hubs
from shared.ports.subscriptions import Memberships
from shared.ports.webhooks import WebhookRecords, WebhookSender


@dataclass(frozen=True)
class NotifyingPorts:
    """The ports that notifying needs."""

    hubs: Hubs | None
    memberships: Memberships | None
    """None: nothing is pushed."""
    webhooks: WebhookRecords
    webhook_sender: WebhookSender
    webhook_keys: SigningKeys | None
    """None: there are no webhooks."""
    plain_webhooks: bool
    """Whether addresses may begin with http://."""


@dataclass(frozen=True)
class Notifying:
    """The use cases."""

    push: Push
    subscriptions: Subscriptions
    webhooks: Webhooks
    webhook_deliveries: WebhookDeliveries


def wire_notifying(ports: NotifyingPorts, shards: ShardMap, board: QuoteBoard) -> Notifying:
    """One process's notifying on these ports."""
    return Notifying(
        push=Push(ports.hubs),
        subscriptions=Subscriptions(ports.memberships, shards, board),
        webhooks=Webhooks(ports.webhooks, ports.webhook_keys, plain_allowed=ports.plain_webhooks),
        webhook_deliveries=WebhookDeliveries(ports.webhooks, ports.webhook_sender, ports.webhook_keys, random.random),
    )
