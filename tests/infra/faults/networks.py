"""Networks: what goes wrong, and the rule that must find it."""

from typing import Any, Final

from tests.infra.mutations import GONE, Mutation, copy, drop, put, swap

_SITE: Final = "Microsoft.Web/sites"
_VNET: Final = "Microsoft.Network/virtualNetworks"
_NSG: Final = "Microsoft.Network/networkSecurityGroups"


_OPEN_RULE: Final = {
    "name": "open",
    "properties": {
        "priority": 100,
        "direction": "Inbound",
        "access": "Allow",
        "protocol": "*",
        "sourceAddressPrefix": "Internet",
        "sourcePortRange": "*",
        "destinationAddressPrefix": "*",
        "destinationPortRange": "22",
    },
}


def _insert_rule(resources: list[dict[str, Any]]) -> None:
    group = [each for each in resources if each["type"] == _NSG][-1]
    group["properties"]["securityRules"].insert(0, _OPEN_RULE)


FAULTS: Final = (
    Mutation(
        "address_ranges_do_not_overlap",
        "regions",
        copy(_VNET, "properties.addressSpace", named="vnet-broker-prod-ins", other="vnet-broker-prod-inc"),
    ),
    Mutation(
        "address_ranges_do_not_overlap",
        "subnets",
        put(_VNET, "properties.subnets.1.properties.addressPrefix", "10.40.16.0/24"),
    ),
    Mutation(
        "address_ranges_do_not_overlap",
        "outside",
        put(_VNET, "properties.subnets.1.properties.addressPrefix", "10.99.0.0/24"),
    ),
    Mutation(
        "subnets_are_delegated_to_their_service",
        "not delegated",
        put(_VNET, "properties.subnets.0.properties.delegations", []),
    ),
    Mutation(
        "subnets_are_delegated_to_their_service",
        "to another",
        put(
            _VNET,
            "properties.subnets.0.properties.delegations",
            [{"name": "d", "properties": {"serviceName": "Microsoft.Web/serverFarms"}}],
        ),
    ),
    Mutation(
        "subnets_are_delegated_to_their_service",
        "small",
        put(_VNET, "properties.subnets.1.properties.addressPrefix", "10.40.18.0/28"),
    ),
    Mutation(
        "subnets_are_delegated_to_their_service",
        "shared",
        copy(_SITE, "properties.virtualNetworkSubnetId", named="c2-green", other="c2-blue"),
    ),
    Mutation(
        "subnets_are_delegated_to_their_service", "none", put(_SITE, "properties.virtualNetworkSubnetId", GONE), "dev"
    ),
    Mutation(
        "private_endpoints_are_in_subnets_of_their_own",
        "delegated",
        swap("Microsoft.Network/privateEndpoints", "properties.subnet.id", "/subnets/endpoints", "/subnets/gateway"),
    ),
    Mutation(
        "private_endpoints_are_in_subnets_of_their_own",
        "other region",
        put("Microsoft.Network/privateEndpoints", "location", "centralindia", named="rg-broker-prod-ins/"),
    ),
    Mutation("subnets_let_in_only_trusted_networks", "open", _insert_rule),
    Mutation(
        "subnets_let_in_only_trusted_networks",
        "no group",
        put(_VNET, "properties.subnets.2.properties.networkSecurityGroup", GONE),
    ),
    Mutation(
        "subnets_let_in_only_trusted_networks",
        "no last rule",
        put(_NSG, "properties.securityRules.1.properties.access", "Allow"),
    ),
    Mutation(
        "subnets_let_in_only_trusted_networks",
        "the internet",
        put(_NSG, "properties.securityRules.0.properties.sourceAddressPrefixes", ["0.0.0.0/0"]),
    ),
    Mutation(
        "subnets_let_in_only_trusted_networks",
        "ports",
        put(_NSG, "properties.securityRules.0.properties.destinationPortRanges", ["22"]),
    ),
    Mutation(
        "subnets_let_in_only_trusted_networks",
        "endpoints",
        put(_VNET, "properties.subnets.2.properties.privateEndpointNetworkPolicies", "Disabled"),
    ),
    Mutation(
        "traffic_leaves_through_the_nat_gateway",
        "default",
        put(_VNET, "properties.subnets.0.properties.defaultOutboundAccess", True),
    ),
    Mutation(
        "traffic_leaves_through_the_nat_gateway", "none", put(_VNET, "properties.subnets.0.properties.natGateway", None)
    ),
    Mutation(
        "traffic_leaves_through_the_nat_gateway",
        "tiers",
        put("Microsoft.Network/publicIPAddresses", "sku.name", "Basic"),
    ),
    Mutation(
        "traffic_leaves_through_the_nat_gateway",
        "one zone",
        put("Microsoft.Network/natGateways", "zones", ["1"], named="c1"),
    ),
    Mutation(
        "traffic_leaves_through_the_nat_gateway",
        "past it",
        put(_SITE, "properties.outboundVnetRouting.allTraffic", False),
    ),
    Mutation("cells_are_peered_with_their_region", "one way", drop(f"{_VNET}/virtualNetworkPeerings")),
    Mutation(
        "cells_are_peered_with_their_region",
        "others' traffic",
        put(f"{_VNET}/virtualNetworkPeerings", "properties.allowForwardedTraffic", True),
    ),
)
