"""Entities made, changed and deleted through the unmodified ServiceBusAdministrationClient."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.servicebus import ServiceBusMessage
from azure.servicebus._base_handler import ServiceBusSharedKeyCredential
from azure.servicebus.aio import ServiceBusClient
from azure.servicebus.exceptions import MessagingEntityDisabledError, MessagingEntityNotFoundError
from azure.servicebus.management import (
    ApiVersion,
    CorrelationRuleFilter,
    EntityStatus,
    ServiceBusAdministrationClient,
    SqlRuleAction,
    SqlRuleFilter,
    TrueRuleFilter,
)

from emulators.messaging.entities import Entities, QueueConfig, SubscriptionConfig, TopicConfig
from emulators.messaging.server import MessagingServer, ServerSettings
from emulators.tests.messaging.test_queues import receive, send
from emulators.tests.messaging.test_topics import publish, taken

# The SDK's own use of ElementTree.
pytestmark = pytest.mark.filterwarnings("ignore:Testing an element's truth value:DeprecationWarning")
_DECLARED = Entities(
    queues=[QueueConfig(name="declared")],
    topics=[TopicConfig(name="orders", subscriptions=[SubscriptionConfig(name="all")])],
)


class Namespace:
    """One server with its administration client; `restart` begins another on the same database."""

    def __init__(self, dsn: str, certificate: Path) -> None:
        self._dsn = dsn
        self._certificate = certificate

    @asynccontextmanager
    async def running(self, entities: Entities = _DECLARED) -> AsyncIterator[MessagingServer]:
        settings = ServerSettings(admin_port=0, admin_certificate=self._certificate)
        async with MessagingServer.start(self._dsn, entities, settings=settings) as server:
            yield server

    @contextmanager
    def admin(self, server: MessagingServer) -> Iterator[ServiceBusAdministrationClient]:
        with ServiceBusAdministrationClient.from_connection_string(
            server.admin_connection_string,
            connection_verify=str(self._certificate),
            retry_total=0,
            api_version=ApiVersion.V2024_05,
        ) as client:
            yield client


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("administration") / "admin.pem"


@pytest.fixture
def namespace(dsn: str, certificate: Path) -> Namespace:
    return Namespace(dsn, certificate)


def _client(server: MessagingServer) -> ServiceBusClient:
    return ServiceBusClient.from_connection_string(server.connection_string, retry_total=0)


async def test_queue_lives_from_its_creation_to_its_deletion(namespace: Namespace) -> None:
    """azure-sdk-for-python samples/sync_samples/mgmt_queue.py"""

    def manage() -> None:
        with namespace.admin(server) as admin:
            made = admin.create_queue("made/here", max_delivery_count=7, lock_duration="PT30S", user_metadata="<mine>")
            assert (made.max_delivery_count, made.lock_duration) == (7, timedelta(seconds=30))
            with pytest.raises(ResourceExistsError):
                admin.create_queue("MADE/here")
            with pytest.raises(ResourceExistsError):
                admin.create_topic("declared")
            admin.update_queue(admin.get_queue("made/here"), max_delivery_count=3)
            again = admin.get_queue("made/here")
            assert (again.max_delivery_count, again.user_metadata) == (3, "<mine>")
            assert {queue.name for queue in admin.list_queues()} == {"declared", "made/here"}

    def delete() -> None:
        with namespace.admin(server) as admin:
            figures = admin.get_queue_runtime_properties("made/here")
            assert (figures.active_message_count, figures.total_message_count) == (1, 1)
            assert figures.created_at_utc is not None
            assert figures.accessed_at_utc is not None
            assert datetime.now(UTC) - timedelta(minutes=5) < figures.created_at_utc <= figures.accessed_at_utc
            admin.delete_queue("made/here")
            with pytest.raises(ResourceNotFoundError):
                admin.get_queue("made/here")
            with pytest.raises(ResourceNotFoundError):
                admin.delete_queue("made/here")
            with pytest.raises(ResourceNotFoundError):
                admin.update_queue(made)

    async with namespace.running() as server, _client(server) as client:
        await asyncio.to_thread(manage)
        await send(client, "made/here", ServiceBusMessage("kept"))
        with namespace.admin(server) as admin:
            made = await asyncio.to_thread(admin.get_queue, "made/here")
        await asyncio.to_thread(delete)
        with pytest.raises(MessagingEntityNotFoundError):
            await send(client, "made/here", ServiceBusMessage("late"))


async def test_deleted_queue_ends_its_links_and_begins_empty(namespace: Namespace) -> None:
    async with namespace.running() as server, _client(server) as client:
        with namespace.admin(server) as admin:
            await asyncio.to_thread(admin.create_queue, "again", requires_duplicate_detection=True)
            await send(client, "again", ServiceBusMessage("old", message_id="1"), ServiceBusMessage("older"))
            async with client.get_queue_receiver("again") as receiver, client.get_queue_sender("again") as sender:
                [held] = await receive(receiver)
                waiting = asyncio.create_task(receiver.receive_messages(max_wait_time=30, max_message_count=5))
                await asyncio.to_thread(admin.delete_queue, "again")
                with pytest.raises(MessagingEntityNotFoundError):
                    await asyncio.wait_for(_drained(waiting, receiver), 30)
                with pytest.raises(MessagingEntityNotFoundError):
                    await sender.send_messages(ServiceBusMessage("late"))
            assert str(held) == "old"
            await asyncio.to_thread(admin.create_queue, "again", requires_duplicate_detection=True)
        await send(client, "again", ServiceBusMessage("new", message_id="1"))
        async with client.get_queue_receiver("again") as receiver:
            assert [(str(one), one.sequence_number) for one in await receive(receiver)] == [("new", 1)]


async def _drained(waiting: "asyncio.Task[list[object]]", receiver: object) -> None:
    """What was on its way comes first; the next call meets the end."""
    await waiting
    await receiver.receive_messages(max_wait_time=1)  # type: ignore[attr-defined]


async def test_topics_subscriptions_and_rules_are_managed(namespace: Namespace) -> None:
    """azure-sdk-for-python samples/sync_samples/mgmt_topic.py, mgmt_subscription.py, mgmt_rule.py"""
    rule_of_everything = {"text": "x", "number": 1, "ratio": 0.5, "flag": True}

    def manage() -> None:
        with namespace.admin(server) as admin:
            admin.create_topic("news", default_message_time_to_live=timedelta(minutes=10))
            admin.update_topic(admin.get_topic("news"), default_message_time_to_live=timedelta(minutes=15))
            assert admin.get_topic("news").default_message_time_to_live == timedelta(minutes=15)
            for name in ("sql", "matched"):
                admin.create_subscription("news", name, max_delivery_count=5)
                admin.delete_rule("news", name, "$Default")
            with pytest.raises(ResourceExistsError):
                admin.create_subscription("news", "SQL")
            with pytest.raises(ResourceNotFoundError):
                admin.create_subscription("absent", "x")
            admin.update_subscription("news", admin.get_subscription("news", "sql"), max_delivery_count=3)
            assert admin.get_subscription("news", "sql").max_delivery_count == 3
            parameters = {"@side": "BUY", "@least": 5}
            admin.create_rule(
                "news",
                "sql",
                "big",
                filter=SqlRuleFilter("side = @side AND n >= @least", parameters=parameters),
                action=SqlRuleAction("SET desk = @desk", parameters={"@desk": "one"}),
            )
            admin.create_rule("news", "matched", "equal", filter=CorrelationRuleFilter(properties=rule_of_everything))
            with pytest.raises(ResourceExistsError):
                admin.create_rule("news", "sql", "big")
            with pytest.raises(HttpResponseError, match="has no value"):
                admin.create_rule("news", "sql", "bad", filter=SqlRuleFilter("a = @missing"))
            read = admin.get_rule("news", "sql", "big")
            assert read.filter.parameters == parameters
            assert admin.get_rule("news", "matched", "equal").filter.properties == rule_of_everything
            admin.update_rule("news", "sql", read, filter=TrueRuleFilter())
            admin.update_rule("news", "sql", read)
            assert [rule.name for rule in admin.list_rules("news", "sql")] == ["big"]
            topic = admin.get_topic_runtime_properties("news")
            assert (topic.subscription_count, topic.sql_filter_count, topic.correlation_filter_count) == (2, 1, 1)

    def end() -> None:
        with namespace.admin(server) as admin:
            assert admin.get_subscription_runtime_properties("news", "sql").active_message_count == 1
            admin.delete_subscription("news", "matched")
            assert [one.name for one in admin.list_subscriptions("news")] == ["sql"]
            admin.delete_topic("news")
            with pytest.raises(ResourceNotFoundError):
                admin.get_subscription("news", "sql")

    async with namespace.running() as server, _client(server) as client:
        await asyncio.to_thread(manage)
        await publish(
            client,
            "news",
            ServiceBusMessage("taken", application_properties={"side": "BUY", "n": 5}),
            ServiceBusMessage("small", application_properties={"side": "BUY", "n": 4}),
            ServiceBusMessage("equal", application_properties=dict(rule_of_everything)),
        )
        assert await taken(client, "news", "sql") == ["taken"]
        assert await taken(client, "news", "matched") == ["equal"]
        await asyncio.to_thread(end)


async def test_lists_are_read_page_by_page(namespace: Namespace) -> None:
    def create_and_list() -> list[str]:
        with namespace.admin(server) as admin:
            for number in range(120):
                admin.create_rule("orders", "all", f"r{number:03}")
            return [rule.name for rule in admin.list_rules("orders", "all")]

    async with namespace.running() as server:
        names = await asyncio.to_thread(create_and_list)
    assert names == ["$Default", *(f"r{number:03}" for number in range(120))]


async def test_created_entities_outlive_a_restart_declared_ones_are_as_declared(namespace: Namespace) -> None:
    def create() -> None:
        with namespace.admin(server) as admin:
            admin.create_queue("made", max_delivery_count=3)
            admin.create_topic("news")
            admin.create_subscription("news", "some")
            admin.create_subscription("orders", "more", lock_duration="PT5S")
            admin.create_rule("news", "some", "sells", filter=SqlRuleFilter("side = 'SELL'"))
            admin.delete_rule("news", "some", "$Default")
            admin.update_queue(admin.get_queue("declared"), max_delivery_count=2)
            admin.delete_topic("orders")
            admin.create_topic("orders")
            admin.create_queue("gone")
            admin.delete_queue("gone")

    def look() -> None:
        with namespace.admin(server) as admin:
            assert admin.get_queue("made").max_delivery_count == 3
            assert admin.get_queue("declared").max_delivery_count == 10
            assert {queue.name for queue in admin.list_queues()} == {"made", "declared"}
            assert [one.name for one in admin.list_subscriptions("orders")] == ["all"]
            assert [rule.name for rule in admin.list_rules("news", "some")] == ["sells"]

    async with namespace.running() as server, _client(server) as client:
        await asyncio.to_thread(create)
        await send(client, "made", ServiceBusMessage("kept"))
    async with namespace.running() as server, _client(server) as client:
        await asyncio.to_thread(look)
        async with client.get_queue_receiver("made") as receiver:
            assert [str(message) for message in await receive(receiver)] == ["kept"]


async def test_changed_rules_last_until_their_declaration_changes(namespace: Namespace) -> None:
    def names() -> list[str]:
        with namespace.admin(server) as admin:
            return [rule.name for rule in admin.list_rules("orders", "all")]

    def change() -> None:
        with namespace.admin(server) as admin:
            admin.create_rule("orders", "all", "own", filter=CorrelationRuleFilter(label="x"))
            admin.delete_rule("orders", "all", "$Default")

    declared = {"Name": "other", "Properties": {"SqlFilter": {"SqlExpression": "1=1"}}}
    subscription = SubscriptionConfig.model_validate({"Name": "all", "Rules": [declared]})
    other = Entities(topics=[TopicConfig(name="orders", subscriptions=[subscription])])
    async with namespace.running() as server:
        await asyncio.to_thread(change)
    async with namespace.running() as server:
        assert await asyncio.to_thread(names) == ["own"]
    async with namespace.running(other) as server:
        assert await asyncio.to_thread(names) == ["other"]


async def test_disabled_queue_refuses_by_its_name(namespace: Namespace) -> None:
    async with namespace.running() as server, _client(server) as client:
        with namespace.admin(server) as admin:
            queue = await asyncio.to_thread(admin.get_queue, "declared")
            await asyncio.to_thread(admin.update_queue, queue, status=EntityStatus.SEND_DISABLED)
            with pytest.raises(MessagingEntityDisabledError):
                await send(client, "declared", ServiceBusMessage("x"))
            await asyncio.to_thread(admin.update_queue, queue, status=EntityStatus.RECEIVE_DISABLED)
            await send(client, "declared", ServiceBusMessage("y"))
            with pytest.raises(MessagingEntityDisabledError):
                async with client.get_queue_receiver("declared") as receiver:
                    await receive(receiver)


def _entry(description: str) -> str:
    connect = "http://schemas.microsoft.com/netservices/2010/10/servicebus/connect"
    return (
        '<entry xmlns="http://www.w3.org/2005/Atom"><content type="application/xml">'
        f'<QueueDescription xmlns="{connect}">{description}</QueueDescription></content></entry>'
    )


_WRONG = [
    ("PUT", "/x", _entry("<LockDuration>PT6M</LockDuration>"), 400),
    ("PUT", "/x", _entry("<MaxDeliveryCount>many</MaxDeliveryCount>"), 400),
    ("PUT", "/x", _entry("<ForwardTo>absent</ForwardTo>"), 400),
    ("PUT", "/x", _entry("<ForwardTo>declared</ForwardTo><RequiresSession>true</RequiresSession>"), 400),
    ("PUT", "/declared", _entry("<RequiresSession>true</RequiresSession>"), 409),
    ("PUT", "/" + "x" * 261, _entry(""), 400),
    ("PUT", "/orders/subscriptions/a/b", _entry(""), 400),
    ("PUT", "/$x", _entry(""), 400),
    ("PUT", "/x", "", 400),
    ("PUT", "/x", "<a>" * 20_000, 400),
    ("PUT", "/x", '<!DOCTYPE a [<!ENTITY b "b">]>' + _entry("&b;"), 400),
    ("PUT", "/x", "\x00", 400),
    ("PUT", "/x", "x" * 300_000, 413),
    ("PUT", "/orders/subscriptions/all/rules/" + "r" * 51, _entry(""), 400),
    ("GET", "/orders/subscriptions/absent/rules", "", 404),
    ("GET", "/absent/subscriptions", "", 404),
    ("GET", "/$Resources/queues?$skip=-1", "", 400),
    ("GET", "/$Resources/queues?$top=x", "", 400),
    ("DELETE", "/absent", "", 404),
    ("DELETE", "/orders/subscriptions/all/rules/absent", "", 404),
    ("PATCH", "/declared", "", 405),
]


async def test_wrong_request_is_refused_with_the_service_s_code(namespace: Namespace) -> None:
    found: list[tuple[int, bool]] = []
    async with namespace.running() as server:
        address = f"https://127.0.0.1:{server.admin_port}"
        token = ServiceBusSharedKeyCredential("RootManageSharedAccessKey", "SAS_KEY_VALUE").get_token(address).token
        headers = {"Authorization": token.decode() if isinstance(token, bytes) else token}
        async with aiohttp.ClientSession(address, headers=headers) as session:
            for method, path, body, status in _WRONG:
                async with session.request(method, path, data=body, ssl=False) as answer:
                    found.append((answer.status, f"<Code>{status}</Code>" in await answer.text()))
        assert server.broker.queues.keys() == {"declared"}
    assert found == [(status, True) for *_, status in _WRONG]
