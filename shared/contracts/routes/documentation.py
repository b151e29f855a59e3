"""The contract for clients."""

from typing import Final

from shared.contracts.routes.route import LimitedBy, Route

ASSETS: Final = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
"""Content type by name."""

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
    content_types=("text/html",),
    public=True,
    limited_by=LimitedBy.NOBODY,
)
GET_DOCS_ASSET: Final = Route[None, None](
    "get_docs_asset",
    "GET",
    "docs/{asset}",
    "A script, style or picture of that page",
    {200: None},
    content_types=tuple(ASSETS.values()),
    public=True,
    limited_by=LimitedBy.NOBODY,
)

ROUTES: Final = (
    GET_OPENAPI,
    GET_DOCS,
    GET_DOCS_ASSET,
)
