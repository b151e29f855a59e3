"""The ledger over HTTP: every account's sum."""

from shared.contracts.common import Amount, Instant, View


class AccountView(View):
    """One account's sum, credits minus debits; `clients` is what the clients' own rows add up to."""

    account: str
    balance: Amount
    clients: Amount | None


class AssetView(View):
    """All accounts of one asset; their sum must be zero and clients' rows must equal their ledger."""

    asset: str
    accounts: list[AccountView]
    total: Amount
    balanced: bool


class TrialBalanceView(View):
    """The whole ledger at one instant."""

    taken_at: Instant
    checkpoint_at: Instant | None
    balanced: bool
    assets: list[AssetView]
