"""Lua scripts, many in one round trip, against a single server and a cluster alike.

Each call names its keys, all in one slot. Scripts are called by their digest; a node that does not have one yet is sent
it once, and only the calls that it refused are made again, so none is made twice.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from redis.exceptions import NoScriptError

from shared.adapters.redis.client import Client


class Script:
    """A script's text and digest."""

    def __init__(self, text: str) -> None:
        self.text = text
        # Redis names scripts by this digest; it protects nothing.
        self.digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class Call(NamedTuple):
    """One call of a script."""

    script: Script
    keys: Sequence[str]
    arguments: Sequence[str | bytes | int | float]


async def run_scripts(redis: Client, calls: Sequence[Call]) -> list[Any]:
    """The answers in the order of the calls. Raises what the first failed call raised, after all were made."""
    answers = await _answers(redis, calls)
    unknown = [place for place, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
    if unknown:
        for script in {calls[place].script for place in unknown}:
            await redis.script_load(script.text)
        again = await _answers(redis, [calls[place] for place in unknown])
        for place, answer in zip(unknown, again, strict=True):
            answers[place] = answer
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return answers


async def _answers(redis: Client, calls: Sequence[Call]) -> list[Any]:
    pipeline = redis.pipeline(transaction=False)
    for script, keys, arguments in calls:
        pipeline.execute_command("EVALSHA", script.digest, len(keys), *keys, *arguments)
    return list(await pipeline.execute(raise_on_error=False))
