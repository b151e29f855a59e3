"""One client connection: headers, SASL, open, heartbeats, channels (OASIS AMQP 1.0 parts 2.4 and 5).

Whatever a client sends, the worst that happens is that its own connection closes.
"""

import asyncio
from collections.abc import Callable
from typing import cast

import structlog

from emulators.messaging.channels import Channel
from emulators.messaging.codec import Array, Symbol
from emulators.messaging.errors import AmqpError, Condition, ProtocolError, SessionError
from emulators.messaging.frames import (
    AMQP_HEADER,
    AMQP_TYPE,
    EMPTY_FRAME,
    SASL_HEADER,
    SASL_TYPE,
    Frame,
    FrameBuffer,
    write_frame,
)
from emulators.messaging.limits import Limits
from emulators.messaging.nodes import Router, Source
from emulators.messaging.performatives import (
    Begin,
    Close,
    End,
    Open,
    Performative,
    SaslInit,
    SaslMechanisms,
    SaslOutcome,
    error_value,
)

_log = structlog.get_logger(__name__)
_SASL_MECHANISMS = Array([Symbol("MSSBCBS"), Symbol("ANONYMOUS")])
_MIN_FRAME_SIZE = 512
_MAX_HELD_BYTES = 16 << 20
_MAX_UNFINISHED_BYTES = 8 << 20
_UNPROVED_UNFINISHED_BYTES = 64 << 10
_UNPROVED_LINKS = 16
"""What a connection may hold that has proved no claim yet: enough to prove one."""


class Connection(asyncio.Protocol):
    """The server's side of one TCP connection; with a `refusal` it is closed as soon as the client opens it."""

    def __init__(
        self,
        router: Router,
        limits: Limits,
        on_lost: Callable[["Connection"], None],
        refusal: AmqpError | None = None,
    ) -> None:
        self._refusal = refusal
        self.router = router
        self.limits = limits
        self.claims: dict[str, float] = {}
        self.remote_max_frame_size = _MIN_FRAME_SIZE
        self.congested = False
        self._on_lost = on_lost
        self._buffer = FrameBuffer(limits.max_frame_bytes)
        self._channels: dict[int, Channel] = {}
        self._expect_header = True
        self._sasl = False
        self._open: Open | None = None
        self._closed = False
        self._out: list[bytes] = []
        self._flushing = False
        self._held = 0
        self._unfinished = 0
        self._links = 0
        self._last_read = 0.0
        self._last_write = 0.0
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    # --- transport --------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._last_read = self._now()
        self._timer = self._loop().call_later(self.limits.open_timeout_s, self._check_opened)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for channel in self._channels.values():
            channel.ended()
        self._channels.clear()
        self._on_lost(self)

    def pause_writing(self) -> None:
        self.congested = True

    def resume_writing(self) -> None:
        self.congested = False
        for channel in self._channels.values():
            channel.on_writable()

    def data_received(self, data: bytes) -> None:
        self._last_read = self._now()
        self._buffer.feed(data)
        try:
            while not self._closed and self._step():
                pass
        except AmqpError as error:
            self.close(error)
        except Exception:  # noqa: BLE001 - a fault of ours in one connection must not end the server
            _log.exception("A connection failed")
            self.close(AmqpError(Condition.INTERNAL_ERROR, "The server failed on this connection."))

    def _loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    def _now(self) -> float:
        return self._loop().time()

    # --- reading ----------------------------------------------------------------------------------------------------

    def _step(self) -> bool:
        """Handle one header or frame; false when more bytes are needed."""
        if self._expect_header:
            header = self._buffer.next_header()
            if header is not None:
                self._on_header(header)
            return header is not None
        frame = self._buffer.next_frame()
        if frame is not None and frame.performative is not None:
            self._on_frame(frame, frame.performative)
        return frame is not None

    def _on_header(self, header: bytes) -> None:
        self._expect_header = False
        if header == SASL_HEADER and not self._sasl:
            self._sasl = True
            self.write(SASL_HEADER)
            self.write(write_frame(SaslMechanisms(_SASL_MECHANISMS), kind=SASL_TYPE))
        elif header == AMQP_HEADER:
            self._sasl = False
            self.write(AMQP_HEADER)
        else:
            self.write(AMQP_HEADER)
            self.abort()

    def _on_frame(self, frame: Frame, performative: Performative) -> None:
        if frame.type != (SASL_TYPE if self._sasl else AMQP_TYPE):
            raise ProtocolError(Condition.FRAMING_ERROR, "A frame has an unexpected type.")
        if self._sasl:
            self._on_sasl(performative)
        elif isinstance(performative, Open):
            self._on_open(performative)
        elif self._open is None:
            raise ProtocolError(Condition.NOT_ALLOWED, "The connection is not open.")
        elif isinstance(performative, Close):
            self.close(None)
        else:
            self._on_channel_frame(frame, performative)

    def _on_sasl(self, performative: Performative) -> None:
        if not isinstance(performative, SaslInit):
            raise ProtocolError(Condition.NOT_ALLOWED, "Only sasl-init is expected.")
        known = Symbol(performative.mechanism) in _SASL_MECHANISMS.items
        self.write(write_frame(SaslOutcome(0 if known else 1), kind=SASL_TYPE))
        if not known:
            self.abort()
        self._expect_header = True
        # The AMQP header follows; SASL is not offered twice.
        self._sasl = True

    def _on_open(self, open_: Open) -> None:
        if self._open is not None:
            raise ProtocolError(Condition.NOT_ALLOWED, "The connection is open already.")
        if open_.max_frame_size < _MIN_FRAME_SIZE:
            raise ProtocolError(Condition.INVALID_FIELD, "max-frame-size is below 512.")
        self._open = open_
        self.remote_max_frame_size = min(open_.max_frame_size, self.limits.max_frame_bytes)
        self._write_open()
        self._watch_idle()
        if self._refusal is not None:
            self.close(self._refusal)

    def _write_open(self) -> None:
        answer = Open(
            "emulators.messaging",
            max_frame_size=self.limits.max_frame_bytes,
            channel_max=self.limits.max_channels - 1,
            idle_time_out=int(self.limits.idle_timeout_s * 1000),
        )
        self.write(write_frame(answer))

    def _on_channel_frame(self, frame: Frame, performative: Performative) -> None:
        channel = self._channels.get(frame.channel)
        if isinstance(performative, Begin):
            self._on_begin(frame.channel, performative)
        elif channel is None:
            raise ProtocolError(Condition.NOT_ALLOWED, "A frame names a channel that was not begun.")
        elif isinstance(performative, End):
            self._end(frame.channel, None)
        else:
            try:
                channel.on_frame(performative, frame.payload)
            except SessionError as error:
                self._end(frame.channel, error)

    def _on_begin(self, number: int, begin: Begin) -> None:
        if number in self._channels or number >= self.limits.max_channels:
            raise ProtocolError(Condition.NOT_ALLOWED, "A channel is in use already, or its number is too large.")
        if not self.claims and len(self._channels) >= _UNPROVED_LINKS:
            raise ProtocolError(Condition.RESOURCE_LIMIT, "A connection without claims has too many sessions.")
        self._channels[number] = Channel(self, number, begin)

    def _end(self, number: int, error: AmqpError | None) -> None:
        self._channels.pop(number).ended()
        self.write(write_frame(End(None if error is None else error_value(error)), number))

    # --- writing ----------------------------------------------------------------------------------------------------

    def write(self, frame: bytes) -> None:
        """Queue bytes; what is written in one turn of the loop leaves in one piece."""
        self._out.append(frame)
        self.flush_soon()

    def flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._loop().call_soon(self._flush)

    def _flush(self) -> None:
        for channel in self._channels.values():
            channel.flush()
        self._flushing = False
        if self._out and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(self._out))
            self._last_write = self._now()
        self._out.clear()

    def hold(self, size: int) -> None:
        """Count bytes that wait to be settled; past a limit nothing more is read until some are."""
        before, self._held = self._held, self._held + size
        if self._transport is None or self._transport.is_closing():
            return
        if before <= _MAX_HELD_BYTES < self._held:
            self._transport.pause_reading()
        elif self._held <= _MAX_HELD_BYTES < before:
            self._transport.resume_reading()

    def gather(self, size: int) -> None:
        """Count bytes of deliveries that are not complete, less when negative. Raises ProtocolError past the bound."""
        self._unfinished += size
        bound = _MAX_UNFINISHED_BYTES if self.claims else _UNPROVED_UNFINISHED_BYTES
        if size > 0 and self._unfinished > bound:
            raise ProtocolError(Condition.RESOURCE_LIMIT, f"Unfinished deliveries have more than {bound} bytes.")

    def count_link(self) -> None:
        """One link more. Raises SessionError past the bound."""
        bound = self.limits.max_links_a_connection if self.claims else _UNPROVED_LINKS
        if self._links >= bound:
            raise SessionError(Condition.RESOURCE_LIMIT, f"A connection has at most {bound} links.")
        self._links += 1

    def forget_link(self) -> None:
        """One link less."""
        self._links -= 1

    # --- closing ----------------------------------------------------------------------------------------------------

    def close(self, error: AmqpError | None) -> None:
        """Answer or begin a close, then hang up."""
        if self._closed:
            return
        if self._open is None and error is not None:
            self._write_open()
        self.write(write_frame(Close(None if error is None else error_value(error))))
        self.abort()

    def abort(self) -> None:
        """Hang up after what was written."""
        self._flush()
        self._closed = True
        if self._transport is not None:
            self._transport.close()

    def task_done(self, task: asyncio.Task[None]) -> None:
        """A link's task ended; one that failed takes its connection along."""
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("A link failed", exc_info=error)
            self.close(AmqpError(Condition.INTERNAL_ERROR, "The server failed on this connection."))

    # --- time -------------------------------------------------------------------------------------------------------

    def _check_opened(self) -> None:
        if self._open is None:
            self.abort()

    def _watch_idle(self) -> None:
        """Close after silence; send an empty frame before the client would lose patience."""
        if self._timer is not None:
            self._timer.cancel()
        if self._closed or self._open is None:
            return
        if self._now() - self._last_read > 2 * self.limits.idle_timeout_s:
            self.close(AmqpError(Condition.CONNECTION_FORCED, "The connection was inactive for too long."))
            return
        self._expire_claims()
        remote = self._open.idle_time_out
        interval = min(self.limits.idle_timeout_s / 2, 30.0, max(remote / 2000, 0.1) if remote else 30.0)
        if remote and self._now() - self._last_write >= interval / 2:
            self.write(EMPTY_FRAME)
        self._timer = self._loop().call_later(interval / 2, self._watch_idle)

    def _expire_claims(self) -> None:
        """Links outlive no token."""
        for channel in self._channels.values():
            channel.expire()

    # --- look-ups ---------------------------------------------------------------------------------------------------

    def source_of(self, link_name: str) -> Source | None:
        for channel in self._channels.values():
            for link in channel.outgoing_links():
                if link.attach.name == link_name:
                    return link.node_source
        return None
