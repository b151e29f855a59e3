metadata description = 'What the cells of a region share: API Management, DNS, a network with a subnet for the runner of deployments, and a workspace for logs.'

import { Identity, Posture, Tags } from 'types.bicep'
import { hubPrefix, regionBase, unique } from 'names.bicep'
import { GatewaySize } from 'modules/api-management.bicep'
import { privateDnsZones } from 'dns.bicep'

@description('Start of all names.')
param workload string

@description('Short name of the region.')
param name string

@description('Region.')
param location string

@description('Tags.')
param tags Tags

@description('What applies to every resource.')
param posture Posture

@description('Address range of the region, a /16. Its own network takes the first /20.')
param addressPrefix string

@description('Tier of the NAT gateway.')
param natSku 'Standard' | 'StandardV2'

@description('Size of API Management.')
param gatewaySize GatewaySize

@description('Whether API Management can be reached without its private endpoint.')
param gatewayPublicAccess bool

@description('E-mail address that Azure writes to.')
param publisherEmail string

@description('Who issues access tokens.')
param identity Identity

@description('What Front Door sends as X-Azure-FDID; empty where there is no Front Door.')
param frontDoorId string

@description('Which slots belong to which cell.')
param directory string

@description('Origins of web pages that may call the API.')
param allowedOrigins string[]

@description('Cosmos DB.')
param cosmosId string

@description('Most GB of logs that are taken in a day; -1 for no limit.')
param dailyLogQuotaGb int

var base = regionBase(workload, posture.environment, name)
var ownPrefix = hubPrefix(addressPrefix)
var networkName = 'vnet-${base}'
var gatewayName = 'apim-${base}-${unique(subscription().id, base)}'

@description('The policy, with the origins that CORS allows and, where there is a Front Door, the check that it was passed.')
var policy = replace(
  loadTextContent('policies/api.xml'),
  '<origin>https://origin.invalid</origin>',
  join(
    map(empty(allowedOrigins) ? ['https://origin.invalid'] : allowedOrigins, origin => '<origin>${origin}</origin>'),
    ''
  )
)

module workspace 'modules/log-analytics.bicep' = {
  name: 'log-analytics'
  params: {
    name: 'log-${base}'
    location: location
    tags: tags
    retentionDays: posture.logDays
    dailyQuotaGb: dailyLogQuotaGb
  }
}

module nat 'modules/nat-gateway.bicep' = {
  name: 'nat'
  params: {
    name: 'ng-${base}'
    location: location
    tags: tags
    sku: natSku
    workspaceId: workspace.outputs.id
  }
}

module network 'modules/virtual-network.bicep' = {
  name: 'network'
  params: {
    name: networkName
    location: location
    tags: tags
    addressPrefix: ownPrefix
    subnets: [
      {
        name: 'gateway'
        addressPrefix: cidrSubnet(ownPrefix, 24, 0)
        delegation: 'Microsoft.Web/serverFarms'
        outbound: true
      }
      { name: 'endpoints', addressPrefix: cidrSubnet(ownPrefix, 24, 1), delegation: null, outbound: false }
      // The runner of deployments reaches the apps' deployment sites and the databases, which are private.
      { name: 'runner', addressPrefix: cidrSubnet(ownPrefix, 24, 2), delegation: null, outbound: true }
    ]
    natGatewayId: nat.outputs.id
    trustedPrefixes: [addressPrefix]
    workspaceId: workspace.outputs.id
  }
}

module zones 'modules/private-dns-zones.bicep' = if (posture.private) {
  name: 'private-dns-zones'
  params: { zones: map(items(privateDnsZones), zone => zone.value), tags: tags }
}

module links 'modules/private-dns-links.bicep' = if (posture.private) {
  name: 'dns-links'
  params: {
    zones: map(items(privateDnsZones), zone => zone.value)
    networkId: network.outputs.id
    linkName: name
    tags: tags
  }
  dependsOn: [zones]
}

module cosmosEndpoint 'modules/private-endpoint.bicep' = if (posture.private) {
  name: 'endpoint-cosmos'
  params: {
    name: 'pep-${base}-cosmos'
    location: location
    tags: tags
    subnetId: resourceId('Microsoft.Network/virtualNetworks/subnets', networkName, 'endpoints')
    targetId: cosmosId
    groupId: 'Sql'
    zoneId: resourceId('Microsoft.Network/privateDnsZones', privateDnsZones.Sql)
  }
  dependsOn: [network, zones]
}

module gateway 'modules/api-management.bicep' = {
  name: 'api-management'
  params: {
    name: gatewayName
    location: location
    tags: tags
    posture: posture
    size: gatewaySize
    subnetId: resourceId('Microsoft.Network/virtualNetworks/subnets', networkName, 'gateway')
    publicAccess: gatewayPublicAccess
    publisherEmail: publisherEmail
    identity: identity
    frontDoorId: frontDoorId
    workspaceId: workspace.outputs.id
  }
  dependsOn: [network]
}

module api 'modules/api.bicep' = {
  name: 'api'
  params: {
    serviceName: gatewayName
    operations: loadJsonContent('policies/operations.json')
    policy: policy
    directory: directory
  }
  dependsOn: [gateway]
}

module gatewayEndpoint 'modules/private-endpoint.bicep' = if (posture.private) {
  name: 'endpoint-gateway'
  params: {
    name: 'pep-${base}-gateway'
    location: location
    tags: tags
    subnetId: resourceId('Microsoft.Network/virtualNetworks/subnets', networkName, 'endpoints')
    targetId: resourceId('Microsoft.ApiManagement/service', gatewayName)
    groupId: 'Gateway'
    zoneId: resourceId('Microsoft.Network/privateDnsZones', privateDnsZones.Gateway)
  }
  dependsOn: [network, gateway, zones]
}

@description('Where logs of the region go.')
output workspaceId string = workspace.outputs.id

@description('API Management, by resource id.')
output gatewayId string = gateway.outputs.id

@description('API Management, by host name.')
output gatewayHostName string = gateway.outputs.hostName
