"""The ledger as a whole, as staff see it."""

from collections.abc import Sequence
from itertools import groupby

from shared.contracts.common import amount
from shared.contracts.ledger import AccountView, AssetView, TrialBalanceView
from shared.ports.ledger import AccountSum, LedgerBook


class Ledger:
    """The use case."""

    def __init__(self, book: LedgerBook) -> None:
        self._book = book

    async def trial_balance(self) -> TrialBalanceView:
        """Every account's exact sum, per asset. Raises UnavailableError."""
        sums = await self._book.sums()
        by_asset = groupby(sorted(sums.sums, key=lambda each: (each.asset, each.account)), key=lambda each: each.asset)
        assets = [_asset(asset, list(accounts)) for asset, accounts in by_asset]
        return TrialBalanceView.of(sums, balanced=all(asset.balanced for asset in assets), assets=assets)


def _asset(asset: str, accounts: Sequence[AccountSum]) -> AssetView:
    total = sum(account.balance for account in accounts)
    agree = all(account.accounts in {None, account.balance} for account in accounts)
    return AssetView(
        asset=asset,
        accounts=[_account(account) for account in accounts],
        total=amount(asset, total),
        balanced=total == 0 and agree,
    )


def _account(of: AccountSum) -> AccountView:
    clients = None if of.accounts is None else amount(of.asset, of.accounts)
    return AccountView(account=of.account, balance=amount(of.asset, of.balance), clients=clients)
