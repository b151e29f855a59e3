"""Where market data lies in Redis. Everything of a shard has one hash tag, so that one script can move it atomically.

| key | type | holds |
|---|---|---|
| `q:{s000}` | hash | instrument -> packed `Quote` |
| `p:{s000}` | hash | instrument -> packed `Progress`: up to which event its candles are counted, and what is missing |
| `c:{s000}:NSE:INFY` | hash | `start/session` -> packed `Candle` that history has not confirmed, open or closed |
| `h:{s000}` | string | packed `ShardState` of the newest heartbeat |
| `v:{s000}` | string | version of the four above: a new one with every change, never the same again |
| `mute:{s000}` | string | the heartbeat whose silence has been reported; expires |
| `market:{s000}` | channel | a message without content after every change of a quote, of the phase or of the epoch |

Packed is MessagePack. Only ingest writes the first five (`market_shards.py`), with a script that compares the version
first. Losing all of it loses nothing: keyframes bring quotes back, the venue's resend brings candles back.
"""

from typing import Final

import msgspec

from shared.domain.market_data.book import Progress
from shared.domain.market_data.candles import Candle, CandleKey
from shared.domain.market_data.quotes import Quote
from shared.domain.market_data.shards import ShardState

pack: Final = msgspec.msgpack.Encoder().encode


unpack_quote: Final = msgspec.msgpack.Decoder(Quote).decode
"""Inverse of `pack`, as the next three. Raises msgspec.ValidationError for what an incompatible version wrote."""
unpack_progress: Final = msgspec.msgpack.Decoder(Progress).decode
unpack_candle: Final = msgspec.msgpack.Decoder(Candle).decode
unpack_state: Final = msgspec.msgpack.Decoder(ShardState).decode


def quotes_key(shard: str) -> str:
    return f"q:{{{shard}}}"


def progress_key(shard: str) -> str:
    return f"p:{{{shard}}}"


def candles_key(shard: str, instrument_id: str) -> str:
    return f"c:{{{shard}}}:{instrument_id}"


def candle_field(key: CandleKey) -> str:
    return f"{key.start}/{key.session}"


def heartbeat_key(shard: str) -> str:
    return f"h:{{{shard}}}"


def version_key(shard: str) -> str:
    return f"v:{{{shard}}}"


def mute_key(shard: str) -> str:
    return f"mute:{{{shard}}}"


def channel(shard: str) -> str:
    return f"market:{{{shard}}}"
