"""A WSGI application (PEP 3333) served by one HTTP function."""

from collections.abc import Callable, Iterable
from typing import Any

import azure.functions as func


def application(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    body = environ["wsgi.input"].read().decode()
    start_response("418 I'm a teapot", [("Content-Type", "text/plain"), ("X-Answer", "1")])
    return [f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}?{environ['QUERY_STRING']} {body}".encode()]


app = func.WsgiFunctionApp(app=application, http_auth_level=func.AuthLevel.FUNCTION)
