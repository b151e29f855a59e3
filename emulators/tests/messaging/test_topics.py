"""Topics and subscriptions, driven by the unmodified asynchronous SDK."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.servicebus import ServiceBusMessage, ServiceBusReceivedMessage, ServiceBusSubQueue
from azure.servicebus.aio import ServiceBusClient
from azure.servicebus.exceptions import MessagingEntityNotFoundError, ServiceBusError

from emulators.messaging.entities import ConfigError, parse_config
from emulators.messaging.server import MessagingServer, ServerSettings
from emulators.tests.messaging.test_queues import receive

_SQL = {"FilterType": "Sql", "SqlFilter": {"SqlExpression": "quantity > 5 AND sys.Label LIKE 'order%'"}}
_CORRELATION = {
    "FilterType": "Correlation",
    "CorrelationFilter": {"ContentType": "application/json", "Properties": {"side": "BUY"}},
}
_ACTION = {
    "FilterType": "Sql",
    "SqlFilter": {"SqlExpression": "1=1"},
    "Action": {"SqlExpression": "SET routed = 'yes'; SET sys.To = 'desk'"},
}
_FAILING = {"FilterType": "Sql", "SqlFilter": {"SqlExpression": "quantity / 0 = 1"}}


def _subscription(name: str, *rules: dict[str, Any], **properties: Any) -> dict[str, Any]:
    named = [{"Name": f"r{index}", "Properties": rule} for index, rule in enumerate(rules)]
    return {"Name": name, "Properties": properties, "Rules": named}


CONFIG = {
    "UserConfig": {
        "Namespaces": [
            {
                "Name": "sbemulatorns",
                "Topics": [
                    {
                        "Name": "orders",
                        "Properties": {"RequiresDuplicateDetection": True},
                        "Subscriptions": [
                            _subscription("all", LockDuration="PT1S", MaxDeliveryCount=2),
                            _subscription("large", _SQL),
                            _subscription("buys", _CORRELATION),
                            _subscription("either", _SQL, _CORRELATION),
                            _subscription("desk", _ACTION),
                            _subscription("lanes", RequiresSession=True),
                        ],
                    },
                    {"Name": "broken", "Subscriptions": [_subscription("failing", _FAILING)]},
                    {
                        "Name": "fleeting",
                        "Properties": {"DefaultMessageTimeToLive": "PT0.2S"},
                        "Subscriptions": [_subscription("kept", DeadLetteringOnMessageExpiration=True)],
                    },
                    {"Name": "deserted"},
                ],
            }
        ]
    }
}


@pytest.fixture
async def server(dsn: str) -> AsyncIterator[MessagingServer]:
    async with MessagingServer.start(dsn, parse_config(json.dumps(CONFIG))) as running:
        yield running


async def publish(client: ServiceBusClient, topic: str, *messages: ServiceBusMessage) -> None:
    async with client.get_topic_sender(topic) as sender:
        await sender.send_messages(list(messages))


async def taken(client: ServiceBusClient, topic: str, subscription: str, **options: Any) -> list[str]:
    """Bodies of what a subscription holds now, looked at without taking them."""
    async with client.get_subscription_receiver(topic, subscription, **options) as receiver:
        return [str(message) for message in await receiver.peek_messages(100)]


async def dead(client: ServiceBusClient, topic: str, subscription: str) -> list[ServiceBusReceivedMessage]:
    async with client.get_subscription_receiver(
        topic, subscription, sub_queue=ServiceBusSubQueue.DEAD_LETTER
    ) as receiver:
        return await receive(receiver)


def order(body: str, **options: Any) -> ServiceBusMessage:
    properties = options.pop("properties", {})
    return ServiceBusMessage(body, message_id=body, application_properties=properties, session_id="s", **options)


async def test_each_subscription_gets_what_its_rules_take(client: ServiceBusClient) -> None:
    await publish(
        client,
        "orders",
        order("plain"),
        order("large", subject="order.new", properties={"quantity": 9}),
        order("buy", content_type="application/json", properties={"side": "BUY"}),
        order("both", subject="orders", content_type="application/json", properties={"side": "BUY", "quantity": 6}),
    )
    assert await taken(client, "orders", "all") == ["plain", "large", "buy", "both"]
    assert await taken(client, "orders", "large") == ["large", "both"]
    assert await taken(client, "orders", "buys") == ["buy", "both"]
    assert await taken(client, "orders", "either") == ["large", "buy", "both"]


async def test_subscriptions_settle_their_copies_alone(client: ServiceBusClient) -> None:
    await publish(client, "orders", order("shared"))
    async with client.get_subscription_receiver("orders", "all") as receiver:
        [message] = await receive(receiver)
        await receiver.complete_message(message)
        assert await receiver.peek_messages() == []
    assert await taken(client, "orders", "desk") == ["shared"]
    assert (message.sequence_number, message.enqueued_sequence_number) == (1, 1)


async def test_action_changes_only_its_own_copy(client: ServiceBusClient) -> None:
    await publish(client, "orders", order("x", properties={"routed": "no"}))
    for name, routed, to in (("all", b"no", None), ("desk", b"yes", "desk")):
        async with client.get_subscription_receiver("orders", name) as receiver:
            [message] = await receive(receiver)
        assert message.application_properties is not None
        assert (message.application_properties[b"routed"], message.to) == (routed, to)


async def test_dead_letters_belong_to_the_subscription(client: ServiceBusClient) -> None:
    await publish(client, "orders", order("poison"))
    async with client.get_subscription_receiver("orders", "all") as receiver:
        for _ in range(2):
            [message] = await receive(receiver)
            await receiver.abandon_message(message)
    [found] = await dead(client, "orders", "all")
    assert (str(found), found.dead_letter_reason) == ("poison", "MaxDeliveryCountExceeded")
    assert found.dead_letter_source == "orders/Subscriptions/all"
    assert await taken(client, "orders", "desk") == ["poison"]


async def test_duplicates_are_dropped_at_the_topic(client: ServiceBusClient) -> None:
    await publish(client, "orders", order("once"), order("once"))
    await publish(client, "orders", order("once"), order("other"))
    assert await taken(client, "orders", "all") == ["once", "other"]


async def test_deferred_message_is_received_by_number(client: ServiceBusClient) -> None:
    await publish(client, "orders", order("later"), order("now"))
    async with client.get_subscription_receiver("orders", "all") as receiver:
        [message] = await receive(receiver)
        await receiver.defer_message(message)
        assert message.sequence_number is not None
        [deferred] = await receiver.receive_deferred_messages(message.sequence_number)
        await receiver.complete_message(deferred)
    assert await taken(client, "orders", "all") == ["now"]


async def test_scheduled_message_is_routed_when_due(client: ServiceBusClient) -> None:
    async with client.get_topic_sender("orders") as sender:
        due = datetime.now(UTC) + timedelta(seconds=0.3)
        [number] = await sender.schedule_messages(order("due", subject="order", properties={"quantity": 6}), due)
        [gone] = await sender.schedule_messages(order("gone"), due + timedelta(hours=1))
        await sender.cancel_scheduled_messages(gone)
    async with client.get_subscription_receiver("orders", "large") as receiver:
        [message] = await receive(receiver)
        assert message.enqueued_time_utc is not None
        assert message.enqueued_time_utc >= due - timedelta(milliseconds=2)
    assert number == 1
    assert await taken(client, "orders", "all") == ["due"]


async def test_scheduled_message_survives_outside_memory_and_restarts(dsn: str) -> None:
    settings = ServerSettings(cache_bytes=0)
    entities = parse_config(json.dumps(CONFIG))
    async with (
        MessagingServer.start(dsn, entities, settings=settings) as server,
        ServiceBusClient.from_connection_string(server.connection_string) as client,
        client.get_topic_sender("orders") as sender,
    ):
        await sender.schedule_messages(order("due"), datetime.now(UTC) + timedelta(seconds=0.5))
    async with (
        MessagingServer.start(dsn, entities, settings=settings) as server,
        ServiceBusClient.from_connection_string(server.connection_string) as client,
        client.get_subscription_receiver("orders", "all") as receiver,
    ):
        assert [str(message) for message in await receive(receiver)] == ["due"]
        assert await taken(client, "orders", "desk") == ["due"]


async def test_topic_time_to_live_bounds_the_subscriptions(client: ServiceBusClient) -> None:
    await publish(client, "fleeting", ServiceBusMessage("short", time_to_live=timedelta(hours=1)))
    [found] = await dead(client, "fleeting", "kept")
    assert found.dead_letter_reason == "TTLExpiredException"


async def test_session_subscription_takes_sessions_and_parks_the_rest(client: ServiceBusClient) -> None:
    await publish(client, "orders", order("in session"), ServiceBusMessage("without", message_id="without"))
    async with client.get_subscription_receiver("orders", "lanes", session_id="s") as receiver:
        [message] = await receive(receiver)
        await receiver.complete_message(message)
    [found] = await dead(client, "orders", "lanes")
    assert (str(message), str(found), found.dead_letter_reason) == ("in session", "without", "Session ID is null.")


async def test_failing_filter_parks_the_message_with_its_error(client: ServiceBusClient) -> None:
    await publish(client, "broken", ServiceBusMessage("x", application_properties={"quantity": 1}))
    [found] = await dead(client, "broken", "failing")
    assert found.dead_letter_error_description == "Attempted to divide by zero."


async def test_topic_without_subscriptions_swallows_messages(client: ServiceBusClient) -> None:
    await publish(client, "deserted", ServiceBusMessage("nobody"))


async def test_copies_commit_with_the_send_that_caused_them(dsn: str) -> None:
    """One server is stopped right after the send; what the next one finds is whole."""
    entities = parse_config(json.dumps(CONFIG))
    async with (
        MessagingServer.start(dsn, entities) as server,
        ServiceBusClient.from_connection_string(server.connection_string) as client,
    ):
        await publish(client, "orders", *(order(f"m{index}") for index in range(50)))
    async with (
        MessagingServer.start(dsn, entities) as server,
        ServiceBusClient.from_connection_string(server.connection_string) as client,
    ):
        bodies = [f"m{index}" for index in range(50)]
        assert await taken(client, "orders", "all") == bodies
        assert await taken(client, "orders", "desk") == bodies


async def test_full_subscription_refuses_the_whole_send(dsn: str) -> None:
    async with (
        MessagingServer.start(dsn, parse_config(json.dumps(CONFIG)), settings=ServerSettings(max_messages=2)) as server,
        ServiceBusClient.from_connection_string(server.connection_string, retry_total=0) as client,
    ):
        await publish(client, "orders", order("1"), order("2"))
        with pytest.raises(ServiceBusError):
            await publish(client, "orders", order("3"))
        assert await taken(client, "orders", "desk") == ["1", "2"]


async def test_wrong_ends_of_a_topic_are_refused(client: ServiceBusClient) -> None:
    with pytest.raises(MessagingEntityNotFoundError):
        await taken(client, "orders", "absent")
    with pytest.raises(ServiceBusError):
        async with client.get_queue_receiver("orders") as receiver:
            await receiver.receive_messages(max_wait_time=1)
    with pytest.raises(ServiceBusError):
        async with client.get_queue_sender("orders/Subscriptions/all") as sender:
            await sender.send_messages(ServiceBusMessage("x"))


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"FilterType": "Sql", "SqlFilter": {"SqlExpression": "a ="}}, "'r0' of the subscription 's'"),
        ({"FilterType": "Sql", "CorrelationFilter": {"Label": "x"}}, "there is no such filter"),
        ({"FilterType": "Xml", "SqlFilter": {"SqlExpression": "1=1"}}, "FilterType"),
        ({**_SQL, "Action": {"SqlExpression": "SET"}}, "'r0' of the subscription 's'"),
    ],
)
async def test_wrong_rule_in_the_configuration_is_named(dsn: str, rule: dict[str, Any], reason: str) -> None:
    topic = {"Name": "t", "Subscriptions": [_subscription("s", rule)]}
    document = {"UserConfig": {"Namespaces": [{"Topics": [topic]}]}}
    with pytest.raises(ConfigError, match=reason):
        async with MessagingServer.start(dsn, parse_config(json.dumps(document))):
            pass
