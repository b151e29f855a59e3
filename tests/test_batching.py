"""Natural batching: nobody waits for a batch that has ended."""

import asyncio
from collections.abc import Sequence

from shared.batching import Batcher


async def _doubled(items: Sequence[int]) -> Sequence[int]:
    return [2 * item for item in items]


async def test_one_lane_takes_calls_one_after_another() -> None:
    batcher = Batcher(_doubled, at_once=1)
    async with asyncio.timeout(5):
        assert [await batcher.submit(item) for item in range(100)] == [2 * item for item in range(100)]


async def test_waiting_calls_share_batches_of_bounded_size() -> None:
    sizes: list[int] = []

    async def process(items: Sequence[int]) -> Sequence[int]:
        sizes.append(len(items))
        await asyncio.sleep(0)
        return items

    batcher = Batcher(process, most=8, at_once=2)
    assert await asyncio.gather(*(batcher.submit(item) for item in range(40))) == list(range(40))
    assert max(sizes) == 8
    assert sum(sizes) == 40
