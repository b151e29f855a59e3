metadata description = 'Roles on one task hub.'

import { Grant, roles } from '../types.bicep'

@description('The scheduler.')
param schedulerName string

@description('The task hub.')
param hubName string

@description('Who may use it, and how.')
param grants Grant[]

resource scheduler 'Microsoft.DurableTask/schedulers@2026-02-01' existing = {
  name: schedulerName

  resource hub 'taskHubs' existing = { name: hubName }
}

resource holders 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = [
  for grant in grants: { name: grant.identity }
]

resource assignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (grant, i) in grants: {
    scope: scheduler::hub
    name: guid(scheduler::hub.id, holders[i].id, grant.role)
    properties: {
      principalId: holders[i].properties.principalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles[grant.role])
    }
  }
]
