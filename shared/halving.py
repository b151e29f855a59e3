"""Work over a list that is halved until the item that breaks it stands alone."""

from collections.abc import Awaitable, Callable, Sequence

from shared.domain.errors import BrokerError


async def halve[Item, Result](
    items: Sequence[Item],
    work: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
    alone: Callable[[Item, Exception], Awaitable[Result]],
) -> list[Result]:
    """One result an item, in order: `work`'s, or `alone`'s for an item that `work` fails on even by itself.

    `work` must have changed nothing when it fails. A BrokerError does not concern the items (a dependency is
    unavailable), so it ends the whole and is raised.
    """
    if not items:
        return []
    try:
        return list(await work(items))
    except BrokerError:
        raise
    except Exception as error:  # noqa: BLE001 - halved until it stands alone, then handed on
        if len(items) == 1:
            return [await alone(items[0], error)]
    middle = len(items) // 2
    first = await halve(items[:middle], work, alone)
    return first + await halve(items[middle:], work, alone)
