"""The type of a JSON object in Python."""

from typing import Any

type Json = dict[str, Any]
