metadata description = 'Event Hubs: the market feed, one partition key for each shard of instruments.'

import { Grant, Posture, Tags } from '../types.bicep'

@description('An event hub.')
@sealed()
type Hub = {
  @description('Its name.')
  name: string

  @description('How many consumers can read it side by side. Never lowered.')
  @minValue(1)
  @maxValue(100)
  partitions: int

  @description('Hours that events can be read again.')
  @minValue(1)
  @maxValue(2160)
  retentionHours: int

  @description('Consumer groups beside $Default.')
  consumerGroups: string[]

  @description('Who may use this hub, and how.')
  grants: Grant[]
}

@description('Its name, unique in the world.')
param name string

@description('Its region.')
param location string

@description('Tags.')
param tags Tags

@description('What applies to every resource.')
param posture Posture

@description('Processing units of the premium tier; 0: the standard tier with automatic inflation.')
param processingUnits int

@description('Its hubs.')
param hubs Hub[]

@description('Where diagnostics go.')
param workspaceId string

resource namespace 'Microsoft.EventHub/namespaces@2026-01-01' = {
  name: name
  location: location
  tags: tags
  sku: processingUnits > 0
    ? { name: 'Premium', tier: 'Premium', capacity: processingUnits }
    : { name: 'Standard', tier: 'Standard', capacity: 1 }
  properties: {
    disableLocalAuth: true
    minimumTlsVersion: '1.2'
    publicNetworkAccess: posture.private ? 'Disabled' : 'Enabled'
    zoneRedundant: posture.zoneRedundant
    isAutoInflateEnabled: processingUnits == 0
    maximumThroughputUnits: processingUnits == 0 ? 4 : 0
  }
}

resource namespaceHubs 'Microsoft.EventHub/namespaces/eventhubs@2026-01-01' = [
  for hub in hubs: {
    parent: namespace
    name: hub.name
    properties: {
      partitionCount: hub.partitions
      retentionDescription: { cleanupPolicy: 'Delete', retentionTimeInHours: hub.retentionHours }
    }
  }
]

module hubGrants 'event-hub-grants.bicep' = [
  for (hub, i) in hubs: {
    name: 'grants-${name}-${hub.name}'
    params: {
      namespaceName: namespace.name
      hubName: namespaceHubs[i].name
      consumerGroups: hub.consumerGroups
      grants: hub.grants
    }
  }
]

#disable-next-line use-recent-api-versions // this type has no later version with category groups

#disable-next-line use-recent-api-versions // this type has no later version with category groups
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: namespace
  name: 'to-workspace'
  properties: {
    workspaceId: workspaceId
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

@description('Its resource id.')
output id string = namespace.id

@description('Host name of the namespace.')
output hostName string = '${namespace.name}.servicebus.windows.net'
