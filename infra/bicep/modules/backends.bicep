metadata description = 'Where API Management sends the requests of a cell: a pool of its colours, by their weights.'

import { ColourRollout } from '../types.bicep'

@description('API Management, by name.')
param serviceName string

@description('The cell.')
param cellName string

@description('Its colours.')
param colours ColourRollout[]

@description('Host names of the function apps, in the order of the colours.')
param hostNames string[]

resource service 'Microsoft.ApiManagement/service@2024-05-01' existing = { name: serviceName }

resource members 'Microsoft.ApiManagement/service/backends@2024-05-01' = [
  for (colour, i) in colours: {
    parent: service
    name: 'cell-${cellName}-${colour.name}'
    properties: {
      description: 'Function app ${colour.name} of cell ${cellName}'
      url: 'https://${hostNames[i]}/api'
      protocol: 'http'
      tls: { validateCertificateChain: true, validateCertificateName: true }
    }
  }
]

// A member of weight 0 would still get requests when the others fail: it is left out.
var serving = filter(range(0, length(colours)), i => colours[i].weight > 0)

resource pool 'Microsoft.ApiManagement/service/backends@2024-05-01' = {
  parent: service
  name: 'cell-${cellName}'
  properties: {
    description: 'Cell ${cellName}'
    type: 'Pool'
    pool: {
      services: [
        for i in serving: {
          id: resourceId('Microsoft.ApiManagement/service/backends', serviceName, 'cell-${cellName}-${colours[i].name}')
          priority: 1
          weight: colours[i].weight
        }
      ]
    }
  }
  dependsOn: [members]
}
