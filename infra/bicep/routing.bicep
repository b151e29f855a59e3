metadata description = 'Makes a cell known to the API Management of one region. Into another region\'s cell leads a private endpoint of the gateway\'s own region, so that the two networks need not be connected.'

import { ColourRollout, Tags } from 'types.bicep'
import { privateDnsZones } from 'dns.bicep'

@description('Start of all names of the gateway\'s region.')
param base string

@description('API Management, by name.')
param gatewayName string

@description('The gateway\'s region.')
param location string

@description('Tags.')
param tags Tags

@description('The cell.')
param cellName string

@description('Its colours.')
param colours ColourRollout[]

@description('Its resource group.')
param cellGroupName string

@description('Its function apps, by name, in the order of the colours.')
param appNames string[]

@description('Whether the cell is in another region and private.')
param elsewhere bool

resource apps 'Microsoft.Web/sites@2025-03-01' existing = [
  for name in appNames: { name: name, scope: resourceGroup(cellGroupName) }
]

module endpoints 'modules/private-endpoint.bicep' = [
  for (colour, i) in (elsewhere ? colours : []): {
    name: 'endpoint-${cellName}-${colour.name}'
    params: {
      name: 'pep-${base}-${cellName}-${colour.name}'
      location: location
      tags: tags
      subnetId: resourceId('Microsoft.Network/virtualNetworks/subnets', 'vnet-${base}', 'endpoints')
      targetId: apps[i].id
      groupId: 'sites'
      zoneId: resourceId('Microsoft.Network/privateDnsZones', privateDnsZones.sites)
    }
  }
]

module backends 'modules/backends.bicep' = {
  name: 'backends-${cellName}'
  params: {
    serviceName: gatewayName
    cellName: cellName
    colours: colours
    hostNames: [for (name, i) in appNames: apps[i].properties.defaultHostName]
  }
}
