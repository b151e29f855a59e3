"""Which instruments are watched together: a CSV file with the columns `shard` and `instrument_id`."""

import csv
from pathlib import Path

_MOST_INSTRUMENTS = 20


class ShardFileError(Exception):
    """The file cannot be used; the message says why."""


def read_shards(path: Path) -> dict[str, tuple[str, ...]]:
    """Instruments by shard, in the order of the file. Raises ShardFileError."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [(row["shard"], row["instrument_id"]) for row in csv.DictReader(file)]
    except OSError as error:
        raise ShardFileError(f"cannot read {path}: {error.strerror}") from error
    except KeyError as error:
        raise ShardFileError(f"{path} has no column {error}") from error
    shards: dict[str, tuple[str, ...]] = {}
    for shard, instrument_id in rows:
        shards[shard] = (*shards.get(shard, ()), instrument_id)
    names = [name for _, name in rows]
    if len(set(names)) < len(names):
        raise ShardFileError(f"{path} names {max(names, key=names.count)} twice")
    if crowded := [shard for shard, members in shards.items() if len(members) > _MOST_INSTRUMENTS]:
        raise ShardFileError(f"{path}: shard {crowded[0]} has more than {_MOST_INSTRUMENTS} instruments")
    return shards
