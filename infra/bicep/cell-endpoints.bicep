metadata description = 'Private endpoints of a cell.'

import { Tags } from 'types.bicep'
import { privateDnsZones } from 'dns.bicep'

@description('What is reached over a private endpoint.')
@sealed()
type Target = {
  @description('Its name within the cell.')
  name: string

  @description('Which part of it, by Azure\'s name.')
  groupId: string

  @description('Its resource id.')
  id: string
}

@description('Start of all names.')
param base string

@description('The region of the subnet.')
param location string

@description('Tags.')
param tags Tags

@description('The subnet that gets the addresses.')
param subnetId string

@description('Resource group of the region, with its private DNS zones.')
param regionGroupName string

@description('What is reached.')
param targets Target[]

module endpoints 'modules/private-endpoint.bicep' = [
  for target in targets: {
    name: 'endpoint-${target.name}'
    params: {
      name: 'pep-${base}-${target.name}'
      location: location
      tags: tags
      subnetId: subnetId
      targetId: target.id
      groupId: target.groupId
      zoneId: resourceId(regionGroupName, 'Microsoft.Network/privateDnsZones', privateDnsZones[target.groupId])
    }
  }
]
