"""ASP.NET route templates: what they match and which of several wins."""

import pytest

from emulators.functions.routing import RouteError, Router, compile_template, decoded


@pytest.mark.parametrize(
    ("template", "path", "values"),
    [
        ("orders", "orders", {}),
        ("orders", "ORDERS/", {}),
        ("orders", "orders/1", None),
        ("orders/{id}", "orders/1", {"id": "1"}),
        ("orders/{id}", "orders/", None),
        ("orders/{id}", "orders/1/2", None),
        ("orders/{id?}", "orders", {}),
        ("orders/{id?}", "orders/1", {"id": "1"}),
        ("orders/{id=7}", "orders", {"id": "7"}),
        ("{*rest}", "a/b/c", {"rest": "a/b/c"}),
        ("{*rest}", "", {}),
        ("files/{**rest}", "files/a/b", {"rest": "a/b"}),
        ("files/{*rest}", "files", {}),
        ("files/{*rest}", "filesystem", None),
        ("{category:alpha}/{id:int}", "books/12", {"category": "books", "id": "12"}),
        ("{category:alpha}/{id:int}", "b00ks/12", None),
        ("{category:alpha}/{id:int?}", "books", {"category": "books"}),
        ("x/{id:int}", "x/-5", {"id": "-5"}),
        ("x/{id:int}", "x/2147483648", None),
        ("x/{id:int}", "x/٣", None),
        ("x/{id:long}", "x/2147483648", {"id": "2147483648"}),
        ("x/{id:guid}", "x/3f2504e0-4f89-11d3-9a0c-0305e82c3301", {"id": "3f2504e0-4f89-11d3-9a0c-0305e82c3301"}),
        ("x/{id:guid}", "x/3f2504e0", None),
        ("x/{flag:bool}", "x/True", {"flag": "True"}),
        ("x/{flag:bool}", "x/1", None),
        ("x/{n:decimal}", "x/1.50", {"n": "1.50"}),
        ("x/{n:decimal}", "x/NaN", None),
        ("x/{n:double}", "x/-1.5e3", {"n": "-1.5e3"}),
        ("x/{n:float}", "x/.", None),
        ("x/{d:datetime}", "x/2026-12-31", {"d": "2026-12-31"}),
        ("x/{d:datetime}", "x/2026-13-31", None),
        ("x/{name:length(3)}", "x/abc", {"name": "abc"}),
        ("x/{name:length(3)}", "x/abcd", None),
        ("x/{name:length(2,3)}", "x/ab", {"name": "ab"}),
        ("x/{name:minlength(3):maxlength(4)}", "x/abcde", None),
        ("x/{n:min(18)}", "x/17", None),
        ("x/{n:max(120)}", "x/120", {"n": "120"}),
        ("x/{n:range(1,9)}", "x/10", None),
        (r"x/{n:regex(^\d{{3}}-\d{{4}}$)}", "x/123-4567", {"n": "123-4567"}),
        (r"x/{n:regex(^\d{{3}}$)}", "x/12", None),
        ("{from}-{to}", "NSE-BSE", {"from": "NSE", "to": "BSE"}),
        ("files/{name}.{extension?}", "files/report", {"name": "report"}),
        ("files/{name}.{extension?}", "files/report.csv", {"name": "report", "extension": "csv"}),
        ("v1.0/x(y)", "v1.0/x(y)", {}),
        ("v1.0", "v1x0", None),
        ("orders/{id}", "orders/a\nb", {"id": "a\nb"}),
    ],
)
def test_template_matches_like_asp_net(template: str, path: str, values: dict[str, str] | None) -> None:
    assert compile_template(template).match(path) == values


@pytest.mark.parametrize(
    "template",
    ["{id", "{*rest}/x", "{id?}/x", "{id}/{ID}", "{id:unknown}", "{id:length(x)}", "x{*rest}", "{id:regex([)}", "a}"],
)
def test_malformed_template_is_refused_by_name(template: str) -> None:
    with pytest.raises(RouteError, match="route '"):
        compile_template(template)


def _router(*templates: str) -> Router[str]:
    router: Router[str] = Router()
    for template in templates:
        router.add(compile_template(template), (), template)
    return router


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(
    ("path", "winner"),
    [
        ("items/special", "items/special"),
        ("items/12", "items/{id:int}"),
        ("items/a-b", "items/{x}-{y}"),
        ("items/ab", "items/{name}"),
        ("items/a/b", "items/{*rest}"),
        ("items/12/b", "items/{*rest}"),
        ("elsewhere", "{*all}"),
    ],
)
def test_more_specific_template_wins_in_any_order(path: str, winner: str, reverse: bool) -> None:
    templates = ["{*all}", "items/{*rest}", "items/{name}", "items/{x}-{y}", "items/{id:int}", "items/special"]
    found = _router(*(reversed(templates) if reverse else templates)).find("GET", path)
    assert found is not None
    assert found[0] == winner


def test_wrong_method_falls_through_to_next_template() -> None:
    router: Router[str] = Router()
    router.add(compile_template("items/special"), ["POST"], "literal")
    router.add(compile_template("items/{name}"), ["GET"], "parameter")
    assert router.find("GET", "items/special") == ("parameter", {"name": "special"})
    assert router.find("POST", "items/special") == ("literal", {})
    assert router.find("DELETE", "items/special") is None


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/a/b", "a/b"),
        (b"/a%20b/%C3%A9", "a b/é"),
        (b"/a%2Fb", "a%2Fb"),
        (b"/a%2fb%zz", "a%2Fb%zz"),
        (b"/%ff", None),
        (b"", ""),
    ],
)
def test_path_is_decoded_except_slashes(raw: bytes, path: str | None) -> None:
    assert decoded(raw) == path
