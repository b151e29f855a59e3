metadata description = 'The network of a cell: its subnets, its way out, its peering with the region, its look-up of private names.'

import { Posture, Tags } from 'types.bicep'
import { privateDnsZones } from 'dns.bicep'

@description('Start of all names.')
param base string

@description('The cell, by name.')
param cellName string

@description('Region.')
param location string

@description('Tags.')
param tags Tags

@description('What applies to every resource.')
param posture Posture

@description('Name of the network.')
param networkName string

@description('Address range of the cell, a /20.')
param addressPrefix string

@description('Address range of the region\'s own network.')
param hubPrefix string

@description('Tier of the NAT gateway.')
param natSku 'Standard' | 'StandardV2'

@description('Resource group of the region, with its private DNS zones and its network.')
param regionGroupName string

@description('Name of the region\'s own network.')
param hubNetworkName string

@description('Where logs of the region go.')
param workspaceId string

@description('Address ranges: each colour has one for its instances, all private endpoints share one.')
var subnets = [
  {
    name: 'functions-blue'
    addressPrefix: cidrSubnet(addressPrefix, 23, 0)
    delegation: 'Microsoft.App/environments'
    outbound: true
  }
  {
    name: 'functions-green'
    addressPrefix: cidrSubnet(addressPrefix, 23, 1)
    delegation: 'Microsoft.App/environments'
    outbound: true
  }
  { name: 'endpoints', addressPrefix: cidrSubnet(addressPrefix, 24, 4), delegation: null, outbound: false }
]

module nat 'modules/nat-gateway.bicep' = {
  name: 'nat'
  params: { name: 'ng-${base}', location: location, tags: tags, sku: natSku, workspaceId: workspaceId }
}

module network 'modules/virtual-network.bicep' = {
  name: 'network'
  params: {
    name: networkName
    location: location
    tags: tags
    addressPrefix: addressPrefix
    subnets: subnets
    natGatewayId: nat.outputs.id
    trustedPrefixes: [addressPrefix, hubPrefix]
    workspaceId: workspaceId
  }
}

module toHub 'modules/virtual-network-peering.bicep' = {
  name: 'to-hub'
  params: {
    networkName: networkName
    remoteNetworkId: resourceId(regionGroupName, 'Microsoft.Network/virtualNetworks', hubNetworkName)
    name: 'to-hub'
  }
  dependsOn: [network]
}

module fromHub 'modules/virtual-network-peering.bicep' = {
  name: 'from-hub-to-${cellName}'
  scope: resourceGroup(regionGroupName)
  params: { networkName: hubNetworkName, remoteNetworkId: network.outputs.id, name: 'to-${cellName}' }
}

module dnsLinks 'modules/private-dns-links.bicep' = if (posture.private) {
  name: 'dns-links-${cellName}'
  scope: resourceGroup(regionGroupName)
  params: {
    zones: map(items(privateDnsZones), zone => zone.value)
    networkId: network.outputs.id
    linkName: cellName
    tags: tags
  }
}
