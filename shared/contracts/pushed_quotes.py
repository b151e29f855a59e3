"""Market data as the hub `market` sends it: messages that the service bills as one, of 2 KB at most.

quotes, of a list  {"shard", "mode": "list", "epoch", "quotes": [{"instrument_id", "sequence", "last_price", "volume"}]}
quotes, of a page  {"shard", "mode": "full", "epoch", "quotes": [FullQuote]}
status             {"shard", "phase", "as_of", "stale"}
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

import orjson

from shared.contracts.quote_writing import WrittenQuote, join_quotes
from shared.domain.market_data.quotes import Quote
from shared.domain.market_data.shards import ShardState
from shared.domain.times import wire_microseconds

MOST_BYTES: Final = 2048
_ENVELOPE: Final = len(b'{"type":1,"target":"quotes","arguments":[]}\x1e')
"""What the hub protocol adds to the argument."""


def list_frames(shard: str, quotes: Iterable[Quote]) -> Iterator[bytes]:
    """As few frames as hold them, each of one epoch."""
    for epoch, some in groupby(sorted(quotes, key=lambda quote: quote.mark), key=lambda quote: quote.epoch):
        written = [_brief(quote) for quote in some]
        yield from _packed(_head(shard, "list", epoch), written)


def page_frames(shard: str, quotes: Iterable[Quote]) -> Iterator[bytes]:
    """A frame for each instrument, with its book."""
    for quote in quotes:
        yield b"%b%b]}" % (_head(shard, "full", quote.epoch), join_quotes("full", [(WrittenQuote(quote), False)]))


def status_frames(state: ShardState, *, stale: bool) -> Iterator[bytes]:
    """What the shard's newest heartbeat said, and whether no other has come for too long."""
    yield orjson.dumps(
        {"shard": state.shard, "phase": state.phase, "as_of": wire_microseconds(state.sent_at), "stale": stale}
    )


def _brief(quote: Quote) -> bytes:
    paise = quote.last_price
    price = "null" if paise is None else f'"{paise // 100}.{paise % 100:02d}"'
    return (
        f'{{"instrument_id":"{quote.instrument_id}","sequence":{quote.sequence},"last_price":{price},'
        f'"volume":{quote.volume}}}'
    ).encode()


def _head(shard: str, mode: str, epoch: int) -> bytes:
    return f'{{"shard":"{shard}","mode":"{mode}","epoch":{epoch},"quotes":['.encode()


def _packed(head: bytes, written: Sequence[bytes]) -> Iterator[bytes]:
    room = MOST_BYTES - _ENVELOPE - len(head) - len(b"]}")
    some: list[bytes] = []
    for each in written:
        if some and len(each) + sum(map(len, some)) + len(some) > room:
            yield b"%b%b]}" % (head, b",".join(some))
            some = []
        some.append(each)
    if some:
        yield b"%b%b]}" % (head, b",".join(some))
