"""Webhooks: their owners manage them, operators see what was given up, a timer delivers."""

from uuid import UUID

import azure.functions as func

from functions.edge.edge import Call, blueprint_of, endpoint
from functions.edge.responses import Reply
from shared.composition import application
from shared.contracts.routes import webhooks as routes
from shared.contracts.webhooks import DEAD_LETTERS, AllDeadLettersQuery, DeadLettersQuery, DeadLettersView, PutWebhook


@endpoint(routes.LIST_WEBHOOKS)
async def list_webhooks(call: Call) -> Reply:
    """All of the caller's."""
    return Reply(await call.app.webhooks.list(call.user_id))


@endpoint(routes.PUT_WEBHOOK)
async def put_webhook(call: Call[PutWebhook]) -> Reply:
    """The webhook as it is now, with its secret."""
    return Reply(await call.app.webhooks.put(call.user_id, call.id("webhook_id"), call.body))


@endpoint(routes.REMOVE_WEBHOOK)
async def remove_webhook(call: Call) -> Reply:
    """The webhook as it was."""
    return Reply(await call.app.webhooks.remove(call.user_id, call.id("webhook_id")))


@endpoint(routes.LIST_DEAD_LETTERS)
async def list_dead_letters(call: Call[None, DeadLettersQuery]) -> Reply:
    """One page, newest first."""
    return await _dead_letters(call, call.query, call.user_id, call.id("webhook_id"))


@endpoint(routes.REPLAY_DEAD_LETTERS)
async def replay_dead_letters(call: Call) -> Reply:
    """All that one webhook missed; without any left, nothing happens."""
    return Reply(await call.app.webhooks.replay(call.user_id, call.id("webhook_id"), None), 202)


@endpoint(routes.LIST_ALL_DEAD_LETTERS)
async def list_all_dead_letters(call: Call[None, AllDeadLettersQuery]) -> Reply:
    """One page of all users' or of one user's."""
    return await _dead_letters(call, call.query, call.user_id if call.query.user_id else None, None)


@endpoint(routes.REPLAY_DEAD_LETTER)
async def replay_dead_letter(call: Call) -> Reply:
    """One delivery; when it was taken meanwhile, nothing happens."""
    return Reply(await call.app.webhooks.replay(None, None, call.id("delivery_id")), 202)


async def _dead_letters(
    call: Call[None, DeadLettersQuery] | Call[None, AllDeadLettersQuery],
    query: DeadLettersQuery,
    user_id: UUID | None,
    webhook_id: UUID | None,
) -> Reply:
    after = DEAD_LETTERS.read(query.cursor, _position)
    letters, end = await call.app.webhooks.dead_letters(user_id, webhook_id, after, query.limit)
    return Reply(DeadLettersView(items=list(letters), next_cursor=end and DEAD_LETTERS.write(end)))


def _position(delivery_id: UUID) -> UUID:
    return delivery_id


blueprint = blueprint_of(
    list_webhooks,
    put_webhook,
    remove_webhook,
    list_dead_letters,
    replay_dead_letters,
    list_all_dead_letters,
    replay_dead_letter,
)


@blueprint.timer_trigger(arg_name="timer", schedule="*/5 * * * * *", use_monitor=False)
async def deliver_webhooks(timer: func.TimerRequest) -> None:
    """Every five seconds; a run that takes longer delays the next."""
    app = await application()
    await app.webhook_deliveries.run()
