"""The broker's side of docs/reference/exchange-messages.md; tests/exchange has the venue's."""

import json
import re
import zlib
from datetime import timedelta
from enum import StrEnum
from uuid import uuid5

import pytest

from shared.contracts import exchange_requests
from shared.contracts.execution_reports import ExecType, ExecutionReport, OrderStatus
from shared.domain.orders.requests import ExchangeRequest, RequestKind, ask_resend, ask_status
from shared.json_values import Json
from tests.docs.generated import ROOT
from tests.support.values import EXPIRE_AT, SPACE, an_order

PAGE = (ROOT / "docs/reference/exchange-messages.md").read_text(encoding="utf-8")
REQUESTS, REPORTS = PAGE.split("## execution-reports")
ORDER = an_order(submitted_at=EXPIRE_AT - timedelta(seconds=5), expire_at=EXPIRE_AT)
REQUESTS_OF_ORDER = [
    ExchangeRequest(RequestKind.NEW, ORDER, ORDER.order_id),
    ExchangeRequest(RequestKind.CANCEL, ORDER, uuid5(SPACE, "cancel")),
    ask_status(ORDER, "1"),
    ask_resend(ORDER, "1"),
]
(MESSAGE,) = exchange_requests.messages(REQUESTS_OF_ORDER)
SENT = {request["kind"]: request for request in json.loads(MESSAGE.body)["requests"]}


def fields(text: str) -> dict[str, str]:
    """Field to the column that says where it occurs."""
    rows = re.findall(r"^\| (`.+?`) \| (.+?) \| .+ \|$", text, re.MULTILINE)
    return {field: where for names, where in rows for field in re.findall(r"`(\w+)`", names)}


@pytest.mark.parametrize("kind", SENT)
def test_request_has_exactly_the_documented_fields(kind: str) -> None:
    wanted = {field for field, where in fields(REQUESTS).items() if where == "all" or kind in where.split(", ")}
    assert SENT[kind].keys() == wanted


def test_request_lanes_are_as_documented() -> None:
    assert f'the lane `"00"`..`"{exchange_requests.LANES - 1}"`' in PAGE
    assert exchange_requests.lane_of("NSE:INFY") == f"{zlib.crc32(b'NSE:INFY') % 64:02d}"


def test_report_reads_only_documented_fields() -> None:
    assert ExecutionReport.model_fields.keys() <= fields(REPORTS).keys()


def test_report_requires_only_what_all_reports_have() -> None:
    required = {name for name, field in ExecutionReport.model_fields.items() if field.is_required()}
    everywhere = {field for field, where in fields(REPORTS).items() if where == "all"}
    assert required <= everywhere


@pytest.mark.parametrize(("name", "words"), [("exec_type", ExecType), ("order_status", OrderStatus)])
def test_report_knows_every_documented_word(name: str, words: type[StrEnum]) -> None:
    (row,) = re.findall(rf"^\| `{name}` \| all \| (.+) \|$", REPORTS, re.MULTILINE)
    assert re.findall(r"`([A-Z_]+)`", row) == list(words)


def test_messages_carry_version_and_list() -> None:
    (message,) = exchange_requests.messages(REQUESTS_OF_ORDER[:1])
    body: Json = json.loads(message.body)
    assert body == {"version": 1, "requests": [SENT["NEW"]]}
    assert message.lane == exchange_requests.lane_of("NSE:INFY")
