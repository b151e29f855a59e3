"""The commit of a group of turns: one statement, fenced by the partitions' epochs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from emulators.durable.commits import LeaseLostError
from emulators.durable.records import GROUPS, Commit
from emulators.durable.store import Store


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one commit: children that were `refused` (messages), and whether its execution was `replaced`."""

    refused: frozenset[str]
    replaced: bool


async def commit_turns(store: Store, worker: str, commits: Sequence[Commit]) -> list[Answer]:
    """Commit all of them or none. Raises LeaseLostError when another worker has one of their partitions."""
    fences = {commit.partition: commit.epoch for commit in commits}
    groups: dict[str, list[Any]] = {name: [] for name in GROUPS}
    groups["fences"] = [{"partition": partition, "epoch": epoch} for partition, epoch in fences.items()]
    for commit in commits:
        for name, rows in commit.rows.items():
            groups[name] += rows
    answer = await store.commit(worker, groups)
    lost = fences.keys() - set(answer["held"])
    if lost:
        raise LeaseLostError(f"partitions {sorted(lost)} were taken over by another worker")
    refused, advanced = frozenset(map(str, answer["refused"])), frozenset(map(str, answer["advanced"]))
    return [
        Answer(refused, replaced=commit.turn_of is not None and commit.turn_of not in advanced) for commit in commits
    ]
