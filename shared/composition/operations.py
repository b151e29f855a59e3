"""What staff see and do, and housekeeping."""

from dataclasses import dataclass

from shared.application.backlog import Backlog
from shared.application.doubts import Doubts
from shared.application.housekeeping import Upkeep
from shared.application.ledger import Ledger
from shared.application.publishing import Publisher
from shared.application.reconciliation import Reconciliation
from shared.application.sagas import Sagas
from shared.ports.backlog import BacklogReader, QueueInspector
from shared.ports.books import BookStore
from shared.ports.doubts import DoubtReader
from shared.ports.housekeeping import Housekeeping
from shared.ports.ledger import LedgerBook
from shared.ports.market import Market
from shared.ports.reconciliation import TradeDay, VenueRecords
from shared.ports.replies import Replies
from shared.ports.sagas import SagaReader


@dataclass(frozen=True)
class OperationsPorts:
    """The ports that operations need."""

    books: BookStore
    sagas: SagaReader
    doubts: DoubtReader
    replies: Replies
    ledger: LedgerBook
    trade_day: TradeDay
    venue: VenueRecords | None
    """None: the venue's own records are not connected."""
    backlog: BacklogReader
    queues: QueueInspector
    housekeeping: Housekeeping
    market: Market


@dataclass(frozen=True)
class Operations:
    """The use cases."""

    sagas: Sagas
    doubts: Doubts
    ledger: Ledger
    reconciliation: Reconciliation
    backlog: Backlog
    upkeep: Upkeep


def wire_operations(ports: OperationsPorts, publisher: Publisher) -> Operations:
    """One process's operations on these ports."""
    return Operations(
        sagas=Sagas(ports.sagas),
        doubts=Doubts(ports.books, ports.doubts, ports.replies, publisher, ports.venue),
        ledger=Ledger(ports.ledger),
        reconciliation=Reconciliation(ports.trade_day, ports.venue),
        backlog=Backlog(ports.backlog, ports.queues),
        upkeep=Upkeep(ports.housekeeping, ports.ledger, ports.market),
    )
