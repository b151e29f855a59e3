"""The checks that are one SQL statement each: `broker.sql`, every row of a result is a violation."""

from collections.abc import Iterator

from psycopg.rows import dict_row

from sandbox.verify.model import Check, Inspection, Violation
from sandbox.verify.queries import load
from shared.domain.ledger.accounts import Account

_SETTLING = "_settling"
_CASH_ONLY = (
    Account.CASH,
    Account.UNSETTLED_CASH,
    Account.BROKERAGE,
    Account.EXCHANGE_FEES,
    Account.TAXES,
    Account.BANK,
)
_SHARES_ONLY = (Account.HOLDINGS, Account.UNSETTLED_SHARES, Account.DEPOSITORY)
_ROWS_SHOWN = 5


def checks() -> list[Check]:
    """All of them, in the file's order."""
    return [_check(name, statement) for name, statement in load("broker.sql").items()]


def _check(name: str, statement: str) -> Check:
    number, _, words = name.removesuffix(_SETTLING).partition("_")
    invariant, title = int(number.removeprefix("i")), words.replace("_", " ")

    def run(inspection: Inspection) -> Iterator[Violation]:
        values = {
            "as_of": inspection.as_of,
            "late": inspection.terms.late_after,
            "at_rest": inspection.terms.at_rest,
            "cutoff": inspection.cutoff,
            "accounts": [account.value for account in Account],
            "cash_only": [account.value for account in _CASH_ONLY],
            "shares_only": [account.value for account in _SHARES_ONLY],
        }
        # A named cursor: a broken database may have a million bad rows, and five are enough to start from.
        with inspection.broker.cursor(name="check", row_factory=dict_row) as cursor:
            rows = cursor.execute(statement, values).fetchmany(_ROWS_SHOWN)
        if rows:
            yield Violation(invariant, title, tuple(rows))

    return Check(invariant, title, run, settles=name.endswith(_SETTLING))
