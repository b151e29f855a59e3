"""An order's last report is lost: nothing comes after it, and yet the order ends within half a minute.

Without market makers the reports that the fault drops are the ones that the test causes.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.harness import Sandbox, SandboxOptions
from tests.e2e.world import Broker, write_demo

pytestmark = [pytest.mark.xdist_group("lost reports"), pytest.mark.timeout(300)]

WITHIN_S = 30.0


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A sandbox without market makers in which a report counts as missing after a second."""
    folder: Path = tmp_path_factory.mktemp("lost")
    settings = {"EXCHANGE_REPORTS_SETTLED_S": "1"}
    options = SandboxOptions(makers=False, demo=write_demo(folder / "demo.json", 10), settings=settings)
    with Sandbox.start(folder / "data", options) as sandbox:
        yield Broker.of(sandbox)


@pytest.fixture(autouse=True)
def _sound(venue: Broker) -> Iterator[None]:
    yield
    venue.faults()
    venue.assert_sound()


def test_a_lost_last_fill_is_found(venue: Broker) -> None:
    buyer, seller = venue.trader(), venue.trader()
    resting = buyer.working(quantity=10, price="1500.00")

    venue.faults(drop_reports=3)
    sold = seller.order(side="SELL", quantity=10, price="1500.00")
    order = buyer.until(resting, "FILLED", within_s=WITHIN_S)

    assert order["filled_quantity"] == 10
    assert venue.ask("SELECT venue_sequence FROM orders WHERE order_id = %s", resting) == 2
    seller.until(sold, "FILLED")


def test_a_lost_end_is_found(venue: Broker) -> None:
    """The venue cancels a resting order that would trade with its own account; no request causes this report."""
    trader = venue.trader()
    resting = trader.working(quantity=10, price="1500.00")

    venue.faults(drop_reports=2)
    sold = trader.order(side="SELL", quantity=10, price="1500.00")
    order = trader.until(resting, "CANCELED", within_s=WITHIN_S)

    assert (order["filled_quantity"], order["canceled_quantity"]) == (0, 10)
    trader.until(sold, "NEW")
    trader.cancel(sold)
    trader.until(sold, "CANCELED")
