metadata description = 'Weekly backups of the database, kept beyond point-in-time restore in a vault of their own, which nobody can empty before their time.'

import { Posture, Tags, roles } from '../types.bicep'

@description('Its name.')
param name string

@description('Its region.')
param location string

@description('Tags.')
param tags Tags

@description('What applies to every resource.')
param posture Posture

@description('The database server, by name.')
param serverName string

@description('How long a backup is kept, an ISO 8601 duration.')
param retention string

@description('Where diagnostics go.')
param workspaceId string

resource server 'Microsoft.DBforPostgreSQL/flexibleServers@2025-08-01' existing = { name: serverName }

resource vault 'Microsoft.DataProtection/backupVaults@2025-09-01' = {
  name: name
  location: location
  tags: tags
  identity: { type: 'SystemAssigned' }
  properties: {
    storageSettings: [
      { datastoreType: 'VaultStore', type: posture.zoneRedundant ? 'ZoneRedundant' : 'LocallyRedundant' }
    ]
    securitySettings: {
      softDeleteSettings: { state: 'AlwaysOn', retentionDurationInDays: 14 }
      // Locked cannot be undone, by anybody.
      immutabilitySettings: { state: posture.protected ? 'Locked' : 'Unlocked' }
    }
    monitoringSettings: { azureMonitorAlertSettings: { alertsForAllJobFailures: 'Enabled' } }
  }

  resource policy 'backupPolicies' = {
    name: 'weekly'
    properties: {
      objectType: 'BackupPolicy'
      datasourceTypes: ['Microsoft.DBforPostgreSQL/flexibleServers']
      policyRules: [
        {
          objectType: 'AzureBackupRule'
          name: 'weekly'
          backupParameters: { objectType: 'AzureBackupParams', backupType: 'Full' }
          dataStore: { objectType: 'DataStoreInfoBase', dataStoreType: 'VaultStore' }
          trigger: {
            objectType: 'ScheduleBasedTriggerContext'
            // Saturday 21:00 UTC is Sunday 02:30 in India.
            schedule: { repeatingTimeIntervals: ['R/2026-01-03T21:00:00+00:00/P1W'], timeZone: 'UTC' }
            taggingCriteria: [{ isDefault: true, taggingPriority: 99, tagInfo: { tagName: 'Default' } }]
          }
        }
        {
          objectType: 'AzureRetentionRule'
          name: 'Default'
          isDefault: true
          lifecycles: [
            {
              deleteAfter: { objectType: 'AbsoluteDeleteOption', duration: retention }
              sourceDataStore: { objectType: 'DataStoreInfoBase', dataStoreType: 'VaultStore' }
            }
          ]
        }
      ]
    }
  }

  resource instance 'backupInstances' = {
    name: serverName
    properties: {
      objectType: 'BackupInstance'
      friendlyName: serverName
      dataSourceInfo: {
        objectType: 'Datasource'
        datasourceType: 'Microsoft.DBforPostgreSQL/flexibleServers'
        resourceID: server.id
        resourceName: server.name
        resourceType: 'Microsoft.DBforPostgreSQL/flexibleServers'
        resourceLocation: location
        resourceUri: server.id
      }
      policyInfo: { policyId: policy.id }
    }
    dependsOn: [mayBackUp, mayRead]
  }
}

resource mayBackUp 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: server
  name: guid(server.id, vault.id, 'PostgreSQL Flexible Server Long Term Retention Backup Role')
  properties: {
    principalId: vault.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      roles['PostgreSQL Flexible Server Long Term Retention Backup Role']
    )
  }
}

resource mayRead 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(resourceGroup().id, vault.id, 'Reader')
  properties: {
    principalId: vault.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.Reader)
  }
}

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
