"""The contract for clients: the OpenAPI document, and Swagger UI to read it and try calls.

Swagger UI comes from its package and is served from here: no foreign host is asked for anything, and the page's
content security policy says so.
"""

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

import orjson

from functions.edge.edge import Call, blueprint_of, endpoint
from functions.edge.responses import Reply
from shared.contracts.openapi import document
from shared.contracts.routes import documentation as routes
from shared.domain.errors import NotFoundError

_PAGE: Final = Path(__file__).with_name("docs.html")
_SCRIPT: Final = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_CACHED: Final = "public, max-age=300"


@endpoint(routes.GET_OPENAPI)
async def get_openapi(call: Call) -> Reply:
    """The OpenAPI 3.1 document."""
    return Reply(_document(), headers={"Cache-Control": _CACHED})


@endpoint(routes.GET_DOCS)
async def get_docs(call: Call) -> Reply:
    """The page."""
    page, policy = _page()
    headers = {"Cache-Control": _CACHED, "Content-Security-Policy": policy, "Referrer-Policy": "no-referrer"}
    return Reply(page, headers=headers, content_type="text/html")


@endpoint(routes.GET_DOCS_ASSET)
async def get_docs_asset(call: Call) -> Reply:
    """One file of Swagger UI."""
    name = call.path["asset"]
    if name not in routes.ASSETS:
        raise NotFoundError("There is no such file: open GET /api/docs")
    return Reply(_asset(name), headers={"Cache-Control": "public, max-age=86400"}, content_type=routes.ASSETS[name])


@cache
def _document() -> bytes:
    return orjson.dumps(document())


@cache
def _asset(name: str) -> bytes:
    return files("swagger_ui").joinpath("static", name).read_bytes()


@cache
def _page() -> tuple[str, str]:
    page = _PAGE.read_text(encoding="utf-8")
    hashes = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in _SCRIPT.findall(page)]
    scripts = " ".join(f"'sha256-{each}'" for each in hashes)
    policy = (
        f"default-src 'none'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return page, policy


blueprint = blueprint_of(get_openapi, get_docs, get_docs_asset)
