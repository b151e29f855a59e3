"""Webhooks over HTTP, and the message that a receiver gets."""

from typing import Annotated, Final

from pydantic import Field, StringConstraints

from shared.contracts.common import Body, Id, Instant, PageQuery, UserRef, View
from shared.contracts.cursors import ID, CursorFormat
from shared.domain.ledger.changes import EffectKind
from shared.domain.webhooks import DisabledBy

DEAD_LETTERS: Final = CursorFormat(ID)
_NAME: Final = "[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?"
_PORT: Final = "(:([1-9][0-9]{0,3}|[1-5][0-9]{4}))?"
_PATH: Final = r"(/[A-Za-z0-9._~:/?@!$&'()*+,;=%-]*)?"

type WebhookUrl = Annotated[
    str,
    StringConstraints(pattern=f"^https?://{_NAME}{_PORT}{_PATH}$", max_length=500),
    Field(description="Begins with https://", examples=["https://example.org/broker"]),
]


class PutWebhook(Body):
    """A webhook as it is from now on."""

    url: WebhookUrl
    kinds: Annotated[
        list[EffectKind], Field(max_length=8, description="Which changes it gets; empty: all", default_factory=list)
    ]
    enabled: Annotated[bool, Field(description="false keeps it without delivering")] = True
    secret_number: Annotated[
        int,
        Field(ge=1, le=1_000_000, description="One more than now makes a new secret; the old one signs for 24 h more"),
    ] = 1


class WebhookView(View):
    """An address that gets your changes."""

    webhook_id: Id
    url: str
    kinds: list[str]
    enabled: bool
    disabled_by: Annotated[DisabledBy | None, Field(description="GONE: its server answered 410")]
    secret_number: int
    created_at: Instant
    waiting: Annotated[int, Field(description="Deliveries that were not taken yet")]
    dead_letters: Annotated[int, Field(description="Deliveries that were given up")]


class WebhookWithSecret(WebhookView):
    """What to verify deliveries with, beside the webhook."""

    secret: Annotated[str, Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])]


class WebhooksView(View):
    """All of yours."""

    items: list[WebhookView]


class DeadLettersQuery(PageQuery):
    """Which deliveries that were given up, newest first."""

    cursor: Annotated[str, DEAD_LETTERS] | None = None


class AllDeadLettersQuery(DeadLettersQuery):
    """Of one user, or of all."""

    user_id: UserRef | None = None


class DeadLetterView(View):
    """A delivery that was given up."""

    delivery_id: Id
    webhook_id: Id
    user_id: Id
    sequence: int
    kind: str
    attempts: int
    last_error: str
    dead_at: Instant


class DeadLettersView(View):
    """One page."""

    items: list[DeadLetterView]
    next_cursor: str | None


class ReplayedView(View):
    """How many are delivered again; a webhook that is disabled is not delivered to."""

    replayed: int
