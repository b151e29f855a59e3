"""The path of a few orders, and every list and look-up, through the shipped adapters."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from bench.growth.history import COMMON, OWNER, RARE, newest_ids, place
from bench.growth.reading import Readings, readings
from shared.adapters.postgres.backlog import PostgresBacklog
from shared.adapters.postgres.database import Database
from shared.adapters.postgres.funds import PostgresFunds
from shared.adapters.postgres.health import PostgresProgress
from shared.adapters.postgres.ledger import PostgresLedger
from shared.adapters.postgres.missing_reports import PostgresLanePositions
from shared.adapters.postgres.notifications import PostgresStreams
from shared.adapters.postgres.portfolios import PostgresPortfolios
from shared.adapters.postgres.reconciliation import PostgresTradeDay
from shared.adapters.postgres.replies import PostgresReplies
from shared.adapters.postgres.sagas import PostgresSagas
from shared.adapters.postgres.trades import PostgresTrades
from shared.adapters.postgres.webhooks import PostgresWebhooks
from shared.domain.ledger.accounts import Account
from shared.domain.orders.events import CancelRequested, HandedToRecovery
from shared.domain.orders.order import OrderKey, Status
from shared.domain.sagas import SagaState
from shared.ports.books import Claim
from shared.ports.missing_reports import IssuedReports
from shared.ports.orders import Inquiry, OrderFilter
from shared.ports.trades import TradeFilter
from tests.support.broker import Broker, a_user, fill, report
from tests.support.values import INFY

_PAGE, _ASKED, _DEPTH = 10, 100, 5
_ORDERS = 8


async def read_everything(url: str) -> Readings:
    """Run all of it once on a filled database; what each statement read."""
    asked = newest_ids(url, _ASKED)
    with readings() as found:
        database = Database(url, most=1)
        await database.open()
        try:
            broker = Broker(database, url)
            saga_id, keys = await _main_road(broker)
            await PostgresLanePositions(database).behind([IssuedReports(key, 99) for key in keys])
            await _own_lists(database, broker, keys[0])
            await _staff_lists(database, asked, saga_id)
            await _webhooks(database)
        finally:
            await database.close()
    return found


async def _main_road(broker: Broker) -> tuple[UUID, list[OrderKey]]:
    users = [OWNER, *(a_user(number) for number in range(1, 4))]
    claims = [Claim(user, uuid4().hex, uuid4().hex) for user in users]
    await broker.orders.inquire([Inquiry(claim, INFY) for claim in claims])
    keys = [await place(broker, user) for user in users * (_ORDERS // len(users))]
    saga_id = await broker.take_waiting()
    assert saga_id is not None
    await broker.saga.reserve_funds(saga_id, broker.sagas)
    await broker.saga.submit_to_exchange(saga_id, broker.sagas)
    await broker.receive(*(report(key) for key in keys))
    await broker.receive(*(fill(key, quantity=4, cum=4) for key in keys))
    await broker.receive(*(fill(key, quantity=6, cum=10) for key in keys[2:]))
    await broker.records.unanswered(saga_id)
    await broker.records.confirm(saga_id)
    now = datetime.now(UTC)
    await broker.change(keys[0], CancelRequested(uuid4(), now))
    await broker.change(keys[1], HandedToRecovery(now))
    await _sweep(broker)
    return saga_id, keys


async def _sweep(broker: Broker) -> None:
    """What the sweep asks for; how much it finds depends on time, so the least of effects is asked for."""
    await broker.records.overdue_sagas()
    await broker.records.overdue_orders(_ASKED)
    await broker.records.unsent_signals(timedelta(0))
    await broker.outbox.unsent_messages(timedelta(0), _ASKED)
    await broker.outbox.unsent_effects(timedelta(0), 2)


async def _own_lists(database: Database, broker: Broker, key: OrderKey) -> None:
    await broker.orders.get(*key)
    await broker.orders.history(*key)
    for status in (None, *Status):
        for instrument in (None, COMMON, RARE, "NSE:NONE"):
            wanted = OrderFilter(status, instrument)
            for _ in range(_DEPTH if status is None else 1):
                page = await broker.orders.page(OWNER, wanted, _PAGE)
                wanted = OrderFilter(status, instrument, page[-1].order_id if page else None)
    streams, trades, funds = PostgresStreams(database), PostgresTrades(database), PostgresFunds(database)
    (stream_sequence,) = (await streams.current([OWNER])).values()
    await streams.page(OWNER, stream_sequence - _PAGE, _PAGE)
    await PostgresPortfolios(database).portfolio(OWNER)
    await funds.funds(OWNER)
    for instrument in (None, COMMON, RARE):
        await trades.trades(OWNER, TradeFilter(instrument_id=instrument), None, _PAGE)
    for account in (Account.CASH, Account.UNSETTLED_CASH):
        await funds.statement(OWNER, account, None, _PAGE)


async def _webhooks(database: Database) -> None:
    webhooks = PostgresWebhooks(database)
    await webhooks.of_user(OWNER)
    await webhooks.queue(_PAGE)
    await webhooks.take_due(_PAGE, _PAGE, timedelta(seconds=1))


async def _staff_lists(database: Database, asked: list[UUID], saga_id: UUID) -> None:
    sagas = PostgresSagas(database)
    for state in (None, *SagaState):
        await sagas.sagas(state, None, None, _PAGE)
    await sagas.sagas(None, asked[0], None, _PAGE)
    await sagas.saga(saga_id)
    await PostgresReplies(database).reply(OWNER, "none")
    await PostgresBacklog(database).tables()
    await PostgresProgress(database).progress()
    await PostgresLedger(database).sums()
    ours, today = PostgresTradeDay(database), datetime.now(UTC).date()
    await ours.orders(asked)
    await ours.executions_by_id("NSE", today, [str(order_id) for order_id in asked])
    assert [page async for page in ours.working("NSE")]
