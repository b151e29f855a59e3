"""ASP.NET Core route templates: parsing, constraints, precedence and matching.

Follows https://learn.microsoft.com/aspnet/core/fundamentals/routing: literals compare without case,
a segment may mix text and parameters, and a template wins by its first segment that is more specific
(literal, then mixed or constrained, then parameter, then constrained catch-all, then catch-all).
"""

import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from urllib.parse import unquote_to_bytes

type Constraint = Callable[[str], bool]

_PARAMETER = re.compile(
    r"\{(?P<stars>\*{0,2})(?P<name>[^:=?{}*/]+)(?P<rest>(?::(?:[^{}]|\{\{|\}\})*)?(?:=[^{}]*)?\??)\}"
)
_CONSTRAINT = re.compile(r":(?P<name>\w+)(?:\((?P<arguments>(?:[^()]|\([^()]*\))*)\))?")
_INT = re.compile(r"[+-]?\d+\Z", re.ASCII)
_FLOAT = re.compile(r"[+-]?(\d[\d,]*)?\.?\d*([eE][+-]?\d+)?\Z", re.ASCII)
_ENCODED_SLASH = re.compile(r"%2[fF]")


class RouteError(Exception):
    """A route template is malformed; the message names it."""


def _whole(text: str) -> int | None:
    return int(text) if len(text) <= 20 and _INT.match(text) else None


def _within(low: int, high: int) -> Constraint:
    def check(text: str) -> bool:
        number = _whole(text)
        return number is not None and low <= number <= high

    return check


def _length(low: int, high: int) -> Constraint:
    return lambda text: low <= len(text) <= high


def _is_guid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return len(text) in (32, 36, 38)


def _is_datetime(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_decimal(text: str) -> bool:
    try:
        return Decimal(text).is_finite() and "e" not in text.lower()
    except InvalidOperation:
        return False


def _is_float(text: str) -> bool:
    return bool(_FLOAT.match(text)) and any(character.isdigit() for character in text)


def _bounds(arguments: str) -> tuple[int, int]:
    low, _, high = arguments.partition(",")
    return int(low), int(high or low)


def _is_alpha(text: str) -> bool:
    return text.isascii() and text.isalpha()


def _regex(arguments: str) -> Constraint:
    pattern = re.compile(arguments.replace("{{", "{").replace("}}", "}").replace("\\\\", "\\"), re.IGNORECASE)
    return lambda text: pattern.search(text) is not None


_MAXIMUM = 2**63 - 1
_CONSTRAINTS: Mapping[str, Callable[[str], Constraint]] = {
    "int": lambda _: _within(-(2**31), 2**31 - 1),
    "long": lambda _: _within(-(2**63), _MAXIMUM),
    "bool": lambda _: lambda text: text.lower() in ("true", "false"),
    "datetime": lambda _: _is_datetime,
    "decimal": lambda _: _is_decimal,
    "double": lambda _: _is_float,
    "float": lambda _: _is_float,
    "guid": lambda _: _is_guid,
    "alpha": lambda _: _is_alpha,
    "required": lambda _: bool,
    "minlength": lambda arguments: _length(int(arguments), _MAXIMUM),
    "maxlength": lambda arguments: _length(0, int(arguments)),
    "length": lambda arguments: _length(*_bounds(arguments)),
    "min": lambda arguments: _within(int(arguments), _MAXIMUM),
    "max": lambda arguments: _within(-(2**63), int(arguments)),
    "range": lambda arguments: _within(*_bounds(arguments)),
    "regex": _regex,
}


@dataclass(frozen=True)
class _Parameter:
    name: str
    catch_all: bool
    optional: bool
    default: str | None
    constraints: tuple[Constraint, ...]


@dataclass(frozen=True)
class RouteTemplate:
    """One compiled template; `match` gives the route values of a path without its leading slash."""

    text: str
    pattern: re.Pattern[str]
    parameters: tuple[_Parameter, ...]
    precedence: tuple[int, ...]

    @property
    def is_literal(self) -> bool:
        return not self.parameters

    def match(self, path: str) -> dict[str, str] | None:
        """Route values of `path`, None when it does not fit; optional ones that are absent are left out."""
        found = self.pattern.fullmatch(path)
        if found is None:
            return None
        values: dict[str, str] = {}
        for position, parameter in enumerate(self.parameters):
            value = found[f"p{position}"] or parameter.default
            if value is None:
                continue
            if not all(check(value) for check in parameter.constraints):
                return None
            values[parameter.name] = value
        return values


def compile_template(text: str) -> RouteTemplate:
    """Compile a template such as `orders/{id:int}/{part?}`. Raises RouteError."""
    parameters: list[_Parameter] = []
    precedence: list[int] = []
    pattern = ""
    trimmed = text.strip("/")
    segments = _split(trimmed)
    for position, segment in enumerate(segments):
        last = position == len(segments) - 1
        pattern += _compile_segment(text, segment, parameters, precedence, slash=position > 0, last=last)
    _refuse_duplicates(text, parameters)
    return RouteTemplate(
        text, re.compile(pattern + "/?", re.IGNORECASE | re.DOTALL), tuple(parameters), tuple(precedence)
    )


def _split(template: str) -> list[str]:
    """Segments of a template; a slash inside braces belongs to a constraint."""
    segments, depth = [""], 0
    for character in template:
        depth += (character == "{") - (character == "}")
        if character == "/" and depth == 0:
            segments.append("")
        else:
            segments[-1] += character
    return [segment for segment in segments if segment]


def _compile_segment(
    template: str, segment: str, parameters: list[_Parameter], precedence: list[int], *, slash: bool, last: bool
) -> str:
    parts = _parts(template, segment)
    own = [part for part in parts if isinstance(part, _Parameter)]
    _check_segment(template, own, parts, last=last)
    start = "/" if slash else ""
    precedence.append(_digit(parts))
    if len(parts) == 1 and own:
        group = f"(?P<p{len(parameters)}>{'.*' if own[0].catch_all else '[^/]+'})"
        parameters.append(own[0])
        return f"(?:{start}{group})?" if _may_be_absent(own[0]) else start + group
    pattern = start
    for part in parts:
        if isinstance(part, str):
            pattern += re.escape(part)
        else:
            pattern += f"(?P<p{len(parameters)}>[^/]+)"
            parameters.append(part)
    return _with_optional_extension(pattern, own)


def _with_optional_extension(pattern: str, own: list[_Parameter]) -> str:
    """`{file}.{extension?}`: the dot goes with the extension, which starts at the last dot."""
    if own and own[-1].optional:
        start = pattern.rindex(r"\.(?P<")
        return f"{pattern[:start].replace('[^/]+', '[^/]+?')}(?:{pattern[start:].replace('[^/]+', '[^/.]+')})?"
    return pattern


def _may_be_absent(parameter: _Parameter) -> bool:
    return parameter.catch_all or parameter.optional or parameter.default is not None


def _check_segment(template: str, own: list[_Parameter], parts: list[str | _Parameter], *, last: bool) -> None:
    if any(one.catch_all for one in own) and (not last or len(parts) > 1):
        raise RouteError(f"route '{template}': a catch-all parameter can only appear as the last segment")
    if any(one.optional for one in own) and not last:
        raise RouteError(f"route '{template}': an optional parameter must be at the end")
    if len(parts) > 1 and any(one.optional for one in own) and not str(parts[-2]).endswith("."):
        raise RouteError(f"route '{template}': an optional parameter inside a segment must follow a '.'")


def _digit(parts: list[str | _Parameter]) -> int:
    """ASP.NET's RoutePrecedence.ComputeInbound of one segment."""
    if len(parts) > 1:
        return 2
    (part,) = parts
    if isinstance(part, str):
        return 1
    return (5 if part.catch_all else 3) - bool(part.constraints)


def _parts(template: str, segment: str) -> list[str | _Parameter]:
    parts: list[str | _Parameter] = []
    end = 0
    for match in _PARAMETER.finditer(segment):
        if match.start() > end:
            parts.append(segment[end : match.start()])
        parts.append(_parameter(template, match))
        end = match.end()
    if end < len(segment):
        parts.append(segment[end:])
    if any(isinstance(part, str) and ("{" in part or "}" in part) for part in parts):
        raise RouteError(
            f"route '{template}': there is an incomplete parameter; check that each '{{' has a matching '}}'"
        )
    return parts


def _parameter(template: str, match: re.Match[str]) -> _Parameter:
    rest = match["rest"]
    optional = rest.endswith("?")
    constraints = []
    end = 0
    for found in _CONSTRAINT.finditer(rest):
        constraints.append(_constraint(template, found["name"], found["arguments"] or ""))
        end = found.end()
    default = rest[end:].removesuffix("?")
    return _Parameter(
        match["name"],
        bool(match["stars"]),
        optional,
        default[1:] if default.startswith("=") else None,
        tuple(constraints),
    )


def _constraint(template: str, name: str, arguments: str) -> Constraint:
    try:
        return _CONSTRAINTS[name.lower()](arguments)
    except KeyError:
        raise RouteError(f"route '{template}': the constraint '{name}' is not known") from None
    except (ValueError, re.error) as error:
        raise RouteError(f"route '{template}': the constraint '{name}({arguments})' is wrong: {error}") from None


def _refuse_duplicates(template: str, parameters: list[_Parameter]) -> None:
    names = [parameter.name.lower() for parameter in parameters]
    if len(set(names)) < len(names):
        raise RouteError(f"route '{template}': a parameter name appears more than once")


def decoded(raw_path: bytes) -> str | None:
    """The path without leading slash, percent-decoded except `%2F`; None when it is not UTF-8."""
    path = raw_path[1:]
    if b"%" not in path:
        return path.decode("ascii", "replace")
    try:
        return unquote_to_bytes(_ENCODED_SLASH.sub("%252F", path.decode("ascii"))).decode()
    except UnicodeDecodeError:
        return None


@dataclass
class Router[Target]:
    """Finds the target of a method and path; a template whose method differs is passed over."""

    _literals: dict[str, list[tuple[frozenset[str], Target]]] = field(default_factory=dict)
    _others: list[tuple[RouteTemplate, frozenset[str], Target]] = field(default_factory=list)

    def add(self, template: RouteTemplate, methods: Iterable[str], target: Target) -> None:
        """Register; without methods the target takes all."""
        allowed = frozenset(methods)
        if template.is_literal:
            self._literals.setdefault(template.text.strip("/").lower(), []).append((allowed, target))
        self._others.append((template, allowed, target))
        self._others.sort(key=lambda entry: entry[0].precedence)

    def find(self, method: str, path: str) -> tuple[Target, dict[str, str]] | None:
        """Target and route values; None when nothing fits."""
        for allowed, target in self._literals.get(path.lower(), ()):
            if not allowed or method in allowed:
                return target, {}
        for template, allowed, target in self._others:
            if allowed and method not in allowed:
                continue
            values = template.match(path)
            if values is not None:
                return target, values
        return None
