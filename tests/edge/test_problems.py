"""The error format: documented, complete, and silent about what happened inside."""

import json
import logging
import re
from decimal import Decimal
from pathlib import Path

import pytest
import structlog

from functions.orders import get_order
from shared.contracts.problems import ERRORS, Problem, write_problem
from shared.domain.errors import ForbiddenError
from shared.telemetry import begin_request, configure_logging, current_request_id
from tests.edge.support import ORDER_ID, App, call

DOCS = Path(__file__).parents[2] / "docs" / "reference" / "error-codes.md"
ROW = re.compile(r"^\| `(\w+)` \| (\d{3}) \| ([^|]+) \|", re.MULTILINE)


def test_documented_error_codes_equal_the_closed_list() -> None:
    rows = [(code, int(status), title) for code, status, title in ROW.findall(DOCS.read_text(encoding="utf-8"))]
    assert rows == [(error.code.value, *entry) for error, entry in ERRORS.items()]


def test_problem_fits_its_contract_whatever_its_details() -> None:
    error = ForbiddenError("not this", {"limit": Decimal("1.5"), "id": ORDER_ID})
    problem = Problem.model_validate_json(write_problem(error, "/api/orders", "r-1"))
    assert problem.request_id == "r-1"
    assert problem.details == {"limit": "1.5", "id": str(ORDER_ID)}


def test_problem_names_the_request_being_served() -> None:
    begin_request("r-2")
    assert current_request_id() == "r-2"
    assert json.loads(write_problem(ForbiddenError("no"), "/x"))["request_id"] == "r-2"


async def test_accident_is_logged_with_its_request_and_no_secrets(
    app: App, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    configure_logging()
    monkeypatch.setattr("functions.edge.edge._log", structlog.get_logger("functions.edge.edge"))
    app.orders.error = RuntimeError("boom")
    with caplog.at_level(logging.INFO):
        answer = await call(get_order, path={"order_id": str(ORDER_ID)}, headers={"x-secret": "hunter2"})
    logged = json.loads(caplog.records[-1].getMessage())
    assert (logged["event"], logged["route"]) == ("unexpected error", "get_order")
    assert logged["request_id"] == answer.headers["X-Request-Id"]
    assert "RuntimeError: boom" in logged["exception"]
    assert "hunter2" not in caplog.text
    assert "Bearer" not in caplog.text
