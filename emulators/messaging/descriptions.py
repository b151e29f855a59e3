"""Entities as the service's XML: descriptions that the administration API reads, entries and feeds that it answers.

Reference: https://learn.microsoft.com/rest/api/servicebus/ and the models of azure-servicebus's management client.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from xml.etree.ElementTree import Element, ParseError, SubElement, fromstring, tostring

from pydantic import BaseModel, ValidationError

from emulators.messaging.queues import Queue
from emulators.messaging.rule_xml import CONNECT, write_rule
from emulators.messaging.rules import CorrelationFilter, Rule, SqlFilter
from emulators.messaging.topics import Subscription, Topic

_ATOM = "{http://www.w3.org/2005/Atom}"
_DETAIL = "{http://schemas.microsoft.com/netservices/2011/06/servicebus}"
_NEVER = "P10675199DT2H48M5.4775807S"
_SHARED = ("DefaultMessageTimeToLive", "Status", "UserMetadata", "AutoDeleteOnIdle", "EnableBatchedOperations")
_SIZED = (
    "MaxSizeInMegabytes",
    "RequiresDuplicateDetection",
    "DuplicateDetectionHistoryTimeWindow",
    "SupportOrdering",
    "EnablePartitioning",
    "EnableExpress",
)
_RECEIVED = (
    "LockDuration",
    "RequiresSession",
    "DeadLetteringOnMessageExpiration",
    "MaxDeliveryCount",
    "ForwardTo",
    "ForwardDeadLetteredMessagesTo",
)
_PROPERTIES = {
    "Queue": (*_RECEIVED, *_SHARED, *_SIZED),
    "Topic": (*_SHARED, *_SIZED, "FilteringMessagesBeforePublishing", "EnableSubscriptionPartitioning"),
    "Subscription": (*_RECEIVED, *_SHARED, "DeadLetteringOnFilterEvaluationExceptions"),
}
"""What a description of each kind has, besides its figures."""
_ADDRESSES = frozenset({"ForwardTo", "ForwardDeadLetteredMessagesTo"})


class DescriptionError(Exception):
    """A request body that cannot be used; the message says why."""


# --- reading --------------------------------------------------------------------------------------------------------


def read_description(body: bytes, kind: str) -> Element:
    """The `{kind}Description` of an Atom entry, which is small already. Raises DescriptionError."""
    try:
        text = body.decode()
        if "<!DOCTYPE" in text:
            raise DescriptionError("A document type declaration is not allowed.")
        root = fromstring(text)  # noqa: S314 - without a document type there are no entities to expand
    except (UnicodeDecodeError, ParseError, ValueError) as error:
        raise DescriptionError(f"The body is not XML in UTF-8: {error}") from error
    description = root.find(f"{_ATOM}content/{CONNECT}{kind}Description")
    if root.tag != f"{_ATOM}entry" or description is None:
        raise DescriptionError(f"The body is not an Atom entry with a {kind}Description.")
    return description


def read_properties[Properties: BaseModel](description: Element, model: type[Properties]) -> Properties:
    """The properties of a description; those without a text have their defaults. Raises DescriptionError."""
    given = {child.tag.removeprefix(CONNECT): child.text for child in description if child.text and not len(child)}
    return build(model, given)


def build[Model: BaseModel](model: type[Model], given: Mapping[str, object]) -> Model:
    """A validated model. Raises DescriptionError."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the description"
        raise DescriptionError(f"{place}: {first['msg']}.") from error


# --- writing --------------------------------------------------------------------------------------------------------


def entity_entry(entity: Queue, address: str) -> Element:
    """The Atom entry of a queue, topic or subscription of the namespace at `address`."""
    kind = type(entity).__name__
    properties: BaseModel = entity.properties if isinstance(entity, Topic) else entity.config.properties
    description = Element(f"{CONNECT}{kind}Description")
    values = properties.model_dump(by_alias=True)
    for name in _PROPERTIES[kind]:
        value = values[name]
        if name in _ADDRESSES:
            value = f"sb://{address}/{value}" if value else ""
        _write(description, name, value)
    _write_figures(description, entity)
    for name, moment in (
        ("CreatedAt", entity.created_at),
        ("UpdatedAt", entity.updated_at),
        ("AccessedAt", entity.accessed_at),
    ):
        _add(description, CONNECT + name, _time(moment))
    title = entity.name if isinstance(entity, Subscription) else entity.config.name
    return _entry(title, f"{address}/{entity.config.name}", description)


def _write(description: Element, name: str, value: object) -> None:
    match value:
        case None:
            text = _NEVER
        case bool():
            text = "true" if value else "false"
        case timedelta():
            text = f"P{value.days}DT{value.seconds + value.microseconds / 1_000_000:.6f}S"
        case _:
            text = str(value)
    if text:
        _add(description, CONNECT + name, text)


def _write_figures(description: Element, entity: Queue) -> None:
    figures = entity.figures()
    total = figures.active + figures.scheduled + figures.dead_letter + figures.transfer_dead_letter
    _add(description, f"{CONNECT}SizeInBytes", str(figures.size_bytes))
    _add(description, f"{CONNECT}MessageCount", str(total))
    details = SubElement(description, f"{CONNECT}CountDetails")
    for name, count in (
        ("ActiveMessageCount", figures.active),
        ("DeadLetterMessageCount", figures.dead_letter),
        ("ScheduledMessageCount", figures.scheduled),
        ("TransferMessageCount", 0),
        ("TransferDeadLetterMessageCount", figures.transfer_dead_letter),
    ):
        _add(details, _DETAIL + name, str(count))
    if isinstance(entity, Topic):
        filters = [rule.filter for one in entity.subscriptions for rule in one.rules.values()]
        correlations = sum(isinstance(one, CorrelationFilter) for one in filters)
        _add(description, f"{CONNECT}SubscriptionCount", str(len(entity.subscriptions)))
        _add(description, f"{CONNECT}SqlFilterCount", str(sum(isinstance(one, SqlFilter) for one in filters)))
        _add(description, f"{CONNECT}CorrelationFilterCount", str(correlations))


def rule_entry(subscription: Subscription, rule: Rule, address: str) -> Element:
    return _entry(rule.name, f"{address}/{subscription.config.name}/Rules/{rule.name}", write_rule(rule))


def namespace_entry(address: str) -> Element:
    """What the namespace says of itself."""
    name = address.partition(":")[0]
    description = Element(f"{CONNECT}NamespaceInfo")
    for tag, text in (
        ("CreatedTime", _time(0)),
        ("MessagingSKU", "Standard"),
        ("ModifiedTime", _time(0)),
        ("Name", name),
        ("NamespaceType", "Messaging"),
    ):
        _add(description, CONNECT + tag, text)
    return _entry(name, f"{address}/$namespaceinfo", description)


def _entry(title: str, path: str, description: Element) -> Element:
    entry = Element(f"{_ATOM}entry")
    _add(entry, f"{_ATOM}id", f"https://{path}")
    _add(entry, f"{_ATOM}title", title)
    for name in ("published", "updated"):
        _add(entry, _ATOM + name, _time(datetime.now(UTC).timestamp()))
    SubElement(entry, f"{_ATOM}link", {"rel": "self", "href": f"https://{path}"})
    SubElement(entry, f"{_ATOM}content", {"type": "application/xml"}).append(description)
    return entry


def feed(title: str, entries: Iterable[Element], own: str, following: str | None) -> Element:
    """A page of entries; clients follow the second link."""
    result = Element(f"{_ATOM}feed")
    _add(result, f"{_ATOM}id", own)
    _add(result, f"{_ATOM}title", title)
    _add(result, f"{_ATOM}updated", _time(datetime.now(UTC).timestamp()))
    SubElement(result, f"{_ATOM}link", {"rel": "self", "href": own})
    if following is not None:
        SubElement(result, f"{_ATOM}link", {"rel": "next", "href": following})
    result.extend(entries)
    return result


def error(code: int, detail: str) -> Element:
    """What the service answers instead."""
    result = Element("Error")
    _add(result, "Code", str(code))
    _add(result, "Detail", "".join(character if character.isprintable() else "?" for character in detail))
    return result


def to_bytes(element: Element) -> bytes:
    return b"<?xml version='1.0' encoding='utf-8'?>" + tostring(element, encoding="unicode").encode()


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _add(parent: Element, tag: str, text: str) -> None:
    SubElement(parent, tag).text = text
