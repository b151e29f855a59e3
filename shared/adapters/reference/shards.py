"""Shards of the market feed: `market_shards.csv`."""

import csv
from pathlib import Path

from shared.adapters.reference.entry import Entry, ReferenceDataError, naming, read_text, word
from shared.domain.instruments.master import InstrumentMaster
from shared.domain.market_data.shards import ShardMap


def load_shards(folder: Path, instruments: InstrumentMaster) -> ShardMap:
    """Every instrument of the master in exactly one shard, at most 20 in each. Raises ReferenceDataError."""
    path = folder / "market_shards.csv"
    with naming(path.name):
        rows = csv.DictReader(read_text(path).splitlines(), strict=True)
        shards = ShardMap(_pair(Entry(f"{path.name}, line {rows.line_num}", dict(row))) for row in rows)
    listed = {each for shard in shards.shards for each in shards.instruments_of(shard)}
    for kind, ids in (("not in any shard", instruments.ids - listed), ("no instrument", listed - instruments.ids)):
        if ids:
            raise ReferenceDataError(f"{path.name}: {', '.join(sorted(ids))}: {kind}")
    return shards


def _pair(row: Entry) -> tuple[str, str]:
    return row.read("shard", word), row.read("instrument_id", word)
