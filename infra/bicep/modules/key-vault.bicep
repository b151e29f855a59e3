metadata description = 'A key vault for what others insist on: secrets of outside parties. The services of Azure need none.'

import { Grant, Posture, roles, Tags } from '../types.bicep'

@description('Its name, unique in the world.')
@minLength(3)
@maxLength(24)
param name string

@description('Its region.')
param location string

@description('Tags.')
param tags Tags

@description('What applies to every resource.')
param posture Posture

@description('Who may use it, and how.')
param grants Grant[]

@description('Where diagnostics go.')
param workspaceId string

resource vault 'Microsoft.KeyVault/vaults@2026-05-15' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
    enablePurgeProtection: true
    enabledForDeployment: false
    enabledForDiskEncryption: false
    enabledForTemplateDeployment: false
    publicNetworkAccess: posture.private ? 'Disabled' : 'Enabled'
    networkAcls: { defaultAction: posture.private ? 'Deny' : 'Allow', bypass: 'None' }
  }
}

resource holders 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = [
  for grant in grants: { name: grant.identity }
]

resource assignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (grant, i) in grants: {
    scope: vault
    name: guid(vault.id, holders[i].id, grant.role)
    properties: {
      principalId: holders[i].properties.principalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles[grant.role])
    }
  }
]

resource lock 'Microsoft.Authorization/locks@2020-05-01' = if (posture.protected) {
  scope: vault
  name: 'holds-secrets'
  properties: { level: 'CanNotDelete', notes: 'Remove the lock only for a teardown.' }
}

#disable-next-line use-recent-api-versions // this type has no later version with category groups

#disable-next-line use-recent-api-versions // this type has no later version with category groups
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: vault
  name: 'to-workspace'
  properties: {
    workspaceId: workspaceId
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

@description('Its resource id.')
output id string = vault.id
