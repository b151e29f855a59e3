metadata description = 'The way out of a virtual network, with a fixed address that the exchange can put on its list.'

import { Tags } from '../types.bicep'

@description('Its name.')
param name string

@description('Its region.')
param location string

@description('Tags.')
param tags Tags

@description('Tier. StandardV2 is zone redundant; Standard lives in one zone.')
param sku 'Standard' | 'StandardV2'

@description('Where diagnostics go.')
param workspaceId string

resource address 'Microsoft.Network/publicIPAddresses@2026-03-01' = {
  name: 'pip-${name}'
  location: location
  tags: tags
  sku: { name: sku }
  zones: ['1', '2', '3']
  properties: {
    publicIPAllocationMethod: 'Static'
    publicIPAddressVersion: 'IPv4'
  }
}

#disable-next-line use-recent-api-versions // this type has no later version with category groups

#disable-next-line use-recent-api-versions // this type has no later version with category groups
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: address
  name: 'to-workspace'
  properties: {
    workspaceId: workspaceId
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

resource gateway 'Microsoft.Network/natGateways@2026-03-01' = {
  name: name
  location: location
  tags: tags
  sku: { name: sku }
  zones: sku == 'StandardV2' ? ['1', '2', '3'] : ['1']
  properties: {
    publicIpAddresses: [{ id: address.id }]
    idleTimeoutInMinutes: 4
  }
}

@description('Its resource id.')
output id string = gateway.id
