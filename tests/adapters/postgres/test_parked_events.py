"""Bad events of the market feed: each is kept once, the newest thousand of them."""

from datetime import UTC, datetime

import psycopg

from shared.adapters.postgres.backlog import PostgresBacklog
from shared.adapters.postgres.database import Database
from shared.adapters.postgres.parked_events import PostgresParkedEvents
from shared.ports.parked_events import FeedEvent, ParkedEvent


def bad(offset: int, body: bytes = b"\xc1", reason: str = "no frame") -> ParkedEvent:
    return ParkedEvent(FeedEvent("3", str(offset), datetime.now(UTC), body), reason)


async def test_replayed_bad_event_is_kept_once(database: Database, postgres_url: str) -> None:
    parked = PostgresParkedEvents(database)
    await parked.park([bad(1), bad(2, b"x" * 100_000)])
    await parked.park([bad(2, reason="again"), bad(3)])
    with psycopg.connect(postgres_url) as connection:
        rows = connection.execute(
            'SELECT "offset", octet_length(body), reason FROM parked_market_events ORDER BY 1'
        ).fetchall()
    assert rows == [("1", 1, "no frame"), ("2", 65_536, "no frame"), ("3", 1, "no frame")]


async def test_newest_thousand_bad_events_are_kept(database: Database, postgres_url: str) -> None:
    parked = PostgresParkedEvents(database)
    for first in range(0, 1500, 100):
        await parked.park([bad(each) for each in range(first, first + 100)])
    with psycopg.connect(postgres_url) as connection:
        [(count, oldest)] = connection.execute(
            'SELECT count(*), min("offset"::int) FROM parked_market_events'
        ).fetchall()
    assert (count, oldest) == (1000, 500)
    waiting = {each.name: each.waiting for each in await PostgresBacklog(database).tables()}
    assert waiting["parked_market_events"] == 1000
