"""Requests are refused while others wait too long for their turn, early and cheaply, and taken again afterwards."""

import asyncio
import time
from typing import Any

from emulators.functions.http import read_body
from emulators.functions.overload import Admission
from emulators.functions.serving import HttpServer
from emulators.functions.sockets import bind
from emulators.processes.background import Background

_LONGEST_S = 0.2


async def _fill(admission: Admission, requests: int) -> list[asyncio.Task[None]]:
    standing = [asyncio.create_task(admission.enter()) for _ in range(requests)]
    await asyncio.sleep(0)
    return standing


async def test_places_are_given_in_order_of_arrival() -> None:
    admission = Admission(_LONGEST_S, at_a_time=2)
    standing = await _fill(admission, 5)
    assert [task.done() for task in standing] == [True, True, False, False, False]
    standing[2].cancel()
    for entered in (3, 4):
        admission.leave()
        await asyncio.sleep(0)
        assert standing[entered].done()
    for _ in range(2):
        admission.leave()
    assert all(task.done() for task in await _fill(admission, 2))


async def test_a_place_that_came_with_the_cancellation_is_passed_on() -> None:
    admission = Admission(_LONGEST_S, at_a_time=1)
    _, gone, following = await _fill(admission, 3)
    admission.leave()
    gone.cancel()
    await asyncio.wait([gone, following], timeout=5)
    assert gone.cancelled()
    assert following.done()


async def test_a_line_is_refused_by_its_pace_and_not_by_its_length() -> None:
    admission = Admission(_LONGEST_S, at_a_time=1)
    await _fill(admission, 200)
    assert not admission.refuses()
    ends = time.monotonic() + 0.15
    while time.monotonic() < ends:  # two thousand a second: the rest takes less than the longest wait
        await asyncio.sleep(0.005)
        for _ in range(10):
            admission.leave()
            await _fill(admission, 1)
    assert not admission.refuses()
    ends = time.monotonic() + 0.15
    while time.monotonic() < ends:  # two hundred a second: the rest takes a second
        await asyncio.sleep(0.005)
        admission.leave()
        await _fill(admission, 1)
    assert admission.refuses()
    for _ in range(190):
        admission.leave()
    assert not admission.refuses()


async def test_an_app_that_answers_nothing_is_noticed() -> None:
    admission = Admission(0.02, at_a_time=1)
    await _fill(admission, 2)
    assert not admission.refuses()
    await asyncio.sleep(0.03)
    assert admission.refuses()


async def test_a_refused_request_never_reaches_the_app() -> None:
    reached: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope["method"])
        await read_body(receive, None, 1_000)
        await asyncio.sleep(0.005)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    listener = bind("127.0.0.1", 0)
    server = HttpServer(app, listener, grace_s=1, admission=Admission(0.001, at_a_time=1))
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
