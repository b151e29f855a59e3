metadata description = 'The private DNS zones of a region. Each region has its own, so that a service that both regions reach, such as Cosmos DB, has an address in each.'

import { Tags } from '../types.bicep'

@description('Names of the zones.')
param zones string[]

@description('Tags.')
param tags Tags

resource privateZones 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for zone in zones: {
    name: zone
    location: 'global'
    tags: tags
  }
]
