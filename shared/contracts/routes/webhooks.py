"""Webhooks."""

from typing import Final

from shared.contracts.routes.route import OPERATORS, STAFF, Route
from shared.contracts.webhooks import (
    AllDeadLettersQuery,
    DeadLettersQuery,
    DeadLettersView,
    PutWebhook,
    ReplayedView,
    WebhooksView,
    WebhookView,
    WebhookWithSecret,
)

LIST_WEBHOOKS: Final = Route[None, None](
    "list_webhooks", "GET", "webhooks", "Your webhooks, and how much waits for each", {200: WebhooksView}
)
PUT_WEBHOOK: Final = Route[PutWebhook, None](
    "put_webhook",
    "PUT",
    "webhooks/{webhook_id}",
    "Create or change a webhook, or give it a new secret",
    {200: WebhookWithSecret},
    body=PutWebhook,
    errors=(404, 409),
)
REMOVE_WEBHOOK: Final = Route[None, None](
    "remove_webhook",
    "DELETE",
    "webhooks/{webhook_id}",
    "Remove a webhook with what waits for it",
    {200: WebhookView},
    errors=(404,),
)
LIST_DEAD_LETTERS: Final = Route[None, DeadLettersQuery](
    "list_dead_letters",
    "GET",
    "webhooks/{webhook_id}/dead-letters",
    "Deliveries that were given up, newest first",
    {200: DeadLettersView},
    query=DeadLettersQuery,
    errors=(404,),
)
REPLAY_DEAD_LETTERS: Final = Route[None, None](
    "replay_dead_letters",
    "POST",
    "webhooks/{webhook_id}/replay",
    "Deliver again what was given up",
    {202: ReplayedView},
    errors=(404,),
)
LIST_ALL_DEAD_LETTERS: Final = Route[None, AllDeadLettersQuery](
    "list_all_dead_letters",
    "GET",
    "operations/webhook-dead-letters",
    "Deliveries to webhooks that were given up, newest first",
    {200: DeadLettersView},
    query=AllDeadLettersQuery,
    roles=STAFF,
    others=STAFF,
)
REPLAY_DEAD_LETTER: Final = Route[None, None](
    "replay_dead_letter",
    "POST",
    "operations/webhook-dead-letters/{delivery_id}/replay",
    "Deliver again one that was given up",
    {202: ReplayedView},
    roles=OPERATORS,
    errors=(404,),
)

ROUTES: Final = (
    LIST_WEBHOOKS,
    PUT_WEBHOOK,
    REMOVE_WEBHOOK,
    LIST_DEAD_LETTERS,
    REPLAY_DEAD_LETTERS,
    LIST_ALL_DEAD_LETTERS,
    REPLAY_DEAD_LETTER,
)
