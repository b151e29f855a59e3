"""The two queues on Azure Service Bus, through the official SDK.

Requests arrive in sessions. This process is their only consumer, so it keeps all 64 sessions locked instead of
accepting "the next session", which would open a new link after every pause. A lane takes one message at a time,
up to 200 requests, and completes it once it is journaled, which is enough to keep the order within the lane.
"""

import asyncio
import ssl
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import structlog
from azure.core.exceptions import AzureError
from azure.servicebus import ServiceBusMessage, ServiceBusReceivedMessage
from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver, ServiceBusSender
from azure.servicebus.exceptions import MessageSizeExceededError, SessionCannotBeLockedError

from simulators.backoff import Backoff
from simulators.exchange.inbox import Delivery, Inbox, Verdict
from simulators.exchange.lanes import LANES, lane_name

_RENEW_BEFORE = timedelta(seconds=15)
_RECEIVE_WAIT_S = 5.0
_PREFETCH = 4
_log = structlog.get_logger(__name__)


class ServiceBusTransport:
    """Receives from and sends to one namespace; use as an asynchronous context."""

    def __init__(
        self,
        connection_string: str,
        requests_queue: str = "exchange-requests",
        reports_queue: str = "execution-reports",
        lanes: int = LANES,
    ) -> None:
        # One TLS context for all: left alone, the SDK reads the CA bundle, 25 ms, for each of the 64 connections.
        self._client = ServiceBusClient.from_connection_string(
            connection_string, retry_total=0, ssl_context=ssl.create_default_context()
        )
        self._requests_queue = requests_queue
        self._reports_queue = reports_queue
        self._lanes = [lane_name(lane) for lane in range(lanes)]
        self._sender: ServiceBusSender | None = None
        self._sending = asyncio.Lock()
        self._attached: set[str] = set()
        self.attached = asyncio.Event()

    async def __aenter__(self) -> "ServiceBusTransport":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._drop_sender()
        await self._client.close()

    # --- requests -------------------------------------------------------------------------------------

    async def receive(self, inbox: Inbox) -> None:
        """Serve all lanes until cancelled."""
        async with asyncio.TaskGroup() as group:
            # The SDK needs half a second to open a sender; opening it early keeps that out of the first answer.
            group.create_task(self.send([]), name="open the reports sender")
            for lane in self._lanes:
                group.create_task(self._serve_lane(lane, inbox), name=f"lane-{lane}")

    async def _serve_lane(self, lane: str, inbox: Inbox) -> None:
        backoff = Backoff()
        while True:
            try:
                receiver = self._client.get_queue_receiver(
                    self._requests_queue, session_id=lane, prefetch_count=_PREFETCH
                )
                async with receiver:
                    self._note_attached(lane)
                    backoff.reset()
                    await self._serve_session(receiver, inbox)
            except SessionCannotBeLockedError:
                await backoff.wait()
            except (AzureError, OSError) as error:
                _log.warning("lane_lost", lane=lane, error=type(error).__name__, detail=str(error)[:200])
                await backoff.wait()

    def _note_attached(self, lane: str) -> None:
        self._attached.add(lane)
        if len(self._attached) == len(self._lanes):
            self.attached.set()

    async def _serve_session(self, receiver: ServiceBusReceiver, inbox: Inbox) -> None:
        while True:
            messages = await receiver.receive_messages(max_message_count=1, max_wait_time=_RECEIVE_WAIT_S)
            await _renew_if_due(receiver)
            for message in messages:
                await _settle(receiver, message, await self._judged(receiver, message, inbox))

    async def _judged(self, receiver: ServiceBusReceiver, message: ServiceBusReceivedMessage, inbox: Inbox) -> Verdict:
        """The gateway's verdict; the session stays locked while PostgreSQL is away."""
        delivery = Delivery(str(message.message_id), _body(message))
        inbox.put(delivery)
        while True:
            try:
                return await asyncio.wait_for(asyncio.shield(delivery.settled), _RECEIVE_WAIT_S)
            except TimeoutError:
                await _renew_if_due(receiver)

    # --- reports --------------------------------------------------------------------------------------

    async def send(self, messages: list[bytes]) -> None:
        """Send until the bus has accepted every message."""
        backoff, sent = Backoff(), 0
        while sent < len(messages) or self._sender is None:
            try:
                async with self._sending:
                    sent += await self._send_batch(messages[sent:])
                backoff.reset()
            except (AzureError, OSError) as error:
                _log.warning("reports_not_sent", error=type(error).__name__, detail=str(error)[:200])
                await self._drop_sender()
                await backoff.wait()

    async def _send_batch(self, messages: Iterable[bytes]) -> int:
        """Send as many messages as one transfer carries; returns their number."""
        if self._sender is None:
            self._sender = self._client.get_queue_sender(self._reports_queue)
        batch = await self._sender.create_message_batch()
        for message in messages:
            try:
                batch.add_message(ServiceBusMessage(message, content_type="application/json"))
            except MessageSizeExceededError:
                if not len(batch):
                    raise
                break
        if len(batch):
            await self._sender.send_messages(batch)
        return len(batch)

    async def _drop_sender(self) -> None:
        sender, self._sender = self._sender, None
        if sender is not None:
            await sender.close()


async def _renew_if_due(receiver: ServiceBusReceiver) -> None:
    locked_until = receiver.session.locked_until_utc
    if locked_until is not None and locked_until - datetime.now(UTC) < _RENEW_BEFORE:
        await receiver.session.renew_lock()


async def _settle(receiver: ServiceBusReceiver, message: ServiceBusReceivedMessage, verdict: Verdict) -> None:
    if verdict.error is None:
        await receiver.complete_message(message)
    else:
        await receiver.dead_letter_message(message, reason="MALFORMED", error_description=verdict.error[:1000])


def _body(message: ServiceBusReceivedMessage) -> bytes:
    body = message.body
    return body if isinstance(body, bytes) else b"".join(body)
