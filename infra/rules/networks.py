"""Networks: address ranges, subnets, what may come in, how traffic goes out."""

from collections import Counter
from collections.abc import Iterator
from ipaddress import ip_network
from itertools import combinations
from typing import Any, Final

from infra.rules.rule import Rules, differs
from infra.rules.snapshot import Resource, Snapshot

RULES: Final = Rules()
_PORTS: Final = {"443", "5432", "5671", "10000", "8500-8599"}
_DELEGATIONS: Final = {
    "Microsoft.Web/sites": ("properties.virtualNetworkSubnetId", "Microsoft.App/environments"),
    "Microsoft.ApiManagement/service": (
        "properties.virtualNetworkConfiguration.subnetResourceId",
        "Microsoft.Web/serverFarms",
    ),
}
_WIDEST_PREFIX: Final = 16
_SMALLEST_PREFIX: Final = 27
"""learn.microsoft.com/azure/azure-functions/flex-consumption-plan: a subnet of an app has at least a /27."""


@RULES.add("Two ranges that overlap can never be peered, and a subnet outside its network is refused.")
def address_ranges_do_not_overlap(snapshot: Snapshot) -> Iterator[str]:
    networks = snapshot.of("Microsoft.Network/virtualNetworks")
    ranges = {
        network.id: [ip_network(prefix) for prefix in network.get("properties.addressSpace.addressPrefixes")]
        for network in networks
    }
    for one, other in combinations(networks, 2):
        if any(a.overlaps(b) for a in ranges[one.id] for b in ranges[other.id]):
            yield f"{one} and {other} overlap"
    for network in networks:
        subnets = [ip_network(subnet["properties"]["addressPrefix"]) for subnet in network.properties["subnets"]]
        for a, b in combinations(subnets, 2):
            if a.overlaps(b):
                yield f"{network}: subnets {a} and {b} overlap"
        for subnet in subnets:
            if not any(subnet.subnet_of(whole) for whole in ranges[network.id]):  # type: ignore[arg-type]
                yield f"{network}: subnet {subnet} is outside of it"


@RULES.add("A service places its instances only in a subnet that is delegated to it, and shares it with nobody.")
def subnets_are_delegated_to_their_service(snapshot: Snapshot) -> Iterator[str]:
    subnets, used = snapshot.subnets(), Counter[str]()
    for resource in snapshot.of(*_DELEGATIONS):
        path, service = _DELEGATIONS[resource.type]
        named = resource.get(path)
        if named is None:
            if resource.type == "Microsoft.Web/sites" or snapshot.expected.private:
                yield f"{resource}: is in no subnet"
            continue
        used[named.lower()] += 1
        subnet = subnets.get(named.lower())
        if subnet is None or _services(subnet) != [service]:
            yield f"{resource}: its subnet {named} is not delegated to {service}"
        elif ip_network(subnet["addressPrefix"]).prefixlen > _SMALLEST_PREFIX:
            yield f"{resource}: its subnet {subnet['addressPrefix']} is too small"
    for name, times in used.items():
        if times > 1:
            yield f"{name}: is shared by {times} services"


def _services(subnet: dict[str, Any]) -> list[str]:
    return [each["properties"]["serviceName"] for each in subnet["delegations"]]


@RULES.add("A delegated subnet takes no private endpoint; one in another region cannot be in this network.")
def private_endpoints_are_in_subnets_of_their_own(snapshot: Snapshot) -> Iterator[str]:
    subnets = snapshot.subnets()
    for endpoint in snapshot.of("Microsoft.Network/privateEndpoints"):
        named = str(endpoint.get("properties.subnet.id")).lower()
        subnet, network = subnets.get(named), snapshot.find(named.partition("/subnets/")[0])
        if subnet is None or network is None or subnet["delegations"]:
            yield f"{endpoint}: its subnet is {named}"
        elif network.location != endpoint.location:
            yield f"{endpoint}: is in {endpoint.location}, its network in {network.location}"


@RULES.add("What is not forbidden is allowed inside a network: only the broker's networks, only the services' ports.")
def subnets_let_in_only_trusted_networks(snapshot: Snapshot) -> Iterator[str]:
    for name, subnet in snapshot.subnets().items():
        group = snapshot.find((subnet.get("networkSecurityGroup") or {}).get("id"))
        if group is None:
            yield f"{name}: has no network security group"
            continue
        rules = sorted(group.properties["securityRules"], key=lambda rule: rule["properties"]["priority"])
        inbound = [rule["properties"] for rule in rules if rule["properties"]["direction"] == "Inbound"]
        if not inbound or not _denies_everything(inbound[-1]):
            yield f"{group}: its last inbound rule does not deny everything else"
        for rule in inbound[:-1]:
            if rule["access"] == "Allow":
                yield from _too_wide(group, rule)
        if subnet.get("privateEndpointNetworkPolicies") != "Enabled":
            yield f"{name}: security groups do not hold for its private endpoints"


def _denies_everything(rule: dict[str, Any]) -> bool:
    return rule["access"] == "Deny" and all(
        rule.get(part) == "*"
        for part in (
            "protocol",
            "sourceAddressPrefix",
            "sourcePortRange",
            "destinationAddressPrefix",
            "destinationPortRange",
        )
    )


def _too_wide(group: Resource, rule: dict[str, Any]) -> Iterator[str]:
    sources = [*(rule.get("sourceAddressPrefixes") or []), *filter(None, [rule.get("sourceAddressPrefix")])]
    ports = [*(rule.get("destinationPortRanges") or []), *filter(None, [rule.get("destinationPortRange")])]
    for source in sources:
        if (
            not source[0].isdigit()
            or not ip_network(source).is_private
            or ip_network(source).prefixlen < _WIDEST_PREFIX
        ):
            yield f"{group}: lets {source} in"
    if not sources or not ports or set(ports) - _PORTS:
        yield f"{group}: lets {sources} in at {ports}"


@RULES.add("Traffic that leaves by Azure's default address comes from anywhere; the exchange lists ours.")
def traffic_leaves_through_the_nat_gateway(snapshot: Snapshot) -> Iterator[str]:
    for name, subnet in snapshot.subnets().items():
        if subnet.get("defaultOutboundAccess") is not False:
            yield f"{name}: may leave by Azure's default address"
        if subnet["delegations"] and snapshot.find((subnet.get("natGateway") or {}).get("id")) is None:
            yield f"{name}: has no way out"
    gateways = snapshot.of("Microsoft.Network/natGateways")
    for gateway in gateways:
        addresses = [snapshot.find(each["id"]) for each in gateway.get("properties.publicIpAddresses") or []]
        if not addresses or any(each is None or each.get("sku.name") != gateway.get("sku.name") for each in addresses):
            yield f"{gateway}: its addresses are of another tier, or missing"
    whole = [gateway for gateway in gateways if gateway.get("sku.name") == "StandardV2"]
    yield from differs(whole, {"zones": ["1", "2", "3"]})
    yield from differs(snapshot.of("Microsoft.Web/sites"), {"properties.outboundVnetRouting.allTraffic": True})


@RULES.add("A peering works only when both ends have it; without it the runner and the gateway reach no cell.")
def cells_are_peered_with_their_region(snapshot: Snapshot) -> Iterator[str]:
    ends = {
        (peering.parent.lower(), str(peering.get("properties.remoteVirtualNetwork.id")).lower())
        for peering in snapshot.of("Microsoft.Network/virtualNetworks/virtualNetworkPeerings")
        if peering.get("properties.allowVirtualNetworkAccess") is True
    }
    for here, there in ends:
        if (there, here) not in ends:
            yield f"{here} is peered with {there}, but not the other way"
    links = snapshot.of("Microsoft.Network/privateDnsZones/virtualNetworkLinks")
    yield from differs(links, {"properties.registrationEnabled": False})
    for network in snapshot.of("Microsoft.Network/virtualNetworks"):
        if network.group in snapshot.cells() and network.id.lower() not in {here for here, _ in ends}:
            yield f"{network}: is peered with nothing"
    for peering in snapshot.of("Microsoft.Network/virtualNetworks/virtualNetworkPeerings"):
        if peering.get("properties.allowForwardedTraffic") or peering.get("properties.useRemoteGateways"):
            yield f"{peering}: lets others' traffic through"
