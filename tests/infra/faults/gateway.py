"""Front Door, API Management, cells: what goes wrong, and the rule that must find it."""

from typing import Final

from tests.infra.mutations import GONE, Mutation, copy, drop, put, swap

_CONFIG: Final = "Microsoft.Web/sites/config"
_APIM: Final = "Microsoft.ApiManagement/service"
_WAF: Final = "Microsoft.Network/FrontDoorWebApplicationFirewallPolicies"
_AFD: Final = "Microsoft.Cdn/profiles"
_VALUES: Final = "Microsoft.ApiManagement/service/namedValues"


FAULTS: Final = (
    Mutation("gateways_are_closed_where_nobody_uses_them", "path", put(f"{_APIM}/apis", "properties.path", "other")),
    Mutation(
        "gateway_and_apps_trust_one_issuer",
        "value",
        put(_VALUES, "properties.displayName", "other", named="token-audience"),
    ),
    Mutation(
        "front_door_guards_the_gateways",
        "route",
        put(f"{_AFD}/afdEndpoints/routes", "properties.patternsToMatch", ["/*"]),
    ),
    Mutation("front_door_guards_the_gateways", "ids in logs", put(_AFD, "properties.logScrubbing", GONE)),
    Mutation(
        "front_door_reaches_every_gateway",
        "host",
        put(f"{_AFD}/originGroups/origins", "properties.originHostHeader", "other"),
    ),
    Mutation(
        "the_firewall_refuses_what_its_rules_match",
        "wide",
        put(_WAF, "properties.customRules.rules.0.rateLimitThreshold", 5_000_000),
    ),
    Mutation(
        "every_slot_has_one_cell",
        "hole",
        put(_VALUES, "properties.value", "c1:0-2046,c2:2048-4095", named="cell-directory"),
    ),
    Mutation(
        "every_slot_has_one_cell",
        "twice",
        put(_VALUES, "properties.value", "c1:0-2048,c2:2048-4095", named="cell-directory"),
    ),
    Mutation(
        "every_slot_has_one_cell",
        "no such cell",
        put(_VALUES, "properties.value", "c1:0-2047,c3:2048-4095", named="cell-directory"),
    ),
    Mutation(
        "every_gateway_reaches_every_cell", "no pool", drop(f"{_APIM}/backends", named="ins-omvrm/backends/cell-c2")
    ),
    Mutation(
        "every_gateway_reaches_every_cell", "weights", put(f"{_APIM}/backends", "properties.pool.services.0.weight", 50)
    ),
    Mutation(
        "every_gateway_reaches_every_cell",
        "other app",
        copy(f"{_APIM}/backends", "properties.url", named="cell-c2-green", other="cell-c2-blue"),
    ),
    Mutation(
        "every_gateway_reaches_every_cell",
        "certificate",
        put(f"{_APIM}/backends", "properties.tls.validateCertificateName", False, named="cell-c2-green"),
    ),
    Mutation(
        "every_gateway_reaches_every_cell",
        "http",
        swap(f"{_APIM}/backends", "properties.url", "https://", "http://", named="cell-c2-green"),
    ),
    Mutation(
        "gateways_reach_other_regions_privately",
        "none",
        drop("Microsoft.Network/privateEndpoints", named="prod-ins-c1-green"),
    ),
    Mutation(
        "gateways_reach_other_regions_privately",
        "Cosmos DB",
        drop("Microsoft.Network/privateEndpoints", named="prod-ins-cosmos"),
    ),
    Mutation(
        "gateways_are_closed_where_nobody_uses_them",
        "portal",
        put(_APIM, "properties.developerPortalStatus", "Enabled"),
        "dev",
    ),
    Mutation(
        "gateways_are_closed_where_nobody_uses_them",
        "old API",
        put(_APIM, "properties.apiVersionConstraint", {}),
        "dev",
    ),
    Mutation("gateways_are_closed_where_nobody_uses_them", "old tier", put(_APIM, "sku.name", "Premium")),
    Mutation(
        "gateways_are_closed_where_nobody_uses_them",
        "http",
        put(f"{_APIM}/apis", "properties.protocols", ["https", "http"]),
        "dev",
    ),
    Mutation("gateways_are_closed_where_nobody_uses_them", "no policy", drop(f"{_APIM}/apis/policies")),
    Mutation(
        "gateways_log_neither_bodies_nor_tokens",
        "body",
        put(f"{_APIM}/diagnostics", "properties.frontend.request.body.bytes", 8192),
        "dev",
    ),
    Mutation(
        "gateways_log_neither_bodies_nor_tokens",
        "token",
        put(f"{_APIM}/diagnostics", "properties.backend.request.headers", ["Authorization"]),
    ),
    Mutation("front_door_guards_the_gateways", "unguarded", drop(f"{_AFD}/securityPolicies")),
    Mutation(
        "front_door_guards_the_gateways",
        "http",
        put(f"{_AFD}/afdEndpoints/routes", "properties.forwardingProtocol", "MatchRequest"),
    ),
    Mutation(
        "front_door_guards_the_gateways", "past it", put(_VALUES, "properties.value", "none", named="front-door-id")
    ),
    Mutation("front_door_guards_the_gateways", "none", drop(_AFD), "test"),
    Mutation(
        "the_firewall_refuses_what_its_rules_match",
        "watches",
        put(_WAF, "properties.policySettings.mode", "Detection"),
        "test",
    ),
    Mutation(
        "the_firewall_refuses_what_its_rules_match",
        "no rules",
        put(_WAF, "properties.managedRules.managedRuleSets", []),
    ),
    Mutation("the_firewall_refuses_what_its_rules_match", "no limit", put(_WAF, "properties.customRules.rules", [])),
    Mutation("front_door_reaches_every_gateway", "one", drop(f"{_AFD}/originGroups/origins")),
    Mutation(
        "front_door_reaches_every_gateway",
        "public",
        put(f"{_AFD}/originGroups/origins", "properties.sharedPrivateLinkResource", None),
    ),
    Mutation(
        "front_door_reaches_every_gateway",
        "certificate",
        put(f"{_AFD}/originGroups/origins", "properties.enforceCertificateNameCheck", False),
    ),
    Mutation(
        "front_door_reaches_every_gateway", "probe", put(f"{_AFD}/originGroups", "properties.healthProbeSettings", {})
    ),
    Mutation("gateway_and_apps_trust_one_issuer", "audience", put(_CONFIG, "properties.ENTRA_AUDIENCE", "another")),
    Mutation(
        "gateway_and_apps_trust_one_issuer",
        "issuer",
        put(_VALUES, "properties.value", "https://evil.example/v2.0", named="token-issuer"),
    ),
    Mutation(
        "gateway_and_apps_trust_one_issuer",
        "keys",
        put(_CONFIG, "properties.ENTRA_JWKS_URL", "http://login.example/keys"),
        "dev",
    ),
    Mutation(
        "gateway_and_apps_trust_one_issuer",
        "other keys",
        put(_CONFIG, "properties.ENTRA_JWKS_URL", "https://evil.example/keys"),
    ),
)
