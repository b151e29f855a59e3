"""The policy of the API in API Management.

Inbound, in this order: the check that Front Door was passed, CORS, a limit of calls by address, the token, a limit of
calls by user, the size of the body, the cell. Authorization, exact limits and everything else are the app's.

- A limit is an outer fence: `FENCE` times the app's own. Gateways count inexactly and each for itself.
- The cell is chosen here and nowhere else.
- What the gateway answers itself has the product's error format.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

from infra.gateway.errors import ERRORS_XML, problem
from infra.gateway.expressions import CELL, SLOT, USER, operation_is_one_of
from infra.gateway.limits import call_limit
from infra.gateway.operations import METHODS, names_of
from shared.contracts.routes.route import Route

FENCE: Final = 2
CALLS_OF_AN_ADDRESS: Final = 3_000
"""Calls in a minute. Many people share an address in India; the firewall of Front Door has the same bound."""
TIMEOUT_S: Final = 40
"""Longer than the longest wait of the app, so that the app answers first."""
_TAKEN_HEADERS: Final = ("Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "Prefer", "X-Cell")
_SHOWN_HEADERS: Final = (
    "Allow",
    "ETag",
    "Location",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "Retry-After",
    "X-Cell",
    "X-Request-Id",
)
_UNKNOWN: Final = tuple(f"unknown-{method.lower()}" for method in METHODS)

type Routes = Iterable[Route[Any, Any]]


def policy_xml(routes: Routes) -> str:
    """The whole policy."""
    rows = tuple(routes)
    address = quoteattr('@(context.Request.Headers.GetValueOrDefault("X-Azure-ClientIP", context.Request.IpAddress))')
    return f"""<!-- Written by `python -m infra.generated` from the route table. Change that, not this. -->
<policies>
  <inbound>
    <set-variable name="user" value="" />
{_front_door()}
{_cors(rows)}
    <rate-limit-by-key calls="{CALLS_OF_AN_ADDRESS}" renewal-period="60" retry-after-variable-name="retry-after"
        counter-key={address} />
{_token(rows)}
{_limits(rows)}
{_bodies(rows)}
{_cell(rows)}
  </inbound>
  <backend>
    <forward-request timeout="{TIMEOUT_S}" buffer-request-body="true" />
  </backend>
  <outbound>
{_outbound()}
  </outbound>
  <on-error>
{ERRORS_XML}
  </on-error>
</policies>
"""


def _front_door() -> str:
    condition = quoteattr('@("{{front-door-id}}" != "none")')
    return f"""    <choose>
      <when condition={condition}>
        <check-header name="X-Azure-FDID" failed-check-httpcode="403" ignore-case="true"
            failed-check-error-message="not through Front Door">
          <value>{{{{front-door-id}}}}</value>
        </check-header>
      </when>
    </choose>"""


def _cors(routes: tuple[Route[Any, Any], ...]) -> str:
    methods = sorted({method for route in routes for method in route.methods})
    return f"""    <cors allow-credentials="false" terminate-unmatched-request="false">
      <allowed-origins><origin>https://origin.invalid</origin></allowed-origins>
      <allowed-methods preflight-result-max-age="600">{_elements("method", methods)}</allowed-methods>
      <allowed-headers>{_elements("header", _TAKEN_HEADERS)}</allowed-headers>
      <expose-headers>{_elements("header", _SHOWN_HEADERS)}</expose-headers>
    </cors>"""


def _elements(name: str, values: Iterable[str]) -> str:
    return "".join(f"<{name}>{escape(value)}</{name}>" for value in values)


def _token(routes: tuple[Route[Any, Any], ...]) -> str:
    public = tuple(name for route in routes if route.public for name in names_of(route))
    return f"""    <choose>
      <when condition={quoteattr(operation_is_one_of((*public, *_UNKNOWN)))} />
      <otherwise>
        <validate-jwt header-name="Authorization" require-scheme="Bearer" require-expiration-time="true"
            require-signed-tokens="true" clock-skew="30" failed-validation-httpcode="401"
            output-token-variable-name="token">
          <openid-config url="{{{{token-configuration}}}}" />
          <audiences><audience>{{{{token-audience}}}}</audience></audiences>
          <issuers><issuer>{{{{token-issuer}}}}</issuer></issuers>
          <required-claims><claim name="oid" match="any" /></required-claims>
        </validate-jwt>
        <set-variable name="user" value={quoteattr(USER)} />
      </otherwise>
    </choose>"""


def _grouped[Value](
    routes: tuple[Route[Any, Any], ...], value_of: Callable[[Route[Any, Any]], Value | None]
) -> dict[Value, tuple[str, ...]]:
    """Names of operations by a value of their routes; routes without one are left out."""
    groups: dict[Value, list[str]] = defaultdict(list)
    for route in routes:
        value = value_of(route)
        if value is not None:
            groups[value].extend(names_of(route))
    return {value: tuple(names) for value, names in groups.items()}


def _limits(routes: tuple[Route[Any, Any], ...]) -> str:
    whens = [
        f"""      <when condition={quoteattr(operation_is_one_of(names))}>
        <rate-limit-by-key calls="{limit * FENCE}" renewal-period="60" retry-after-variable-name="retry-after"
            counter-key="@((string)context.Variables[&quot;user&quot;] + &quot;:&quot; + context.Operation.Id)" />
      </when>"""
        for limit, names in sorted(_grouped(routes, call_limit).items())
    ]
    return _choose(whens)


def _bodies(routes: tuple[Route[Any, Any], ...]) -> str:
    groups = _grouped(routes, lambda route: route.max_body_bytes if route.body is not None else None)
    whens = [
        f"""      <when condition={quoteattr(operation_is_one_of(names))}>
        <set-variable name="limit-bytes" value="{most}" />
        <validate-content unspecified-content-type-action="ignore" max-size="{most}" size-exceeded-action="prevent" />
      </when>"""
        for most, names in sorted(groups.items())
    ]
    return _choose(whens)


def _choose(whens: list[str]) -> str:
    return "\n".join(["    <choose>", *whens, "    </choose>"])


def _cell(routes: tuple[Route[Any, Any], ...]) -> str:
    named = tuple(name for route in routes if route.public or route.noun == "operations" for name in names_of(route))
    wanted = quoteattr('@(context.Request.Headers.GetValueOrDefault("X-Cell", ""))')
    missing = quoteattr('@((string)context.Variables["cell"] == "")')
    return f"""    <set-variable name="wanted-cell" value="" />
    <choose>
      <when condition={quoteattr(operation_is_one_of(named))}>
        <set-variable name="wanted-cell" value={wanted} />
      </when>
    </choose>
    <set-variable name="slot" value={quoteattr(SLOT)} />
    <set-variable name="cell" value={quoteattr(CELL)} />
    <choose>
      <when condition={missing}>
{problem("NO_CELL", indent=8)}
      </when>
    </choose>
    <set-header name="X-Cell" exists-action="delete" />
    <set-backend-service backend-id={quoteattr('@("cell-" + (string)context.Variables["cell"])')} />"""


def _outbound() -> str:
    foreign = quoteattr(
        '@(context.Response.StatusCode >= 500 && !context.Response.Headers.ContainsKey("X-Request-Id"))'
    )
    cell = escape('@((string)context.Variables["cell"])')
    return f"""    <!-- The app answers errors in the product's format, with an id; the platform around it does not. -->
    <choose>
      <when condition={foreign}>
{problem("PLATFORM", indent=8)}
      </when>
    </choose>
    <set-header name="X-Cell" exists-action="override"><value>{cell}</value></set-header>
    <set-header name="X-Powered-By" exists-action="delete" />
    <set-header name="Server" exists-action="delete" />"""
