metadata description = 'A virtual network. Each subnet has its own network security group; nothing leaves but through the NAT gateway.'

import { Tags } from '../types.bicep'

@description('A subnet.')
@sealed()
type Subnet = {
  @description('Its name, without underscores.')
  name: string

  @description('Its address range.')
  addressPrefix: string

  @description('The service that places its instances there, for example Microsoft.App/environments.')
  delegation: string?

  @description('Whether it sends traffic out through the NAT gateway.')
  outbound: bool
}

@description('Its name.')
param name string

@description('Its region.')
param location string

@description('Tags.')
param tags Tags

@description('Its address range.')
param addressPrefix string

@description('Its subnets.')
param subnets Subnet[]

@description('The NAT gateway; empty for none.')
param natGatewayId string

@description('Address ranges that may open connections to its private endpoints.')
param trustedPrefixes string[]

@description('Where diagnostics go.')
param workspaceId string

resource groups 'Microsoft.Network/networkSecurityGroups@2026-03-01' = [
  for subnet in subnets: {
    name: 'nsg-${name}-${subnet.name}'
    location: location
    tags: tags
    properties: {
      securityRules: [
        {
          name: 'allow-trusted-networks'
          properties: {
            priority: 200
            direction: 'Inbound'
            access: 'Allow'
            protocol: 'Tcp'
            sourceAddressPrefixes: trustedPrefixes
            sourcePortRange: '*'
            destinationAddressPrefix: subnet.addressPrefix
            // HTTPS, PostgreSQL, AMQP, and Redis: its entry and the nodes of its cluster.
            destinationPortRanges: ['443', '5432', '5671', '10000', '8500-8599']
          }
        }
        {
          name: 'deny-everything-else'
          properties: {
            priority: 4000
            direction: 'Inbound'
            access: 'Deny'
            protocol: '*'
            sourceAddressPrefix: '*'
            sourcePortRange: '*'
            destinationAddressPrefix: '*'
            destinationPortRange: '*'
          }
        }
      ]
    }
  }
]

#disable-next-line use-recent-api-versions // this type has no later version with category groups

#disable-next-line use-recent-api-versions // this type has no later version with category groups
resource groupDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = [
  for (subnet, i) in subnets: {
    scope: groups[i]
    name: 'to-workspace'
    properties: {
      workspaceId: workspaceId
      logs: [{ categoryGroup: 'allLogs', enabled: true }]
    }
  }
]

resource network 'Microsoft.Network/virtualNetworks@2026-03-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: [addressPrefix] }
    // Subnets are part of the network: as resources of their own, two deployments would undo each other's.
    subnets: [
      for (subnet, i) in subnets: {
        name: subnet.name
        properties: {
          addressPrefix: subnet.addressPrefix
          defaultOutboundAccess: false
          privateEndpointNetworkPolicies: 'Enabled'
          networkSecurityGroup: { id: groups[i].id }
          natGateway: subnet.outbound && !empty(natGatewayId) ? { id: natGatewayId } : null
          delegations: subnet.?delegation == null
            ? []
            : [{ name: 'delegation', properties: { serviceName: subnet.?delegation ?? '' } }]
        }
      }
    ]
  }
}

#disable-next-line use-recent-api-versions // this type has no later version with category groups

#disable-next-line use-recent-api-versions // this type has no later version with category groups
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: network
  name: 'to-workspace'
  properties: {
    workspaceId: workspaceId
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

@description('Its resource id.')
output id string = network.id
