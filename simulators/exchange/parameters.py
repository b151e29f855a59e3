"""Query parameters of the HTTP API."""

from starlette.exceptions import HTTPException
from starlette.requests import Request


def whole_number(request: Request, name: str, default: int) -> int:
    """A parameter's value. Raises HTTPException 400 when it is no whole number."""
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdecimal()) or len(text) > 18:
        raise HTTPException(400, f"{name} must be a whole number")
    return int(text)
