metadata description = 'A read replica in another region, to be promoted by hand when the region of its source is lost. A replica takes neither a standby nor geo-redundant backups; both are set up after a promotion.'

import { Group, PostgresSize, Posture, Tags } from '../types.bicep'

@description('Its name, unique in the world.')
param name string

@description('Its region.')
param location string

@description('Tags.')
param tags Tags

@description('What applies to every resource.')
param posture Posture

@description('What the source is made of: a replica needs as much.')
param size PostgresSize

@description('Premium SSD v2, as the source.')
param premiumSsdV2 bool

@description('The group that administers the server: administrators are not copied from the source.')
param administrators Group

@description('The server whose changes it follows.')
param sourceServerId string

@description('Where diagnostics go.')
param workspaceId string

resource replica 'Microsoft.DBforPostgreSQL/flexibleServers@2025-08-01' = {
  name: name
  location: location
  tags: tags
  sku: { name: size.sku, tier: size.tier }
  properties: {
    createMode: 'Replica'
    sourceServerResourceId: sourceServerId
    availabilityZone: '1'
    authConfig: {
      activeDirectoryAuth: 'Enabled'
      passwordAuth: 'Disabled'
      tenantId: tenant().tenantId
    }
    storage: {
      storageSizeGB: size.storageGiB
      type: premiumSsdV2 ? 'PremiumV2_LRS' : 'Premium_LRS'
      autoGrow: premiumSsdV2 ? 'Disabled' : 'Enabled'
    }
    backup: { backupRetentionDays: size.backupDays, geoRedundantBackup: 'Disabled' }
    highAvailability: { mode: 'Disabled' }
    maintenanceWindow: { customWindow: 'Enabled', dayOfWeek: 0, startHour: 21, startMinute: 0 }
    network: { publicNetworkAccess: posture.private ? 'Disabled' : 'Enabled' }
  }

  resource administrator 'administrators' = {
    name: administrators.objectId
    properties: {
      principalName: administrators.name
      principalType: 'Group'
      tenantId: tenant().tenantId
    }
  }
}

resource lock 'Microsoft.Authorization/locks@2020-05-01' = if (posture.protected) {
  scope: replica
  name: 'holds-the-books'
  properties: { level: 'CanNotDelete', notes: 'The copy of orders and ledger. Remove the lock only for a teardown.' }
}

#disable-next-line use-recent-api-versions // this type has no later version with category groups

#disable-next-line use-recent-api-versions // this type has no later version with category groups
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: replica
  name: 'to-workspace'
  properties: {
    workspaceId: workspaceId
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

@description('Its resource id.')
output id string = replica.id
