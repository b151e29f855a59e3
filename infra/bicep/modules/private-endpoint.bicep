metadata description = 'A private endpoint with its DNS record.'

import { Tags } from '../types.bicep'

@description('Its name.')
param name string

@description('The region of its network.')
param location string

@description('Tags.')
param tags Tags

@description('The subnet that gets its address.')
param subnetId string

@description('The resource that is reached over it.')
param targetId string

@description('Which part of the resource, by Azure\'s name for it, for example blob.')
param groupId string

@description('The private DNS zone that gets its record.')
param zoneId string

resource endpoint 'Microsoft.Network/privateEndpoints@2026-03-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    subnet: { id: subnetId }
    customNetworkInterfaceName: 'nic-${name}'
    privateLinkServiceConnections: [
      {
        name: groupId
        properties: {
          privateLinkServiceId: targetId
          groupIds: [groupId]
        }
      }
    ]
  }

  resource zones 'privateDnsZoneGroups' = {
    name: 'default'
    properties: {
      privateDnsZoneConfigs: [{ name: groupId, properties: { privateDnsZoneId: zoneId } }]
    }
  }
}
