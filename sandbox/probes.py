"""Is it up? Cheap questions that answer False instead of raising."""

import http.client
import socket
from collections.abc import Callable

_TIMEOUT_S = 1.0


def accepts_tcp(port: int) -> bool:
    """True when something accepts connections on the port."""
    try:
        socket.create_connection(("127.0.0.1", port), _TIMEOUT_S).close()
    except OSError:
        return False
    return True


def answers_http(port: int, path: str, *, timeout_s: float = _TIMEOUT_S) -> bool:
    """True when GET `path` is answered with 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def answers_redis_ping(port: int, password: str) -> bool:
    """True when the server accepts the password and has loaded its data (RESP, AUTH then PING)."""
    words = (b"AUTH", password.encode())
    auth = b"*2\r\n" + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
    try:
        with socket.create_connection(("127.0.0.1", port), _TIMEOUT_S) as connection:
            connection.sendall(auth + b"PING\r\n")
            return _reads(connection.recv, b"+OK\r\n+PONG\r\n")
    except OSError:
        return False


def _reads(receive: Callable[[int], bytes], expected: bytes) -> bool:
    answer = b""
    while len(answer) < len(expected):
        chunk = receive(64)
        if not chunk:
            return False
        answer += chunk
    return answer == expected
