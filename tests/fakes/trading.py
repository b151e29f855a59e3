"""A whole broker's trading in memory, wired as production wires it."""

from uuid import UUID, uuid4

from shared.adapters.reference import load_reference_data
from shared.application.orders.judge import Rules
from shared.application.timing import Timing
from shared.composition.trading import TradingPorts, wire_trading
from shared.domain.ledger.accounts import INR, Account, AssetKey
from shared.domain.ledger.entries import Entry, EntrySource, Leg, LegReason
from shared.ports.books import Scope
from shared.ports.market import Market
from shared.ports.prices import LastPrices
from shared.ports.rate_limits import RateLimiter
from tests.fakes.books import MemoryBooks
from tests.fakes.dispatch_hints import MemoryDispatchHints
from tests.fakes.market import FixedMarket
from tests.fakes.memory import Memory
from tests.fakes.missing_reports import MemoryLanePositions
from tests.fakes.notifications import MemoryStreams
from tests.fakes.order_sagas import MemorySagaRecords, RecordingSagas
from tests.fakes.orders import MemoryOrderRecords
from tests.fakes.outbox import MemoryOutbox, RecordingExchange
from tests.fakes.rate_limits import CountingLimiter
from tests.fakes.wakeups import MemoryWakeups

REFERENCE = load_reference_data()
RULES = Rules(REFERENCE.instruments, REFERENCE.limits, REFERENCE.rate_cards)


class MemoryTrading:
    """One process of a broker; what it keeps, sends and starts can be looked at."""

    def __init__(
        self,
        rules: Rules = RULES,
        market: Market | None = None,
        limiter: RateLimiter | None = None,
        timing: Timing | None = None,
        last_prices: LastPrices | None = None,
    ) -> None:
        self.memory = Memory(rules.rate_cards)
        self.sagas, self.exchange, self.wakeups = RecordingSagas(), RecordingExchange(), MemoryWakeups()
        self.limiter = limiter or CountingLimiter()
        self.timing = timing or Timing()
        self.books, self.outbox = MemoryBooks(self.memory), MemoryOutbox(self.memory)
        ports = TradingPorts(
            books=self.books,
            orders=MemoryOrderRecords(self.memory),
            sagas=MemorySagaRecords(self.memory),
            outbox=self.outbox,
            exchange=self.exchange,
            audience=self.wakeups,
            wakeups=self.wakeups,
            dispatch_hints=MemoryDispatchHints(),
            market=market or FixedMarket(),
            lanes=MemoryLanePositions(self.memory),
            streams=MemoryStreams(self.memory),
            venue=None,
        )
        self.use_cases = wire_trading(
            ports, rules, self.timing, self.limiter, gather_marks_s=0, last_prices=last_prices
        )

    async def open(self, cash: int, shares: int, security_id: str, kyc_status: str = "ACTIVE") -> UUID:
        """A new user with money (paise) and shares of one security."""
        user_id = uuid4()
        self.memory.add_user(user_id, kyc_status)
        legs = (
            Leg(Account.BANK, Account.CASH, INR, cash, LegReason.OPENING_DEPOSIT),
            Leg(Account.DEPOSITORY, Account.HOLDINGS, security_id, shares, LegReason.OPENING_DEPOSIT),
        )
        entry = Entry(user_id, uuid4(), EntrySource.OPENING, legs)
        scope = Scope(entries=[entry.key], assets=[AssetKey(user_id, leg.asset) for leg in legs])
        _, committed = await self.books.work(scope, lambda unit: unit.books.post(entry))
        await self.outbox.effects_sent(committed.effects_of)
        return user_id
