"""Batches of several users when another transaction has locked a user's row: no other user's items wait for it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol
from uuid import UUID

from shared.ports.books import UsersBusyError


class Work[Item, Result](Protocol):
    """One result an item, in order; with `brief` it may raise UsersBusyError and then has changed nothing."""

    async def __call__(self, items: Sequence[Item], /, *, brief: bool) -> Sequence[Result]: ...


async def apart[Item, Result](
    items: Sequence[Item], user_of: Callable[[Item], UUID | None], work: Work[Item, Result]
) -> list[Result]:
    """One result an item, in order. Items of locked users are worked on after the others, each user's by themselves.

    Raises what `work` raises, once everything else is done.
    """
    if len({user_of(item) for item in items}) <= 1:
        return list(await work(items, brief=False))
    try:
        return list(await work(items, brief=True))
    except UsersBusyError as error:
        busy = error.users
    calm = [item for item in items if user_of(item) not in busy]
    groups = [[item for item in items if user_of(item) == user] for user in busy]
    results = dict(zip(map(id, calm), await apart(calm, user_of, work), strict=True)) if calm else {}
    waited = await asyncio.gather(*(_waiting(group, work) for group in groups), return_exceptions=True)
    for group, outcome in zip(groups, waited, strict=True):
        if isinstance(outcome, BaseException):
            raise outcome
        results |= zip(map(id, group), outcome, strict=True)
    return [results[id(item)] for item in items]


async def without_locked[Item, Result](
    items: Sequence[Item], user_of: Callable[[Item], UUID | None], work: Work[Item, Result]
) -> list[Result | None]:
    """One result an item, in order; None for those of locked users, which were not worked on.

    Items of one user alone wait. Raises what `work` raises.
    """
    if len({user_of(item) for item in items}) <= 1:
        return list(await work(items, brief=False))
    try:
        return list(await work(items, brief=True))
    except UsersBusyError as error:
        busy = error.users
    calm = [item for item in items if user_of(item) not in busy]
    results = iter(await without_locked(calm, user_of, work) if calm else ())
    return [None if user_of(item) in busy else next(results) for item in items]


def _waiting[Item](group: Sequence[Item], work: Work[Item, Any]) -> Awaitable[Sequence[Any]]:
    return work(group, brief=False)
