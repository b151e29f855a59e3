"""What API Management does is generated from the route table, and is what the product promises."""

import re
from uuid import NAMESPACE_URL, uuid5
from xml.etree import ElementTree

import pytest

from infra.compiler import TEMPLATES
from infra.gateway.errors import ANSWERS
from infra.gateway.expressions import CELL, SLOT
from infra.gateway.limits import call_limit
from infra.gateway.operations import METHODS, names_of, operations
from infra.gateway.policy import FENCE
from infra.generated import FILES
from shared.contracts.routes import ROUTES
from shared.domain.errors import ErrorCode
from shared.domain.ids import new_order_id, user_slot
from tests.infra.csharp import compiled, context

POLICY = ElementTree.parse(TEMPLATES / "policies" / "api.xml").getroot()
INBOUND = POLICY.find("inbound")
assert INBOUND is not None


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_generated_file_is_up_to_date(path: object) -> None:
    text = path.read_text(encoding="utf-8")  # type: ignore[attr-defined]
    assert text == FILES[path](), "run: .venv/bin/python -m infra.generated"  # type: ignore[index]


def test_every_method_of_every_route_is_an_operation() -> None:
    found = {(each.method, each.urlTemplate) for each in operations(ROUTES)}
    routes = {(method, f"/{route.path}") for route in ROUTES for method in route.methods}
    assert found == routes | {(method, "/*") for method in METHODS}
    names = [each.name for each in operations(ROUTES)]
    assert len(set(names)) == len(names)


def named(condition: str) -> set[str]:
    """Operations that a condition is about."""
    return set(re.findall(r'"([\w-]+)"', condition))


def whens(element: str) -> dict[str, set[str]]:
    """Text of each inbound `when` that holds an element, with its operations."""
    return {
        ElementTree.tostring(when, encoding="unicode"): named(when.get("condition", ""))
        for when in INBOUND.iter("when")
        if when.find(element) is not None
    }


def test_only_public_routes_pass_without_a_token() -> None:
    (choose,) = [each for each in INBOUND.findall("choose") if each.find("otherwise/validate-jwt") is not None]
    (when,) = choose.findall("when")
    public = {name for route in ROUTES if route.public for name in names_of(route)}
    assert named(when.get("condition", "")) == public | {f"unknown-{method.lower()}" for method in METHODS}
    token = choose.find("otherwise/validate-jwt")
    assert token is not None
    assert (token.get("require-signed-tokens"), token.get("require-expiration-time")) == ("true", "true")
    assert token.findtext("audiences/audience") == "{{token-audience}}"
    assert token.findtext("issuers/issuer") == "{{token-issuer}}"


def test_fence_of_every_limited_route_is_wider_than_its_limit() -> None:
    fences = {
        name: int(ElementTree.fromstring(text).find("rate-limit-by-key").get("calls"))  # type: ignore[union-attr, arg-type]
        for text, names in whens("rate-limit-by-key").items()
        for name in names
    }
    limits = {name: limit for route in ROUTES if (limit := call_limit(route)) for name in names_of(route)}
    assert fences == {name: limit * FENCE for name, limit in limits.items()}
    assert FENCE > 1


def test_bodies_are_bounded_as_the_app_bounds_them() -> None:
    bounds = {
        name: int(ElementTree.fromstring(text).find("validate-content").get("max-size"))  # type: ignore[union-attr, arg-type]
        for text, names in whens("validate-content").items()
        for name in names
    }
    assert bounds == {name: route.max_body_bytes for route in ROUTES if route.body for name in names_of(route)}


def test_cell_is_chosen_last_and_its_header_goes_no_further() -> None:
    order = [child.tag for child in INBOUND]
    assert order[-1] == "set-backend-service"
    (deleted,) = [each for each in INBOUND.findall("set-header") if each.get("name") == "X-Cell"]
    assert deleted.get("exists-action") == "delete"
    (chosen,) = [names for text, names in whens("set-variable").items() if 'name="wanted-cell"' in text]
    staff = {name for route in ROUTES if route.noun == "operations" or route.public for name in names_of(route)}
    assert staff <= chosen


USERS = [uuid5(NAMESPACE_URL, str(number)) for number in range(200)]
SLOT_OF = compiled(SLOT, {})


def test_slot_of_a_caller_is_the_app_s() -> None:
    assert [SLOT_OF(context(user=str(user))) for user in USERS] == [user_slot(user) for user in USERS]


def test_slot_of_a_named_order_or_user_comes_first() -> None:
    caller, owner = str(USERS[0]), USERS[1]
    order = new_order_id(owner, 1_790_000_000_000_000_000, 7)
    assert user_slot(USERS[0]) != user_slot(owner)
    for named in (
        {"path": {"order_id": str(order)}},
        {"path": {"user_id": str(owner)}},
        {"query": {"user_id": str(owner)}},
    ):
        assert SLOT_OF(context(user=caller, **named)) == user_slot(owner)
    for strange in ({"path": {"user_id": "me"}}, {"path": {"order_id": "batch"}}, {"query": {"user_id": "x"}}):
        assert SLOT_OF(context(user=caller, **strange)) == user_slot(USERS[0])
    assert SLOT_OF(context()) == 0


@pytest.mark.parametrize(
    ("slot", "wanted", "cell"),
    [(0, "", "c1"), (2047, "", "c1"), (2048, "", "c2"), (4095, "", "c2"), (0, "c2", "c2"), (0, "c9", "")],
)
def test_cell_is_the_slot_s_unless_staff_name_one(slot: int, wanted: str, cell: str) -> None:
    cell_of = compiled(CELL, {"cell-directory": "c1:0-2047,c2:2048-4095"})
    assert cell_of(context(slot=slot, **{"wanted-cell": wanted})) == cell


def test_every_named_value_of_the_policy_is_set() -> None:
    text = (TEMPLATES / "policies" / "api.xml").read_text(encoding="utf-8")
    modules = "".join((TEMPLATES / "modules" / name).read_text() for name in ("api-management.bicep", "api.bicep"))
    assert set(re.findall(r"\{\{([\w-]+)\}\}", text)) == set(re.findall(r"displayName: '([\w-]+)', value", modules))


def test_own_answers_have_the_members_of_a_problem() -> None:
    bodies = [body.text or "" for body in POLICY.iter("set-body")]
    assert len(bodies) == len(ANSWERS) + 2
    for body in bodies:
        members = re.findall(r'new JProperty\("(\w+)"', body)
        assert members[:7] == ["type", "title", "status", "instance", "error_code", "message", "request_id"]
        assert re.search(r'"error_code", "(\w+)"', body)[1] in set(ErrorCode)  # type: ignore[index]
    for answer in POLICY.iter("return-response"):
        headers = {each.get("name") for each in answer.findall("set-header")}
        assert {"Content-Type", "X-Request-Id", "Cache-Control"} <= headers
        if answer.find("set-status").get("code") in {"429", "503"}:  # type: ignore[union-attr]
            assert "Retry-After" in headers


def test_every_section_of_the_policy_is_there() -> None:
    assert [child.tag for child in POLICY] == ["inbound", "backend", "outbound", "on-error"]
    forward = POLICY.find("backend/forward-request")
    assert forward is not None and int(forward.get("timeout", "0")) > 10  # noqa: PT018
