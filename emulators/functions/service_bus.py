"""The Service Bus trigger (queues, subscriptions) and output binding (queues, topics), on the azure-servicebus SDK.

Success completes, an exception abandons, and the broker counts and dead-letters. A message that cannot be
read concerns itself alone: it is abandoned, and the others run. What fails again and again, because the
broker counts without end (a dead-letter queue does), is held back before it is abandoned, so that it
neither spins nor keeps others waiting.

The SDK's receivers are not safe for concurrent use, and a settlement waits behind a pending receive on
the same receiver: so each receiver is one loop of receive, run, settle, and concurrency is several
receivers.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from azure.servicebus import NEXT_AVAILABLE_SESSION, ServiceBusMessage, ServiceBusReceivedMessage
from azure.servicebus.aio import AutoLockRenewer, ServiceBusClient, ServiceBusReceiver, ServiceBusSender
from azure.servicebus.exceptions import OperationTimeoutError, ServiceBusError

from emulators.functions.definitions import FunctionDefinition, ServiceBusOutput, ServiceBusTrigger
from emulators.functions.execution import Executor, trace_context
from emulators.functions.logging import get_logger
from emulators.functions.service_bus_holding import HeldMessages, pause_before_abandoning
from emulators.functions.service_bus_messages import (
    batch_input,
    batch_metadata,
    single_input,
    single_metadata,
    trace_of,
)
from emulators.functions.settings import SettingsError, connection_setting, parse_time_span
from emulators.functions.worker import TraceContext, TypedData
from emulators.processes.background import Background

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0
_SPARE_RECEIVER_S = 30.0
_DRAIN_WAIT_S = 0.001
_LARGEST_PREFETCH = 500
_OUTAGES = (ServiceBusError, OSError, TimeoutError)
_logger = get_logger("host.service_bus")

type _Given = tuple[TypedData, TraceContext, Mapping[str, TypedData]]
type Settlement = Callable[[ServiceBusReceivedMessage], Awaitable[None]]


@dataclass(frozen=True)
class ServiceBusOptions:
    """host.json's `extensions.serviceBus` with the documented defaults."""

    max_concurrent_calls: int = 16
    max_concurrent_sessions: int = 8
    max_message_batch_size: int = 1000
    session_idle_timeout: timedelta = timedelta(minutes=1)
    max_auto_lock_renewal: timedelta = timedelta(minutes=5)
    prefetch_count: int = 0
    auto_complete: bool = True

    @classmethod
    def of(cls, section: Mapping[str, Any]) -> "ServiceBusOptions":
        """Read the section. Raises SettingsError."""
        default = cls()
        return cls(
            max_concurrent_calls=_count(section, "maxConcurrentCalls", default.max_concurrent_calls, 1),
            max_concurrent_sessions=_count(section, "maxConcurrentSessions", default.max_concurrent_sessions, 1),
            max_message_batch_size=_count(section, "maxMessageBatchSize", default.max_message_batch_size, 1),
            session_idle_timeout=_span(section, "sessionIdleTimeout", default.session_idle_timeout),
            max_auto_lock_renewal=_span(section, "maxAutoLockRenewalDuration", default.max_auto_lock_renewal),
            prefetch_count=_count(section, "prefetchCount", default.prefetch_count, 0),
            auto_complete=bool(section.get("autoCompleteMessages", default.auto_complete)),
        )


def _count(section: Mapping[str, Any], name: str, default: int, least: int) -> int:
    value = section.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise SettingsError(f"host.json: extensions.serviceBus.{name} must be a whole number from {least}")
    return value


def _span(section: Mapping[str, Any], name: str, default: timedelta) -> timedelta:
    return parse_time_span(str(section[name])) if name in section else default


def connection_string(name: str, settings: Mapping[str, str]) -> str:
    """The connection string that a binding names. Raises SettingsError."""
    found = connection_setting(name, settings)
    if found is not None:
        return found
    if settings.get(f"{name}__fullyQualifiedNamespace"):
        raise SettingsError(
            f"'{name}__fullyQualifiedNamespace' connects with an identity, which this host does not support: "
            f"set '{name}' to a connection string"
        )
    raise SettingsError(
        f"Microsoft Azure WebJobs SDK ServiceBus connection string '{name}' is missing or empty: "
        f"add '{name}' to the app settings"
    )


class ServiceBusListener:
    """One Service Bus-triggered function of this process."""

    def __init__(
        self, function: FunctionDefinition, connection: str, options: ServiceBusOptions, executor: Executor
    ) -> None:
        assert isinstance(function.trigger, ServiceBusTrigger)
        self._function = function
        self._trigger = function.trigger
        self._options = options
        self._executor = executor
        self._client = ServiceBusClient.from_connection_string(connection, retry_total=0)
        self._renewer = AutoLockRenewer(max_lock_renewal_duration=options.max_auto_lock_renewal.total_seconds())
        own = self._trigger.auto_complete
        self._auto_complete = options.auto_complete if own is None else own
        self._stopping = asyncio.Event()
        self._waiting: set[asyncio.Task[None]] = set()
        self._receivers: set[asyncio.Task[None]] = set()

    def start(self, background: Background) -> None:
        """Begin to receive; outages are waited out."""
        self._background = background
        for _ in range(self._first_receivers()):
            self._add_receiver()

    def stop(self) -> None:
        """Receive no more; messages that run are finished and settled."""
        self._stopping.set()
        for task in self._waiting:
            task.cancel()

    async def wait_closed(self, timeout_s: float) -> None:
        """Wait for what runs, within the bound, and close."""
        if self._receivers:
            _, late = await asyncio.wait(self._receivers, timeout=timeout_s)
            for task in late:
                task.cancel()
        await self._renewer.close()
        await self._client.close()

    def _first_receivers(self) -> int:
        # Azure ignores maxConcurrentSessions for batches of sessions: one session at a time.
        return self._options.max_concurrent_sessions if self._trigger.sessions and not self._trigger.many else 1

    def _add_receiver(self) -> None:
        task = self._background.start(self._receive_until_stopped(), f"receiver of {self._function.name}")
        self._receivers.add(task)
        task.add_done_callback(self._receivers.discard)

    def _grow(self) -> None:
        """Another receiver when none waits, up to maxConcurrentCalls."""
        if self._trigger.sessions or self._trigger.many or self._waiting or self._stopping.is_set():
            return
        if len(self._receivers) < self._options.max_concurrent_calls:
            self._add_receiver()

    async def _receive_until_stopped(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                async with self._opened() as receiver:
                    if not await self._work(receiver):
                        return
            except OperationTimeoutError:
                continue  # no session has messages
            except asyncio.CancelledError:
                if self._stopping.is_set():
                    return
                raise
            except Exception as error:  # noqa: BLE001 - a trigger outlives whatever the SDK raises
                if time.monotonic() - began > _LONGEST_PAUSE_S:
                    pause_s = _FIRST_PAUSE_S  # it had worked
                self._report(error, pause_s)
                await self._paused(pause_s * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    def _report(self, error: Exception, pause_s: float) -> None:
        if not isinstance(error, _OUTAGES):
            _logger.error("The trigger failed and starts again", function=self._function.name, exc_info=error)
        elif pause_s == _FIRST_PAUSE_S:
            _logger.warning(
                "Service Bus is away; the trigger waits for it",
                function=self._function.name,
                entity=self._trigger.entity,
                error=str(error),
            )

    @contextlib.asynccontextmanager
    async def _opened(self) -> AsyncIterator[ServiceBusReceiver]:
        prefetch = self._options.prefetch_count
        if self._trigger.many:
            prefetch = max(prefetch, min(self._options.max_message_batch_size, _LARGEST_PREFETCH) - 1)
        receiver = self._receiver(prefetch)
        try:
            with self._as_waiting():
                await receiver.__aenter__()
            yield receiver
        finally:
            await receiver.close()

    def _receiver(self, prefetch: int) -> ServiceBusReceiver:
        options: dict[str, Any] = {
            "session_id": NEXT_AVAILABLE_SESSION if self._trigger.sessions else None,
            "prefetch_count": prefetch,
            "auto_lock_renewer": self._renewer,
        }
        if self._trigger.subscription is None:
            return self._client.get_queue_receiver(self._trigger.entity, **options)
        return self._client.get_subscription_receiver(self._trigger.entity, self._trigger.subscription, **options)

    @contextlib.contextmanager
    def _as_waiting(self) -> Any:
        """Marks this task as one that may be cancelled to stop."""
        task = asyncio.current_task()
        assert task is not None
        self._waiting.add(task)
        try:
            yield
        finally:
            self._waiting.discard(task)

    async def _paused(self, seconds: float) -> None:
        with self._as_waiting():
            await asyncio.sleep(seconds)

    async def _work(self, receiver: ServiceBusReceiver) -> bool:
        """Serve one receiver; False ends its task for good, True asks for a new receiver."""
        wait_s = self._options.session_idle_timeout.total_seconds() if self._trigger.sessions else _SPARE_RECEIVER_S
        held = HeldMessages()
        while not self._stopping.is_set():
            await self._abandon(receiver, held.due())
            with self._as_waiting():
                messages = await self._receive(receiver, held.at_most(wait_s))
            if messages:
                self._grow()
                await self._handle(receiver, messages, held)
            elif held:
                continue
            elif self._trigger.sessions:
                return True
            elif len(self._waiting) > 0:
                return False
        return False

    async def _receive(self, receiver: ServiceBusReceiver, wait_s: float) -> list[ServiceBusReceivedMessage]:
        messages = await receiver.receive_messages(max_message_count=1, max_wait_time=wait_s)
        if self._trigger.many and messages and self._options.max_message_batch_size > 1:
            messages += await _already_here(receiver, self._options.max_message_batch_size - 1)
        return messages

    async def _handle(
        self, receiver: ServiceBusReceiver, received: list[ServiceBusReceivedMessage], held: HeldMessages
    ) -> None:
        messages, given = self._read(received)
        failed = [message for message in received if message not in messages]
        if given is not None:
            outcome = await self._executor.run(self._function, *given)
            if outcome.failure is not None:
                failed += messages
            elif self._auto_complete:
                # Together: each settlement waits for the broker's answer.
                await asyncio.gather(*(self._settle(receiver.complete_message, message) for message in messages))
        if self._trigger.sessions:
            # In a session nothing may overtake what failed, so its receiver waits.
            await self._paused(max(map(pause_before_abandoning, failed), default=0.0))
            await self._abandon(receiver, failed)
        else:
            await self._abandon(receiver, held.keep(failed))

    def _read(self, received: list[ServiceBusReceivedMessage]) -> tuple[list[ServiceBusReceivedMessage], _Given | None]:
        """The messages that can be read, and what the function is given of them."""
        try:
            return received, self._given(received)
        except Exception:  # noqa: BLE001 - found out below, message by message
            readable = [message for message in received if self._is_readable(message)]
        return readable, self._given(readable) if readable else None

    def _is_readable(self, message: ServiceBusReceivedMessage) -> bool:
        try:
            self._given([message])
        except Exception:  # whatever a sender wrote concerns this message alone
            _logger.exception(
                "A message cannot be read and is abandoned",
                function=self._function.name,
                sequence_number=message.sequence_number,
            )
            return False
        return True

    def _given(self, messages: Sequence[ServiceBusReceivedMessage]) -> _Given:
        binary, trace = self._trigger.binary, trace_context(*trace_of(messages[0]))
        if self._trigger.many:
            return batch_input(messages, binary=binary), trace, batch_metadata(messages)
        return single_input(messages[0], binary=binary), trace, single_metadata(messages[0])

    async def _abandon(self, receiver: ServiceBusReceiver, messages: Sequence[ServiceBusReceivedMessage]) -> None:
        await asyncio.gather(*(self._settle(receiver.abandon_message, message) for message in messages))

    async def _settle(self, settle: Settlement, message: ServiceBusReceivedMessage) -> None:
        try:
            await settle(message)
        except Exception as error:  # noqa: BLE001 - whatever the SDK raises, the broker delivers it again
            _logger.warning(
                "A message could not be settled and will be delivered again",
                function=self._function.name,
                message_id=message.message_id,
                error=str(error),
            )


async def _already_here(receiver: ServiceBusReceiver, at_most: int) -> list[ServiceBusReceivedMessage]:
    """Prefetched messages that have arrived, without waiting for more.

    The SDK polls its socket for 0.2 s at a time, which would delay each part-filled batch by as much;
    the handler's poll is shortened for this one call.
    """
    handler: Any = receiver._handler
    usual_s = handler._socket_timeout
    handler._socket_timeout = _DRAIN_WAIT_S
    try:
        return await receiver.receive_messages(max_message_count=at_most, max_wait_time=_DRAIN_WAIT_S)
    finally:
        handler._socket_timeout = usual_s


class ServiceBusOutputs:
    """Sends what output bindings return; one sender an entity, used by one invocation at a time."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = settings
        self._clients: dict[str, ServiceBusClient] = {}
        self._senders: dict[tuple[str, str], ServiceBusSender] = {}
        self._turns: dict[tuple[str, str], asyncio.Lock] = {}

    async def send(self, output: ServiceBusOutput, value: TypedData) -> None:
        """Send one message. Raises the SDK's error when the broker did not accept it."""
        place = (output.connection, output.entity)
        async with self._turns.setdefault(place, asyncio.Lock()):
            try:
                await self._sender(output).send_messages(_message(value))
            except BaseException:
                broken = self._senders.pop(place, None)
                if broken is not None:
                    await broken.close()
                raise

    async def close(self) -> None:
        for client in self._clients.values():
            await client.close()

    def _sender(self, output: ServiceBusOutput) -> ServiceBusSender:
        place = (output.connection, output.entity)
        if place not in self._senders:
            if output.connection not in self._clients:
                found = connection_string(output.connection, self._settings)
                self._clients[output.connection] = ServiceBusClient.from_connection_string(found)
            self._senders[place] = self._clients[output.connection].get_queue_sender(output.entity)
        return self._senders[place]


def _message(value: TypedData) -> ServiceBusMessage:
    content_types = {"string": "text/plain", "json": "application/json"}
    return ServiceBusMessage(value.value, content_type=content_types.get(value.WhichOneof("data")))
