"""One sandbox for all end-to-end tests, without market makers: what trades is what the tests put there."""

from collections.abc import Iterator

import pytest

from sandbox.harness import Sandbox, SandboxOptions
from tests.e2e.world import ENDED, Broker, Client, write_demo

_TRADERS = 140


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """The shared sandbox; every module that used it leaves it sound."""
    folder = tmp_path_factory.mktemp("e2e")
    options = SandboxOptions(makers=False, demo=write_demo(folder / "demo.json", _TRADERS))
    with Sandbox.start(folder / "data", options) as sandbox:
        yield Broker.of(sandbox)


@pytest.fixture(scope="module")
def traded(broker: Broker) -> Iterator[Broker]:
    """The shared sandbox, which a module leaves sound."""
    yield broker
    broker.assert_sound()


@pytest.fixture
def trader(traded: Broker) -> Iterator[Client]:
    """A trader of this test alone; what he leaves in the book is taken out."""
    client = traded.trader()
    yield client
    take_out(client)


@pytest.fixture
def other(traded: Broker) -> Iterator[Client]:
    """A second one."""
    client = traded.trader()
    yield client
    take_out(client)


def take_out(client: Client) -> None:
    """Cancel what works, once all of it has reached the book, so that no later test meets it."""
    for order in client.read("/orders", status="PENDING_NEW", limit=100)["items"]:
        client.until(order["order_id"], "NEW", "PARTIALLY_FILLED", *ENDED)
    for status in ("NEW", "PARTIALLY_FILLED"):
        for order in client.read("/orders", status=status)["items"]:
            client.cancel(order["order_id"])
            client.until(order["order_id"], "CANCELED", "FILLED")
