"""The demo users' opening deposits."""

from uuid import uuid5

import psycopg

from sandbox.demo import DEMO_FILE, Demo
from sandbox.seed import seed


async def test_deposits_are_posted_once_under_lasting_ids(postgres_url: str) -> None:
    demo = Demo.read(DEMO_FILE)
    assert await seed(postgres_url, demo) == len(demo.users)
    with psycopg.connect(postgres_url) as connection:
        entries = "SELECT entry_id FROM transfers WHERE user_id = %s AND asset = 'INE009A01021'"
        alice = demo.user("alice").id
        # Data folders carry these ids: with others, the next start would deposit everything again.
        assert connection.execute(entries, (alice,)).fetchall() == [(uuid5(alice, "opening deposit/NSE:INFY"),)]
        before = connection.execute("SELECT count(*), sum(amount) FROM transfers").fetchone()
        connection.commit()
        assert await seed(postgres_url, demo) == 0
        assert connection.execute("SELECT count(*), sum(amount) FROM transfers").fetchone() == before
