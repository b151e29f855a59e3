metadata description = 'Azure Managed Redis: rate limits, wake-ups, quotes. Losing it loses nothing that cannot be made again.'

import { Posture, Tags } from '../types.bicep'

@description('Its name, unique in the world.')
param name string

@description('Its region.')
param location string

@description('Tags.')
param tags Tags

@description('What applies to every resource.')
param posture Posture

@description('Its size.')
param sku string

@description('Identities that may read and write, by name.')
param identities string[]

@description('Where diagnostics go.')
param workspaceId string

resource cluster 'Microsoft.Cache/redisEnterprise@2025-07-01' = {
  name: name
  location: location
  tags: tags
  sku: { name: sku }
  properties: {
    minimumTlsVersion: '1.2'
    // With high availability the two copies of a shard live in different zones where the region has zones.
    highAvailability: posture.zoneRedundant ? 'Enabled' : 'Disabled'
    publicNetworkAccess: posture.private ? 'Disabled' : 'Enabled'
  }

  resource database 'databases' = {
    name: 'default'
    properties: {
      clientProtocol: 'Encrypted'
      port: 10000
      clusteringPolicy: 'OSSCluster'
      // Nothing is evicted silently: a full cache refuses writes, and an alert comes long before.
      evictionPolicy: 'NoEviction'
      accessKeysAuthentication: 'Disabled'
    }

    resource access 'accessPolicyAssignments' = [
      for (identity, i) in identities: {
        name: replace(identity, '-', '')
        properties: {
          accessPolicyName: 'default'
          user: { objectId: holders[i].properties.principalId }
        }
      }
    ]
  }
}

resource holders 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = [
  for identity in identities: { name: identity }
]

#disable-next-line use-recent-api-versions // this type has no later version with category groups

#disable-next-line use-recent-api-versions // this type has no later version with category groups
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: cluster
  name: 'to-workspace'
  properties: {
    workspaceId: workspaceId
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

#disable-next-line use-recent-api-versions // this type has no later version with category groups

#disable-next-line use-recent-api-versions // this type has no later version with category groups
resource databaseDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: cluster::database
  name: 'to-workspace'
  properties: {
    workspaceId: workspaceId
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
  }
}

@description('Its resource id.')
output id string = cluster.id

@description('Its host name; the port is 10000.')
output hostName string = cluster.properties.hostName
