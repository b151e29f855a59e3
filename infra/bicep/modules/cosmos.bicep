metadata description = 'Cosmos DB: read models, which can all be made again. Written in every region.'

import { Posture, Tags } from '../types.bicep'

@export()
@description('A container.')
@sealed()
type Container = {
  @description('Its name.')
  name: string

  @description('Path of the partition key.')
  partitionKey: string

  @description('Seconds that a document lives unless it says otherwise; -1: for ever, unless it says otherwise.')
  defaultTtl: int

  @description('Paths that queries look things up by, beside the id; none is the cheapest to write.')
  indexedPaths: string[]
}

@description('Its name, unique in the world.')
param name string

@description('Its regions, the first one first.')
@minLength(1)
param locations string[]

@description('Tags.')
param tags Tags

@description('What applies to every resource.')
param posture Posture

@description('The database.')
param databaseName string

@description('Its containers.')
param containers Container[]

@description('Most request units a second of the database; it scales down to a tenth.')
@minValue(1000)
param maximumThroughput int

@description('Where diagnostics go.')
param workspaceId string

resource account 'Microsoft.DocumentDB/databaseAccounts@2026-03-15' = {
  name: name
  location: locations[0]
  tags: tags
  kind: 'GlobalDocumentDB'
  properties: {
    databaseAccountOfferType: 'Standard'
    locations: [
      for (place, i) in locations: {
        locationName: place
        failoverPriority: i
        isZoneRedundant: posture.zoneRedundant
      }
    ]
    enableMultipleWriteLocations: length(locations) > 1
    enableAutomaticFailover: length(locations) > 1
    consistencyPolicy: { defaultConsistencyLevel: 'Session' }
    disableLocalAuth: true
    disableKeyBasedMetadataWriteAccess: true
    minimalTlsVersion: 'Tls12'
    publicNetworkAccess: posture.private ? 'Disabled' : 'Enabled'
    networkAclBypass: 'None'
    backupPolicy: {
      type: 'Continuous'
      continuousModeProperties: { tier: posture.protected ? 'Continuous30Days' : 'Continuous7Days' }
    }
  }

  resource database 'sqlDatabases' = {
    name: databaseName
    properties: {
      resource: { id: databaseName }
      options: { autoscaleSettings: { maxThroughput: maximumThroughput } }
    }

    resource databaseContainers 'containers' = [
      for container in containers: {
        name: container.name
        properties: {
          resource: {
            id: container.name
            partitionKey: { kind: 'Hash', paths: [container.partitionKey], version: 2 }
            defaultTtl: container.defaultTtl
            indexingPolicy: {
              includedPaths: map(container.indexedPaths, path => { path: path })
              excludedPaths: [{ path: '/*' }]
            }
          }
        }
      }
    ]
  }
}

resource lock 'Microsoft.Authorization/locks@2020-05-01' = if (posture.protected) {
  scope: account
  name: 'holds-read-models'
  properties: { level: 'CanNotDelete', notes: 'Remove the lock only for a teardown.' }
}

#disable-next-line use-recent-api-versions // this type has no later version with category groups
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: account
  name: 'to-workspace'
  properties: {
    workspaceId: workspaceId
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

@description('Its resource id.')
output id string = account.id

@description('Its name.')
output name string = account.name

@description('Its endpoint.')
output endpoint string = account.properties.documentEndpoint
