"""Where market data lies in Redis. Everything of a shard has one hash tag, so that one script can move it atomically.

| key | type | holds |
|---|---|---|
| `q:{s000}` | hash | instrument -> packed `Quote`; its (epoch, sequence) is the instrument's watermark |
| `c:{s000}` | hash | `instrument/start/session` -> packed `Candle` that history has not confirmed, open or closed |
| `g:{s000}` | hash | instrument -> packed list of gaps that are not closed yet |
| `h:{s000}` | string | packed `ShardState` of the newest heartbeat |
| `v:{s000}` | string | version of the four above: a new one with every change, never the same again |
| `mute:{s000}` | string | the heartbeat whose silence has been reported; expires |
| `market:{s000}` | channel | a message, without content, after every change of quotes, of phase or of epoch |

Packed is MessagePack. Only ingest writes (`shards.py`), with a script that compares the version first. Losing all of it
loses nothing: keyframes bring quotes back, the venue's resend brings candles back.
"""


def quotes_key(shard: str) -> str:
    return f"q:{{{shard}}}"


def candles_key(shard: str) -> str:
    return f"c:{{{shard}}}"


def gaps_key(shard: str) -> str:
    return f"g:{{{shard}}}"


def heartbeat_key(shard: str) -> str:
    return f"h:{{{shard}}}"


def version_key(shard: str) -> str:
    return f"v:{{{shard}}}"


def mute_key(shard: str) -> str:
    return f"mute:{{{shard}}}"


def channel(shard: str) -> str:
    return f"market:{{{shard}}}"
