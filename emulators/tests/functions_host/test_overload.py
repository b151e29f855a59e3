"""Requests are refused while others wait too long for their turn, early and cheaply, and taken again afterwards."""

import asyncio
import time
from typing import Any

import pytest

from emulators.functions.http import read_body
from emulators.functions.overload import Admission
from emulators.functions.serving import HttpServer
from emulators.functions.sockets import bind
from emulators.processes.background import Background

_LONGEST_S = 0.02


def _taken_of_100(admission: Admission) -> int:
    return sum(admission.take() for _ in range(100))


def _work(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        continue


def test_the_share_that_is_taken_follows_the_wait() -> None:
    admission = Admission(_LONGEST_S)
    assert _taken_of_100(admission) == 100

    for _ in range(2):
        admission.note(2 * _LONGEST_S)
    assert _taken_of_100(admission) == pytest.approx(80, abs=1)

    for _ in range(50):
        admission.note(2 * _LONGEST_S)
    assert 1 <= _taken_of_100(admission) <= 10

    for _ in range(100):
        admission.note(0.0)
    assert _taken_of_100(admission) == 100


def test_a_single_long_turn_refuses_nothing() -> None:
    admission = Admission(_LONGEST_S)
    for lag_s in (0.0, 5 * _LONGEST_S, 0.0, 0.0, 5 * _LONGEST_S):
        admission.note(lag_s)
    assert _taken_of_100(admission) == 100


async def test_a_refused_request_never_reaches_the_app() -> None:
    reached: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope["method"])
        await read_body(receive, None, 1_000)
        _work(0.03)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    listener = bind("127.0.0.1", 0)
    server = HttpServer(app, listener, grace_s=1, admission=Admission(0.001))
    await server.listen(Background())
    post = b"POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
    answers: list[bytes] = []

    async def ask(request: bytes, times: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.getsockname()[1])
        for _ in range(times):
            writer.write(request)
            answered = await reader.readuntil(b"\r\n\r\n")
            answers.append(answered)
            if answered.startswith(b"HTTP/1.1 503 "):
                assert await reader.readexactly(27) == b"The service is unavailable."
        writer.close()

    await asyncio.gather(*(ask(post, 30) for _ in range(8)))
    refused = [answer for answer in answers if answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")]
    assert len(refused) + len(reached) == len(answers)
    assert refused
    assert reached
    assert all(b"\r\nretry-after: 1\r\n" in answer for answer in refused)

    answers.clear()
    await ask(post.replace(b"POST", b"GET"), 10)
    assert all(answer.startswith(b"HTTP/1.1 200 ") for answer in answers)
    await server.stop()


async def test_a_crowded_machine_alone_refuses_nothing() -> None:
    admission = Admission(_LONGEST_S)
    watching = asyncio.create_task(admission.watch())
    for _ in range(10):
        await asyncio.sleep(0)
        time.sleep(3 * _LONGEST_S)  # noqa: ASYNC251 - the core is somebody else's
        await asyncio.sleep(0.001)
    watching.cancel()
    assert _taken_of_100(admission) == 100
