"""Trades as their owner reads them."""

from datetime import date

from shared.adapters.postgres.notifications import PostgresStreams
from shared.adapters.postgres.trades import PostgresTrades
from shared.application.trades import Trades
from shared.contracts.trades import TradeView
from shared.domain.ledger.changes import EffectKind
from shared.ports.trades import TradeFilter
from tests.support.busy import BusyBroker
from tests.verify.world import ALICE, BOB, DAY

_ALL = TradeFilter()


def _trades(busy: BusyBroker) -> Trades:
    return Trades(PostgresTrades(busy.database))


async def test_trades_are_what_clients_were_told(busy: BusyBroker) -> None:
    trades, position = await _trades(busy).page(ALICE, _ALL, None, 50)
    effects = (await PostgresStreams(busy.database).page(ALICE, 0, 1_000)).effects
    published = [effect.payload for effect in effects if effect.kind is EffectKind.TRADE]
    assert [trade.model_dump() for trade in trades] == published[::-1] != []
    assert position is None


async def test_pages_of_one_give_every_trade_once(busy: BusyBroker) -> None:
    # The same instant for all, so that only the tie-breakers order them.
    busy.execute("UPDATE trades SET executed_at = '2026-11-20T05:00:00Z', user_id = order_id")
    busy.execute(f"UPDATE trades SET user_id = '{ALICE}'")
    seen: list[TradeView] = []
    found, position = await _trades(busy).page(ALICE, _ALL, None, 1)
    seen.extend(found)
    while position is not None:
        found, position = await _trades(busy).page(ALICE, _ALL, position, 1)
        seen.extend(found)
    assert len({trade.trade_id for trade in seen}) == len(seen) == 4


async def test_filters_restrict_instrument_and_dates(busy: BusyBroker) -> None:
    day = date.fromisoformat(DAY)
    cases = {
        TradeFilter(instrument_id="NSE:SBIN"): 1,
        TradeFilter(instrument_id="NSE:TCS"): 0,
        TradeFilter(from_date=day, to_date=day): 2,
        TradeFilter(from_date=date(2026, 11, 21)): 0,
        TradeFilter(to_date=date(2026, 11, 19)): 0,
    }
    for wanted, count in cases.items():
        assert len((await _trades(busy).page(BOB, wanted, None, 50))[0]) == count
