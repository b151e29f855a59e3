"""`Outbox`: what was committed is found until it is marked as sent."""

from datetime import timedelta

from tests.contract.conftest import Store
from tests.support.values import cancel_requested, refused

_NOW, _HOUR = timedelta(0), timedelta(hours=1)


async def test_messages_are_found_oldest_first_until_sent(store: Store) -> None:
    key = await store.place(await store.open())
    first = (await store.send(await store.take_waiting(), key)).outbox
    second = (await store.submit(key, cancel_requested())).outbox
    messages = [*first, *second]
    assert len(messages) == 2
    assert await store.outbox.unsent_messages(_HOUR, 9) == []
    assert await store.outbox.unsent_messages(_NOW, 9) == messages
    assert await store.outbox.unsent_messages(_NOW, 1) == messages[:1]
    for _ in range(2):
        await store.outbox.messages_sent([messages[0].message_id])
    assert await store.outbox.unsent_messages(_NOW, 9) == messages[1:]


async def test_effects_are_found_by_commit_until_published(store: Store) -> None:
    users = sorted([await store.open(), await store.open()])
    deposits, opened = await store.outbox.unsent_effects(_NOW, 9)
    assert [effect.user_id for effect in opened] == users
    assert len(deposits) == 2
    await store.outbox.effects_sent(deposits)
    commits = []
    for user in users[::-1]:
        key = await store.place(user)
        await store.outbox.effects_sent((await store.outbox.unsent_effects(_NOW, 1))[0])
        commits.append(await store.submit(key, refused()))
        if user is users[-1]:
            assert await store.outbox.unsent_effects(_HOUR, 9) == (set(), [])
            assert await store.outbox.unsent_effects(_NOW, 9) == (set(commits[0].effects_of), list(commits[0].effects))
            await store.outbox.effects_sent(commits[0].effects_of)
    ids, effects = await store.outbox.unsent_effects(_NOW, 9)
    assert (ids, effects) == (set(commits[1].effects_of), list(commits[1].effects))
    for _ in range(2):
        await store.outbox.effects_sent(ids)
    assert await store.outbox.unsent_effects(_NOW, 9) == (set(), [])
