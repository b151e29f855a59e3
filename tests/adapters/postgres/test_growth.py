"""What a statement reads does not grow with the history, whoever plans it."""

import asyncio

import pytest
import structlog

from bench.growth.history import fill_history
from bench.growth.reading import Readings, grown, named_statements
from bench.growth.workload import read_everything
from tests.support.databases import Template

# Seldom sent: settings, single rows by key, and what the nightly round does.
NOT_READ = {
    *("books/load_balances", "books/load_entries", "books/insert_parked", "books/insert_doubts", "books/settle_doubts"),
    *("books/close_doubts", "order_sagas/finish", "market/offset", "replies/store_reply", "backlog/parked"),
    *("ledger/plan_for_sums", "ledger/begin_checkpoint", "ledger/take_checkpoint", "reconciliation/executions"),
    *(
        "missing_reports/move",
        "books/lock_free_users",
        "health/write",
        "order_sagas/swept",
        "missing_reports/positions",
    ),
    *("housekeeping/alone", "housekeeping/present", "housekeeping/partitions", "housekeeping/needed_since"),
    "housekeeping/idempotent_answers",
    # Single webhooks and deliveries by key, and dead letters, of which there are few.
    *("webhooks/put", "webhooks/lock_owner", "webhooks/remove", "webhooks/disable", "webhooks/queue", "webhooks/reach"),
    *("webhooks/delivered", "webhooks/failed", "webhooks/dead_letters", "webhooks/replay", "housekeeping/dead_letters"),
    # Of accounts that are new.
    "books/insert_accounts",
    # Frames of the market feed that cannot be read.
    *("parked_events/park", "parked_events/trim"),
    # Put together from parts; there are few orders in doubt.
    *("doubts/records", "doubts/open", "doubts/closed", "doubts/of_order"),
    *("books/restate_trades", "books/load_costs"),
    # By key, for products that no order may name yet.
    "positions/positions",
    # At most ten rows of a user, by key, and no order among them.
    *("watchlists/all", "watchlists/get", "watchlists/create", "watchlists/replace", "watchlists/delete"),
}


@pytest.fixture(scope="module")
def compared(migrated: Template, request: pytest.FixtureRequest) -> tuple[Readings, Readings]:
    small, large = (_read(migrated, size) for size in request.config.getoption("--growth-orders"))
    return small, large


def _read(migrated: Template, orders: int) -> Readings:
    url = migrated.copy()
    try:
        with structlog.testing.capture_logs():
            asyncio.run(fill_history(url, orders))
            return asyncio.run(read_everything(url))
    finally:
        migrated.drop(url)


def test_no_statement_reads_more_in_a_longer_history(compared: tuple[Readings, Readings]) -> None:
    small, large = compared
    assert grown(small, large) == {}


def test_every_statement_of_the_adapters_is_compared(compared: tuple[Readings, Readings]) -> None:
    named = named_statements().keys()
    assert named - NOT_READ - compared[0].keys() == set()
    assert compared[0].keys() == compared[1].keys()
