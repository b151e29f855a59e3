metadata description = 'Service Bus: the two queues between broker and exchange.'

import { Grant, Posture, Tags } from '../types.bicep'

@description('A queue. Its properties are those of sandbox/servicebus.json.')
@sealed()
type Queue = {
  @description('Its name.')
  name: string

  @description('Whether messages of one session keep their order.')
  requiresSession: bool

  @description('Whether a message id that was seen within `duplicateWindow` is dropped.')
  requiresDuplicateDetection: bool

  @description('How long message ids are remembered, an ISO 8601 duration.')
  duplicateWindow: string

  @description('How long a receiver owns a message, an ISO 8601 duration.')
  lockDuration: string

  @description('Deliveries after which a message goes to the dead letters.')
  maxDeliveryCount: int

  @description('How long an unread message is kept, an ISO 8601 duration.')
  timeToLive: string

  @description('Who may use this queue, and how.')
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

@description('Messaging units of the premium tier, which has private endpoints and zones; 0: the standard tier.')
param messagingUnits int

@description('Its queues.')
param queues Queue[]

@description('Where diagnostics go.')
param workspaceId string

resource namespace 'Microsoft.ServiceBus/namespaces@2026-01-01' = {
  name: name
  location: location
  tags: tags
  sku: messagingUnits > 0
    ? { name: 'Premium', tier: 'Premium', capacity: messagingUnits }
    : { name: 'Standard', tier: 'Standard' }
  properties: {
    disableLocalAuth: true
    minimumTlsVersion: '1.2'
    publicNetworkAccess: posture.private ? 'Disabled' : 'Enabled'
    zoneRedundant: posture.zoneRedundant
    // A message is made again from the outbox and the venue's records; a copy in another region would be a second truth.
    premiumMessagingPartitions: messagingUnits > 0 ? 1 : null
  }
}

resource namespaceQueues 'Microsoft.ServiceBus/namespaces/queues@2026-01-01' = [
  for queue in queues: {
    parent: namespace
    name: queue.name
    properties: {
      requiresSession: queue.requiresSession
      requiresDuplicateDetection: queue.requiresDuplicateDetection
      duplicateDetectionHistoryTimeWindow: queue.requiresDuplicateDetection ? queue.duplicateWindow : null
      lockDuration: queue.lockDuration
      maxDeliveryCount: queue.maxDeliveryCount
      defaultMessageTimeToLive: queue.timeToLive
      deadLetteringOnMessageExpiration: true
      enableBatchedOperations: true
      maxSizeInMegabytes: 5120
    }
  }
]

module queueGrants 'service-bus-queue-grants.bicep' = [
  for (queue, i) in queues: {
    name: 'grants-${name}-${queue.name}'
    params: { namespaceName: namespace.name, queueName: namespaceQueues[i].name, grants: queue.grants }
  }
]

resource lock 'Microsoft.Authorization/locks@2020-05-01' = if (posture.protected) {
  scope: namespace
  name: 'holds-messages'
  properties: {
    level: 'CanNotDelete'
    notes: 'Requests and reports on their way. Remove the lock only for a teardown.'
  }
}

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
