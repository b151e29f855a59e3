"""The contract for clients."""

from typing import Final

from shared.contracts.routes.route import LimitedBy, Route

GET_OPENAPI: Final = Route[None, None](
    "get_openapi",
    "GET",
    "openapi.json",
    "This document",
    {200: None},
    public=True,
    limited_by=LimitedBy.NOBODY,
)
GET_DOCS: Final = Route[None, None](
    "get_docs",
    "GET",
    "docs",
    "This document as a page to read and try",
    {200: None},
    public=True,
    limited_by=LimitedBy.NOBODY,
)
GET_DOCS_ASSET: Final = Route[None, None](
    "get_docs_asset",
    "GET",
    "docs/{asset}",
    "A script or style of that page",
    {200: None},
    public=True,
    limited_by=LimitedBy.NOBODY,
)

ROUTES: Final = (
    GET_OPENAPI,
    GET_DOCS,
    GET_DOCS_ASSET,
)
