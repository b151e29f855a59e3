metadata description = 'Consumer groups of one event hub, and roles on it.'

import { Grant, roles } from '../types.bicep'

@description('The namespace.')
param namespaceName string

@description('The hub.')
param hubName string

@description('Consumer groups beside $Default.')
param consumerGroups string[]

@description('Who may use it, and how.')
param grants Grant[]

resource namespace 'Microsoft.EventHub/namespaces@2026-01-01' existing = {
  name: namespaceName

  resource hub 'eventhubs' existing = {
    name: hubName

    resource groups 'consumergroups' = [for group in consumerGroups: { name: group }]
  }
}

resource holders 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = [
  for grant in grants: { name: grant.identity }
]

resource assignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (grant, i) in grants: {
    scope: namespace::hub
    name: guid(namespace::hub.id, holders[i].id, grant.role)
    properties: {
      principalId: holders[i].properties.principalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles[grant.role])
    }
  }
]
