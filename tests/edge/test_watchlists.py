"""Watchlists over HTTP: what a list may be, and how it is answered."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from functions.watchlists import create_watchlist, delete_watchlist, list_watchlists, replace_watchlist
from shared.adapters.reference import load_reference_data
from shared.application.watchlists import Watchlists
from shared.contracts.watchlists import WatchlistPage
from shared.domain.watchlists import Watchlist
from tests.edge.support import App, call
from tests.edge.test_edge import assert_problem

ONE = {"watchlist_id": "01935d3a-0000-7000-8000-000000000001"}
_AT = datetime(2026, 11, 23, tzinfo=UTC)


class Store:
    """`WatchlistStore` that has one list of everybody, and takes every change."""

    async def all(self, user_id: UUID) -> list[Watchlist]:
        return [Watchlist(UUID(ONE["watchlist_id"]), "Banks", ("NSE:SBIN",), 3, _AT, _AT)]

    async def create(self, user_id: UUID, watchlist_id: UUID, name: str, instruments: list[str]) -> Watchlist:
        return Watchlist(watchlist_id, name, tuple(instruments), 1, _AT, _AT)

    async def replace(
        self, user_id: UUID, watchlist_id: UUID, version: int, name: str, instruments: list[str]
    ) -> Watchlist:
        return Watchlist(watchlist_id, name, tuple(instruments), version + 1, _AT, _AT)

    async def delete(self, user_id: UUID, watchlist_id: UUID, version: int) -> Watchlist:
        return (await self.all(user_id))[0]


@pytest.fixture
def served(app: App) -> App:
    store: Any = Store()
    app.watchlists = Watchlists(store, store, load_reference_data().instruments)
    return app


async def test_lists_are_made_changed_and_deleted(served: App) -> None:
    created = await call(create_watchlist, body={"name": "Banks", "instruments": ["NSE:SBIN", "NSE:M&M"]})
    assert (created.status, created.json["version"]) == (201, 1)
    assert (await call(create_watchlist, body={"name": "Empty"})).json["instruments"] == []
    changed = await call(replace_watchlist, path=ONE, body={"version": 3, "name": "Banks", "instruments": []})
    assert (changed.status, changed.json["version"]) == (200, 4)
    assert (await call(delete_watchlist, path=ONE, query={"version": "3"})).json["instruments"] == ["NSE:SBIN"]
    page = WatchlistPage.model_validate_json((await call(list_watchlists)).body)
    assert [each.name for each in page.items] == ["Banks"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": " "}, "name"),
        ({"name": "A" * 41}, "name"),
        ({"name": "A\nB"}, "name"),
        ({"name": "A", "instruments": ["NSE:SBIN", "NSE:SBIN"]}, "instruments"),
        ({"name": "A", "instruments": [f"NSE:A{number}" for number in range(101)]}, "instruments"),
        ({"name": "A", "instruments": ["sbin"]}, "instruments.0"),
        ({"name": "A", "version": 1}, "version"),
    ],
)
async def test_malformed_list_names_its_field(served: App, body: Any, field: str) -> None:
    problem = assert_problem(await call(create_watchlist, body=body), 400, "VALIDATION_FAILED")
    assert problem.details["field"] == field


async def test_change_names_the_version_it_was_made_on(served: App) -> None:
    refused = await call(replace_watchlist, path=ONE, body={"name": "Banks", "instruments": []})
    assert assert_problem(refused, 400, "VALIDATION_FAILED").details["field"] == "version"
    assert_problem(await call(delete_watchlist, path=ONE), 400, "VALIDATION_FAILED")
    assert_problem(await call(delete_watchlist, path=ONE, query={"version": "01"}), 400, "VALIDATION_FAILED")
    assert_problem(await call(delete_watchlist, path={"watchlist_id": "1"}, query={"version": "1"}), 404, "NOT_FOUND")
