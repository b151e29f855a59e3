"""Invariants 1 to 5, 10, 11 and 13 of one set of books, computed from the outside."""

from collections import Counter, defaultdict
from datetime import date

from shared.domain.charges.rate_cards import ChargeKind, RateCard
from shared.domain.ledger.accounts import BalanceKey
from shared.domain.ledger.books import Books
from shared.domain.ledger.holds import HoldPurpose, HoldSource
from shared.domain.orders.order import Order, Owner
from shared.domain.orders.terms import Side
from shared.domain.positions import PositionKey

type Deposits = dict[BalanceKey, int]


def deposits_of(books: Books) -> Deposits:
    """What everybody brought in: to be taken before the first event."""
    return {key: balance.balance for key, balance in books.balances.items()}


def check(books: Books, deposits: Deposits) -> None:
    """Raises AssertionError for the first invariant that does not hold."""
    _check_ledger(books, deposits)
    _check_holds(books)
    for order in books.orders.values():
        _check_order(books, order)
    _check_positions(books)
    sequences = defaultdict(list)
    for effect in books.changes.effects:
        sequences[effect.user_id].append(effect.sequence)
    for published in sequences.values():
        assert published == list(range(1, len(published) + 1))


def _check_ledger(books: Books, deposits: Deposits) -> None:
    replayed = Counter(deposits)
    by_entry: dict[object, Counter[str]] = defaultdict(Counter)
    for line in books.changes.transfers:
        assert line.amount > 0
        assert line.debit is not line.credit
        for account, amount in ((line.debit, -line.amount), (line.credit, line.amount)):
            by_entry[line.entry_id][line.asset] += amount
            if account.is_client:
                assert line.user_id is not None
                replayed[BalanceKey(line.user_id, account, line.asset)] += amount
    assert all(total == 0 for sums in by_entry.values() for total in sums.values())
    for key, balance in books.balances.items():
        assert balance.balance == replayed[key]
        assert balance.available >= 0
        assert balance.held >= 0


def _check_holds(books: Books) -> None:
    held: Counter[BalanceKey] = Counter()
    for hold in (hold for holds in books.holds.values() for hold in holds):
        assert min(hold.open, hold.captured, hold.released) >= 0
        assert hold.amount == hold.captured + hold.released + hold.open
        held[BalanceKey(hold.key.user_id, hold.account, hold.asset)] += hold.open
    for key, balance in books.balances.items():
        assert balance.held == held[key]


def _check_order(books: Books, order: Order) -> None:
    terms = order.terms
    card = books.rate_cards.find(terms.segment, ChargeKind.DELIVERY, date.fromisoformat(order.trade_date))
    trades = [trade for trade in books.changes.trades if trade.fill and trade.order.order_id == order.order_id]
    assert order.filled_quantity == sum(trade.fill.quantity for trade in trades) <= terms.quantity
    assert order.notional == sum(trade.fill.quantity * trade.fill.price for trade in trades)
    assert order.charges == card.charges(terms.side, order.notional).total
    assert order.charges == sum(sum(trade.charges.values()) for trade in trades)
    assert order.terminal == (order.owner is Owner.NOBODY) == (order.deadline is None)
    holds = books.holds[HoldPurpose(order.user_id, HoldSource.ORDER, order.order_id)]
    open_hold = sum(hold.open for hold in holds)
    if order.terminal:
        assert open_hold == 0
    elif holds:
        assert open_hold == _worst_cost(order, order.notional, card)


def _worst_cost(order: Order, notional: int, card: RateCard) -> int:
    side = order.terms.side
    if side is Side.SELL:
        return order.leaves_quantity
    value = order.leaves_quantity * order.terms.limit_price
    return value + card.charges(side, notional + value).total - card.charges(side, notional).total


def _check_positions(books: Books) -> None:
    replayed: dict[object, Counter[str]] = defaultdict(Counter)
    for trade in books.changes.trades:
        terms = trade.order.terms
        row = replayed[PositionKey(trade.order.user_id, trade.fill.trade_date, terms.instrument_id, terms.product)]
        side = terms.side.value.lower()
        row[f"{side}_quantity"] += trade.fill.quantity
        row[f"{side}_value"] += trade.fill.quantity * trade.fill.price
        row["charges"] += sum(trade.charges.values())
    for key, change in books.changes.positions.items():
        assert {name: getattr(change, name) for name in change.__slots__} == {
            name: replayed[key][name] for name in change.__slots__
        }
