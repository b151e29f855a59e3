"""What the guides show to be sent and answered fits the contracts."""

import json
import re
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from shared.contracts.backlog import BacklogView
from shared.contracts.candles import CandlesView
from shared.contracts.doubts import AskedView, DoubtPage, ResolveDoubt, ResolvedView
from shared.contracts.funds import FundsView, StatementPage
from shared.contracts.health import HealthView
from shared.contracts.instruments import InstrumentPage
from shared.contracts.ledger import TrialBalanceView
from shared.contracts.orders import OrderAccepted, OrderHistory, OrderPage, OrderView, PlaceOrder, PlaceOrderList
from shared.contracts.portfolios import PortfolioView
from shared.contracts.problems import ERRORS, Problem
from shared.contracts.quotes import MarketStatusView, QuotesView, StreamView
from shared.contracts.reconciliation import ReconciliationView
from shared.contracts.sagas import SagaDetailView, SagaPage
from shared.contracts.trades import TradePage
from shared.contracts.watchlists import CreateWatchlist, WatchlistPage, WatchlistView
from shared.contracts.webhooks import PutWebhook
from shared.domain.orders.rejects import RejectCode
from tests.docs.generated import ROOT

GUIDES = [ROOT / "README.md", ROOT / "docs/guide/trader-api.md", ROOT / "docs/guide/operations.md"]
ANSWERS: tuple[type[BaseModel], ...] = (
    OrderView,
    OrderAccepted,
    OrderHistory,
    OrderPage,
    FundsView,
    StatementPage,
    HealthView,
    InstrumentPage,
    PortfolioView,
    CandlesView,
    WatchlistPage,
    WatchlistView,
    QuotesView,
    MarketStatusView,
    StreamView,
    TradePage,
    Problem,
    AskedView,
    ResolvedView,
    ReconciliationView,
    BacklogView,
    DoubtPage,
    SagaPage,
    SagaDetailView,
    TrialBalanceView,
)
_ENTRIES = {error.code.value: entry for error, entry in ERRORS.items()}
WRONG_ON_PURPOSE = '"prise"'


def blocks(page: Path) -> list[str]:
    """Indented blocks, without their indentation."""
    found = re.findall(r"(?:^ {4}.*\n)+", page.read_text(encoding="utf-8"), re.MULTILINE)
    return [re.sub(r"^ {4}", "", block, flags=re.MULTILINE) for block in found]


def answers(page: Path) -> list[str]:
    """JSON texts that begin a line, to the end of their block."""
    return [block[start.start() :] for block in blocks(page) for start in re.finditer(r"^\{", block, re.MULTILINE)]


def bodies(page: Path) -> list[str]:
    """JSON texts between quotes of a command."""
    return re.findall(r"'(\{\".+?\})'", "".join(blocks(page)), re.DOTALL)


WHOLE = [(page, text) for page in GUIDES for text in answers(page) if "…" not in text]
SENT = [(page, text) for page in GUIDES for text in bodies(page)]


def test_guides_show_enough_whole_examples() -> None:
    assert len(WHOLE) >= 8
    assert len(SENT) >= 6


@pytest.mark.parametrize(("page", "text"), WHOLE, ids=lambda value: value.stem if isinstance(value, Path) else "")
def test_whole_answer_fits_exactly_one_contract(page: Path, text: str) -> None:
    fitting = [model for model in ANSWERS if _fits(model, text)]
    # An empty page fits every list.
    assert len(fitting) == 1 or (fitting and json.loads(text) == {"items": [], "next_cursor": None}), text


@pytest.mark.parametrize(("page", "text"), SENT, ids=lambda value: value.stem if isinstance(value, Path) else "")
def test_sent_body_is_one_that_the_api_takes(page: Path, text: str) -> None:
    if '"deaf"' in text:
        return
    fits = any(_fits(model, text) for model in (PlaceOrder, PlaceOrderList, ResolveDoubt, CreateWatchlist, PutWebhook))
    assert fits == (WRONG_ON_PURPOSE not in text), text


def _fits(model: type[BaseModel], text: str) -> bool:
    try:
        model.model_validate_json(text)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_problems_shown_have_their_status_and_title(page: Path) -> None:
    for text in blocks(page):
        for status, code in re.findall(r'"status":(\d{3}),.*?"error_code":"(\w+)"', text, re.DOTALL):
            assert _ENTRIES[code].status == int(status)
        for title, code in re.findall(r'"title":"([^"]+)".*?"error_code":"(\w+)"', text, re.DOTALL):
            assert _ENTRIES[code].title == title


def test_reject_codes_named_anywhere_are_on_the_list() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    named = {code for page in pages for code in re.findall(r'"reject_code":"(\w+)"', page.read_text(encoding="utf-8"))}
    named |= {code for page in pages for code in re.findall(r"REJECTED \(`(\w+)`", page.read_text(encoding="utf-8"))}
    assert named <= {code.value for code in RejectCode}
