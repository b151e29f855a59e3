metadata description = 'Lets a virtual network resolve names of the region\'s private DNS zones.'

import { Tags } from '../types.bicep'

@description('Names of the zones, which exist in this resource group.')
param zones string[]

@description('The virtual network.')
param networkId string

@description('Name of the links.')
param linkName string

@description('Tags.')
param tags Tags

resource privateZones 'Microsoft.Network/privateDnsZones@2024-06-01' existing = [for zone in zones: { name: zone }]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (zone, i) in zones: {
    parent: privateZones[i]
    name: linkName
    location: 'global'
    tags: tags
    properties: {
      virtualNetwork: { id: networkId }
      registrationEnabled: false
      resolutionPolicy: 'Default'
    }
  }
]
