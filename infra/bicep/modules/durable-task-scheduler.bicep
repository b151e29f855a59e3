metadata description = 'The Durable Task Scheduler of a cell, with a task hub of its own for each colour: on one hub the two apps would take each other\'s activities.'

import { Colour, Grant, Posture, Tags } from '../types.bicep'

@description('A task hub.')
@sealed()
type TaskHub = {
  @description('The colour whose sagas it keeps; also its name.')
  colour: Colour

  @description('Who may use this hub, and how.')
  grants: Grant[]
}

@description('Its name.')
param name string

@description('Its region.')
param location string

@description('Tags.')
param tags Tags

@description('What applies to every resource.')
param posture Posture

@description('Units of the dedicated tier, 3 for high availability; 0: the consumption tier.')
param units int

@description('Address ranges that may connect where there are no private endpoints.')
param allowedAddresses string[]

@description('Its task hubs.')
param hubs TaskHub[]

@description('Where diagnostics go.')
param workspaceId string

resource scheduler 'Microsoft.DurableTask/schedulers@2026-02-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    sku: units > 0 ? { name: 'Dedicated', capacity: units } : { name: 'Consumption' }
    ipAllowlist: posture.private ? [] : allowedAddresses
    publicNetworkAccess: posture.private ? 'Disabled' : 'Enabled'
  }

  resource taskHubs 'taskHubs' = [for hub in hubs: { name: hub.colour }]

  // The app deletes what it has finished with after 14 days; this removes what a failure left behind.
  resource retention 'retentionPolicies' = {
    name: 'default'
    properties: { retentionPolicies: [{ retentionPeriodInDays: 30 }] }
  }
}

module hubGrants 'task-hub-grants.bicep' = [
  for (hub, i) in hubs: {
    name: 'grants-${name}-${hub.colour}'
    params: { schedulerName: scheduler.name, hubName: scheduler::taskHubs[i].name, grants: hub.grants }
  }
]

resource lock 'Microsoft.Authorization/locks@2020-05-01' = if (posture.protected) {
  scope: scheduler
  name: 'holds-sagas'
  properties: { level: 'CanNotDelete', notes: 'Sagas under way. Remove the lock only for a teardown.' }
}

#disable-next-line use-recent-api-versions // this type has no later version with category groups

#disable-next-line use-recent-api-versions // this type has no later version with category groups
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: scheduler
  name: 'to-workspace'
  properties: {
    workspaceId: workspaceId
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

@description('Its resource id.')
output id string = scheduler.id
