"""What Azure's documentation says of Service Bus, page by page; `_DOCS` is the pages' common root."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.servicebus import ServiceBusMessage, ServiceBusReceivedMessage, ServiceBusReceiveMode
from azure.servicebus._common import mgmt_handlers
from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver
from azure.servicebus.amqp import AmqpAnnotatedMessage
from azure.servicebus.exceptions import MessageSizeExceededError, ServiceBusError

from emulators.messaging.entities import parse_config
from emulators.messaging.server import MessagingServer
from emulators.tests.messaging.test_queues import receive
from emulators.tests.messaging.test_topics import CONFIG, dead, order, publish, taken

_FILTERS = "https://learn.microsoft.com/azure/service-bus-messaging/topic-filters"


@pytest.fixture
async def server(dsn: str) -> AsyncIterator[MessagingServer]:
    async with MessagingServer.start(dsn, parse_config(json.dumps(CONFIG))) as running:
        yield running


async def manage(receiver: ServiceBusReceiver, operation: str, **body: Any) -> Any:
    """One request on the SDK's own management link; the SDK has no method for rules."""

    def answer(status: int, message: Any, description: Any, **_options: Any) -> Any:
        return status, description, message.value

    name = f"com.microsoft:{operation}".encode()
    arguments = {key.replace("_", "-"): value for key, value in body.items()}
    return await receiver._mgmt_request_response_with_retry(name, arguments, answer)


def names(answer: Any) -> list[bytes]:
    _, _, value = answer
    return [entry[b"rule-description"][2] for entry in value[b"rules"]] if value else []


async def test_subscription_begins_with_the_true_filter(client: ServiceBusClient) -> None:
    """https://learn.microsoft.com/azure/service-bus-messaging/topic-filters: `$Default` takes everything."""
    async with client.get_subscription_receiver("orders", "all") as receiver:
        assert names(await manage(receiver, "enumerate-rules", top=10, skip=0)) == [b"$Default"]


async def test_rules_decide_from_when_they_are_added(client: ServiceBusClient) -> None:
    """https://learn.microsoft.com/azure/service-bus-messaging/service-bus-amqp-request-response#rule-operations"""
    rule = {
        "sql-filter": {"expression": "side = 'SELL'"},
        "sql-rule-action": {"expression": "SET desk = 'exit'"},
    }
    async with client.get_subscription_receiver("orders", "all") as receiver:
        status, _, _ = await manage(receiver, "add-rule", rule_name="sells", rule_description=rule)
        assert status == 200
        await manage(receiver, "remove-rule", rule_name="$Default")
        assert names(await manage(receiver, "enumerate-rules", top=10, skip=0)) == [b"sells"]
        assert names(await manage(receiver, "enumerate-rules", top=10, skip=1)) == []
        await publish(client, "orders", order("buy", properties={"side": "BUY"}))
        await publish(client, "orders", order("sell", properties={"side": "SELL"}))
        [message] = await receive(receiver)
    assert str(message) == "sell"
    assert message.application_properties is not None
    assert message.application_properties[b"desk"] == b"exit"


async def test_correlation_rule_is_written_back_in_wire_order(client: ServiceBusClient) -> None:
    """https://learn.microsoft.com/azure/service-bus-messaging/service-bus-amqp-request-response#get-rules"""
    rule = {"correlation-filter": {"label": "l", "correlation-id": "c", "properties": {"side": "BUY"}}}
    async with client.get_subscription_receiver("orders", "buys") as receiver:
        await manage(receiver, "add-rule", rule_name="a", rule_description=rule)
        _, _, value = await manage(receiver, "enumerate-rules", top=1, skip=0)
        await publish(client, "orders", order("yes", subject="l", correlation_id="c", properties={"side": "BUY"}))
        assert await taken(client, "orders", "buys") == ["yes"]
    filter_, action, name = value[b"rules"][0][b"rule-description"]
    assert (name, action) == (b"a", [])
    assert filter_ == [b"c", None, None, None, b"l", None, None, None, {b"side": b"BUY"}]


@pytest.mark.parametrize(
    ("operation", "body", "status"),
    [
        ("add-rule", {"rule_name": "$Default", "rule_description": {"sql-filter": {"expression": "1=1"}}}, 409),
        ("add-rule", {"rule_name": "x", "rule_description": {"sql-filter": {"expression": "a ="}}}, 400),
        ("add-rule", {"rule_name": "x", "rule_description": {"correlation-filter": {}}}, 400),
        ("add-rule", {"rule_name": "x", "rule_description": {}}, 400),
        ("remove-rule", {"rule_name": "absent"}, 404),
    ],
)
async def test_rules_that_cannot_be_are_refused(
    client: ServiceBusClient, operation: str, body: dict[str, Any], status: int
) -> None:
    """https://learn.microsoft.com/azure/service-bus-messaging/service-bus-amqp-request-response#rule-operations"""
    async with client.get_subscription_receiver("orders", "all") as receiver:
        found, _, _ = await manage(receiver, operation, **body)
    assert found == status


async def test_queues_and_topics_have_no_rules(client: ServiceBusClient) -> None:
    """https://learn.microsoft.com/azure/service-bus-messaging/topic-filters: rules belong to subscriptions."""
    async with client.get_topic_sender("orders") as sender:
        request = {"rule-name": "x", "rule-description": {"sql-filter": {"expression": "1=1"}}}
        with pytest.raises(ServiceBusError):
            await sender._mgmt_request_response_with_retry(b"com.microsoft:add-rule", request, mgmt_handlers.default)


async def test_subscriptions_number_their_messages_themselves(client: ServiceBusClient) -> None:
    """https://learn.microsoft.com/azure/service-bus-messaging/message-sequencing: the topic has its own."""
    await publish(client, "orders", order("other"), order("large", subject="order", properties={"quantity": 9}))
    async with client.get_subscription_receiver("orders", "large") as receiver:
        [message] = await receive(receiver)
    assert (message.sequence_number, message.enqueued_sequence_number) == (1, 2)


async def test_receive_and_delete_leaves_nothing_to_settle(client: ServiceBusClient) -> None:
    """https://learn.microsoft.com/azure/service-bus-messaging/message-transfers-locks-settlement#receiveanddelete"""
    await publish(client, "orders", order("gone"))
    async with client.get_subscription_receiver(
        "orders", "all", receive_mode=ServiceBusReceiveMode.RECEIVE_AND_DELETE
    ) as receiver:
        assert [str(message) for message in await receive(receiver)] == ["gone"]
        assert await receiver.peek_messages() == []


async def test_browsing_shows_deferred_and_scheduled_messages(client: ServiceBusClient) -> None:
    """https://learn.microsoft.com/azure/service-bus-messaging/message-browsing"""
    await publish(client, "orders", order("deferred"), order("active"))
    async with client.get_subscription_receiver("orders", "all") as receiver:
        [message] = await receive(receiver)
        await receiver.defer_message(message)
        states = {str(one): one.state.name for one in await receiver.peek_messages(10, sequence_number=1)}
    assert states == {"deferred": "DEFERRED", "active": "ACTIVE"}
    async with client.get_topic_sender("orders") as sender:
        await sender.schedule_messages(order("later"), datetime.now(UTC) + timedelta(hours=1))
    # A scheduled message is the topic's until it is due.
    assert await taken(client, "orders", "desk") == ["deferred", "active"]


async def test_dead_letter_carries_reason_description_and_source(client: ServiceBusClient) -> None:
    """https://learn.microsoft.com/azure/service-bus-messaging/service-bus-dead-letter-queues"""
    await publish(client, "orders", order("bad"))
    async with client.get_subscription_receiver("orders", "all") as receiver:
        [message] = await receive(receiver)
        await receiver.dead_letter_message(message, reason="ProcessingError", error_description="why")
    [found] = await dead(client, "orders", "all")
    assert (found.dead_letter_reason, found.dead_letter_error_description) == ("ProcessingError", "why")
    assert found.dead_letter_source == "orders/Subscriptions/all"


async def test_delivery_annotations_pass_behind_the_body(client: ServiceBusClient) -> None:
    """azure-sdk-for-python samples/sync_samples/send_and_receive_amqp_annotated_message.py"""
    given = AmqpAnnotatedMessage(
        data_body=[b"1", b"2"], delivery_annotations={"own": "kept"}, application_properties={"side": "BUY"}
    )
    async with client.get_topic_sender("orders") as sender:
        await sender.send_messages(given)
    async with client.get_subscription_receiver("orders", "desk") as receiver:
        [message] = await receive(receiver)
    raw = message.raw_amqp_message
    assert (list(raw.body), raw.delivery_annotations) == ([b"1", b"2"], {b"own": b"kept"})


async def test_session_state_outlives_its_receivers(client: ServiceBusClient) -> None:
    """https://learn.microsoft.com/azure/service-bus-messaging/message-sessions#message-session-state"""
    await publish(client, "orders", order("x"))
    async with client.get_subscription_receiver("orders", "lanes", session_id="s") as receiver:
        await receiver.session.set_state(b"step 1")
    async with client.get_subscription_receiver("orders", "lanes", session_id="s") as receiver:
        assert b"".join([await receiver.session.get_state()]) == b"step 1"
        messages: list[ServiceBusReceivedMessage] = await receive(receiver)
    assert messages[0].delivery_count == 0


async def test_messages_beyond_the_tier_are_refused_by_size(client: ServiceBusClient) -> None:
    """https://learn.microsoft.com/azure/service-bus-messaging/service-bus-quotas: 256 KB in the standard tier."""
    await publish(client, "orders", ServiceBusMessage(b"x" * 200_000))
    with pytest.raises(MessageSizeExceededError):
        await publish(client, "orders", ServiceBusMessage(b"x" * 300_000))
