"""Runs the expressions of the policy: reads the few words of C# that `infra/gateway/expressions.py` allows itself.

It proves what an expression computes, not that API Management compiles it.
"""

import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

_STATEMENTS = [
    (r"for \(int (\w+) = (.+); \w+ < (.+); \w+ \+= (.+)\) \{", r"for \1 in range(\2, \3, \4):"),
    (r"foreach \(\w+ (\w+) in (.+)\) \{", r"for \1 in \2:"),
    (r"if \((.+)\) \{", r"if \1:"),
    (r"else \{", "else:"),
    (r"(?:string\[\]|string|uint|int) (\w+) = (.+);", r"\1 = \2"),
    (r"(.+);", r"\1"),
]
_WORDS = [
    (r"&&", "and"),
    (r"!(?=Regex)", "not "),
    (r"\((?:string|int)\)(?=\(|context)", ""),
    (r"Convert\.To(?:U)?Int32\(", "int("),
    (r"int\.Parse\(", "int("),
    (r"(\w+)\.Substring\((\w+), (\w+)\)", r"\1[\2:\2 + \3]"),
    (r"\.Replace\(", ".replace("),
    (r"(\"[^\"]*\"|\w+)\.Split\(([^)]+)\)", r"split(\1, \2)"),
    (r"\.GetValueOrDefault\(", ".get("),
]


def compiled(expression: str, named_values: dict[str, str]) -> Callable[[Any], Any]:
    """The expression as a function of its context, with the named values in it."""
    for name, value in named_values.items():
        expression = expression.replace(f"{{{{{name}}}}}", value)
    lines, depth = ["def run(context):"], 1
    for line in expression.strip().removeprefix("@{").removesuffix("}").strip().splitlines():
        text = line.strip()
        if text == "}":
            depth -= 1
            continue
        lines.append("    " * depth + _python(text))
        depth += text.endswith("{")
    scope: dict[str, Any] = {
        "Regex": SimpleNamespace(IsMatch=lambda text, pattern: re.search(pattern, text)),
        "split": _split,
    }
    exec("\n".join(lines), scope)
    run: Callable[[Any], Any] = scope["run"]
    return run


def _python(line: str) -> str:
    for pattern, instead in _STATEMENTS:
        if re.fullmatch(pattern, line):
            line = re.sub(pattern, instead, line)
            break
    for pattern, instead in _WORDS:
        line = re.sub(pattern, instead, line)
    return line


def _split(text: str, *separators: str) -> list[str]:
    return re.split("|".join(map(re.escape, separators)), text)


def context(
    *, user: str = "", path: dict[str, str] | None = None, query: dict[str, str] | None = None, **variables: Any
) -> Any:
    """What API Management gives to an expression."""
    url = SimpleNamespace(Query=query or {})
    request = SimpleNamespace(MatchedParameters=path or {}, Url=url)
    return SimpleNamespace(Request=request, Variables={"user": user, **variables})
