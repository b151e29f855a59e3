"""The way of a request: Front Door, API Management, cells."""

import re
from collections.abc import Iterator
from itertools import product
from typing import Final

from infra.rules.rule import FILLED, Rules, at_least_text, differs, one_of, starts_with
from infra.rules.snapshot import Resource, Snapshot, ids_in
from shared.domain.ids import SLOTS

RULES: Final = Rules()
_SERVICE: Final = "Microsoft.ApiManagement/service"
_MOST_CALLS: Final = 10_000
_MANAGED: Final = {"Microsoft_DefaultRuleSet", "Microsoft_BotManagerRuleSet"}


def directory(service: Resource, snapshot: Snapshot) -> dict[str, tuple[int, int]]:
    """First and last slot by cell, as this API Management routes."""
    values = _named_values(snapshot, service)
    entries = (re.fullmatch(r"(\w+):(\d+)-(\d+)", each) for each in str(values.get("cell-directory")).split(","))
    return {entry[1]: (int(entry[2]), int(entry[3])) for entry in entries if entry}


@RULES.add("A slot without a cell has users whom nobody serves; one with two has two ledgers.")
def every_slot_has_one_cell(snapshot: Snapshot) -> Iterator[str]:
    directories = {service.id: directory(service, snapshot) for service in snapshot.of(_SERVICE)}
    if len({tuple(sorted(each.items())) for each in directories.values()}) > 1:
        yield f"gateways route differently: {directories}"
    cells = {group.rsplit("-", 1)[1] for group in snapshot.cells()}
    for service, found in directories.items():
        slots = [slot for first, last in found.values() for slot in range(first, last + 1)]
        if sorted(slots) != list(range(SLOTS)):
            yield f"{service}: its directory has {len(set(slots))} of {SLOTS} slots, {len(slots)} in all"
        if found.keys() != cells:
            yield f"{service}: its directory has the cells {sorted(found)}, there are {sorted(cells)}"


@RULES.add("Any region's gateway can get any user's request: each must know every cell, and nothing else.")
def every_gateway_reaches_every_cell(snapshot: Snapshot) -> Iterator[str]:
    for service in snapshot.of(_SERVICE):
        backends = {each.name: each for each in snapshot.parts(service, "backends")}
        for site in snapshot.of("Microsoft.Web/sites"):
            cell, colour = site.group.rsplit("-", 1)[1], site.get("tags.colour")
            backend = backends.get(f"cell-{cell}-{colour}")
            if backend is None or site.id not in list(ids_in(backend.get("properties.url"))):
                yield f"{service}: its backend for {colour} of {cell} is not {site}"
            members = (
                (backends[f"cell-{cell}"].get("properties.pool.services") or []) if f"cell-{cell}" in backends else []
            )
            weights = [member["weight"] for member in members]
            if sum(weights) != _PER_CENT or min(weights) <= 0:
                yield f"{service}: weights of the colours of {cell} are {weights}"
            if {each["id"].rsplit("/", 1)[1] for each in members} - {f"cell-{cell}-blue", f"cell-{cell}-green"}:
                yield f"{service}: requests of {cell} go to {members}"
        yield from differs([each for each in backends.values() if each.get("properties.type") != "Pool"], _BACKEND)


_PER_CENT: Final = 100
_BACKEND: Final = {
    "properties.tls": {"validateCertificateChain": True, "validateCertificateName": True},
    "properties.url": starts_with("[format('https://"),
    "properties.protocol": "http",
}


@RULES.add("A request goes into another region over a private endpoint of its gateway: there is no other connection.")
def gateways_reach_other_regions_privately(snapshot: Snapshot) -> Iterator[str]:
    if not snapshot.expected.private:
        return
    reached = {
        (endpoint.location, connection["properties"]["privateLinkServiceId"].lower())
        for endpoint in snapshot.of("Microsoft.Network/privateEndpoints")
        for connection in endpoint.properties["privateLinkServiceConnections"]
    }
    for service in snapshot.of(_SERVICE):
        for site in snapshot.of("Microsoft.Web/sites"):
            if (service.location, site.id.lower()) not in reached:
                yield f"{service}: has no private endpoint to {site}"
    for region in snapshot.regions:
        for account in snapshot.of("Microsoft.DocumentDB/databaseAccounts"):
            if (region, account.id.lower()) not in reached:
                yield f"{account}: has no private endpoint in {region}"


@RULES.add("A management interface or a portal that nobody uses is one more way in.")
def gateways_are_closed_where_nobody_uses_them(snapshot: Snapshot) -> Iterator[str]:
    services, apis = snapshot.of(_SERVICE), snapshot.of(f"{_SERVICE}/apis")
    yield from differs(services, _GATEWAY)
    yield from differs(apis, {"properties.protocols": ["https"], "properties.path": "api"})
    yield from differs(snapshot.of(f"{_SERVICE}/apis/policies"), {"properties.format": "xml"})
    if snapshot.expected.private:
        yield from differs(services, {"properties.virtualNetworkType": "External"})
    for api in apis:
        if not snapshot.parts(api, "policies"):
            yield f"{api}: has no policy"


_GATEWAY: Final = {
    "properties.developerPortalStatus": "Disabled",
    "properties.legacyPortalStatus": "Disabled",
    # Older versions of the management API return secrets without being asked for them.
    "properties.apiVersionConstraint.minApiVersion": at_least_text("2021-08-01"),
    # Other tiers speak older versions of TLS unless they are forbidden to.
    "sku.name": one_of("BasicV2", "StandardV2", "PremiumV2"),
}


@RULES.add("A body or a token in a log is read by everybody who may read logs.")
def gateways_log_neither_bodies_nor_tokens(snapshot: Snapshot) -> Iterator[str]:
    for service in snapshot.of(_SERVICE):
        logged = {each.name: each for each in snapshot.parts(service, "diagnostics")}
        if "azuremonitor" not in logged:
            yield f"{service}: does not log requests"
        for diagnostic, side, way in product(logged.values(), ("frontend", "backend"), ("request", "response")):
            what = diagnostic.get(f"properties.{side}.{way}") or {}
            if (what.get("body") or {}).get("bytes", 1) != 0 or "Authorization" in what.get("headers", []):
                yield f"{diagnostic}: logs bodies or tokens of the {side} {way}"


@RULES.add("Front Door without its firewall, or a gateway that takes requests past it, is open to every attack.")
def front_door_guards_the_gateways(snapshot: Snapshot) -> Iterator[str]:
    profiles = snapshot.of("Microsoft.Cdn/profiles")
    if snapshot.expected.private and not profiles:
        yield "there is no Front Door"
    guarded = {
        named.lower()
        for policy in snapshot.of("Microsoft.Cdn/profiles/securityPolicies")
        if snapshot.find(policy.get("properties.parameters.wafPolicy.id"))
        for association in policy.get("properties.parameters.associations") or []
        if association["patternsToMatch"] == ["/*"]
        for named in ids_in(association["domains"])
    }
    for endpoint in snapshot.of("Microsoft.Cdn/profiles/afdEndpoints"):
        if endpoint.id.lower() not in guarded:
            yield f"{endpoint}: no firewall guards it"
    yield from differs(
        snapshot.of("Microsoft.Cdn/profiles/afdEndpoints/routes"),
        {
            "properties.httpsRedirect": "Enabled",
            "properties.forwardingProtocol": "HttpsOnly",
            "properties.patternsToMatch": ["/api/*"],
            "properties.enabledState": "Enabled",
        },
    )
    yield from differs(profiles, {"properties.logScrubbing.state": "Enabled"})
    for service in snapshot.of(_SERVICE):
        if profiles and profiles[0].id not in str(_named_values(snapshot, service).get("front-door-id")):
            yield f"{service}: takes requests that did not pass Front Door"


@RULES.add("A firewall that only watches, or lacks its managed rules, stops nobody.")
def the_firewall_refuses_what_its_rules_match(snapshot: Snapshot) -> Iterator[str]:
    policies = snapshot.of("Microsoft.Network/FrontDoorWebApplicationFirewallPolicies")
    yield from differs(
        policies,
        {
            "properties.policySettings.enabledState": "Enabled",
            "properties.policySettings.mode": "Prevention",
            "properties.policySettings.requestBodyCheck": "Enabled",
            "sku.name": "Premium_AzureFrontDoor",
        },
    )
    for policy in policies:
        sets = {each["ruleSetType"]: each for each in policy.get("properties.managedRules.managedRuleSets") or []}
        if sets.keys() != _MANAGED or sets["Microsoft_DefaultRuleSet"].get("ruleSetAction") != "Block":
            yield f"{policy}: managed rules are {sets}"
        if any(each.get("ruleGroupOverrides") or each.get("exclusions") for each in sets.values()):
            yield f"{policy}: some of its managed rules are switched off"
        rules = policy.get("properties.customRules.rules") or []
        limits = [each for each in rules if each["ruleType"] == "RateLimitRule" and each["action"] == "Block"]
        if not any(each["enabledState"] == "Enabled" for each in limits):
            yield f"{policy}: one address may call as often as it likes"
        if any(each["rateLimitThreshold"] > _MOST_CALLS for each in limits):
            yield f"{policy}: one address may call more than {_MOST_CALLS} times in a minute"
        if any(each["action"] == "Allow" for each in rules):
            yield f"{policy}: lets some requests past its rules"


def _named_values(snapshot: Snapshot, service: Resource) -> dict[str, object]:
    return {each.name: each.get("properties.value") for each in snapshot.parts(service, "namedValues")}


@RULES.add("An origin that is missing, unchecked or public loses a region, or lets requests past the gateway.")
def front_door_reaches_every_gateway(snapshot: Snapshot) -> Iterator[str]:
    origins = snapshot.of("Microsoft.Cdn/profiles/originGroups/origins")
    reached = {named for origin in origins for named in ids_in(origin.get("properties.hostName"))}
    for service in snapshot.of(_SERVICE):
        if snapshot.of("Microsoft.Cdn/profiles") and service.id not in reached:
            yield f"{service}: Front Door does not know it"
    yield from differs(origins, {"properties.enforceCertificateNameCheck": True, "properties.enabledState": "Enabled"})
    yield from differs(
        snapshot.of("Microsoft.Cdn/profiles/originGroups"),
        {"properties.healthProbeSettings.probeProtocol": "Https", "properties.healthProbeSettings.probePath": FILLED},
    )
    for origin in origins:
        target = snapshot.find(origin.get("properties.sharedPrivateLinkResource.privateLink.id"))
        place = origin.get("properties.sharedPrivateLinkResource.privateLinkLocation")
        if origin.get("properties.originHostHeader") != origin.get("properties.hostName"):
            yield f"{origin}: is asked for another host than it is"
        if snapshot.expected.private and (target is None or target.location != place):
            yield f"{origin}: is not reached privately"


@RULES.add("The check of tokens belongs to the issuer of this environment; an empty or foreign one lets strangers in.")
def gateway_and_apps_trust_one_issuer(snapshot: Snapshot) -> Iterator[str]:
    trusted: set[tuple[object, object]] = set()
    addresses: dict[str, object] = {}
    for site in snapshot.of("Microsoft.Web/sites"):
        settings = snapshot.settings(site)
        trusted.add((settings.get("ENTRA_ISSUER"), settings.get("ENTRA_AUDIENCE")))
        addresses[site.id] = settings.get("ENTRA_JWKS_URL")
    for service in snapshot.of(_SERVICE):
        values = _named_values(snapshot, service)
        trusted.add((values.get("token-issuer"), values.get("token-audience")))
        addresses[service.id] = values.get("token-configuration")
        for value in snapshot.parts(service, "namedValues"):
            # The policy knows a value by what it is called for people.
            if value.get("properties.displayName") != value.name:
                yield f"{value}: is called {value.get('properties.displayName')}"
    if len(trusted) != 1 or not all(next(iter(trusted))):
        yield f"issuers and audiences are {trusted}"
    issuer = str(next(iter(trusted), ("", ""))[0]).removesuffix("/v2.0")
    for who, address in addresses.items():
        if not str(address).startswith("https://") or not str(address).startswith(issuer):
            yield f"{who}: reads keys from {address}, which is not of {issuer}"
