metadata description = 'The database of a cell: Azure Database for PostgreSQL, with a standby in another zone where the cell is zone redundant. Identities sign in, passwords do not exist.'

import { Group, PostgresSize, Posture, Tags } from '../types.bicep'

@description('Its name, unique in the world.')
param name string

@description('Its region.')
param location string

@description('Tags.')
param tags Tags

@description('What applies to every resource.')
param posture Posture

@description('What the server is made of.')
param size PostgresSize

@description('Premium SSD v2 instead of Premium SSD: a preview.')
param premiumSsdV2 bool

@description('The group that administers the server.')
param administrators Group

@description('The database of the broker.')
param databaseName string

@description('Where diagnostics go.')
param workspaceId string

@description('Server parameters that differ from Azure\'s defaults.')
var parameters = [
  { name: 'require_secure_transport', value: 'on' }
  { name: 'ssl_min_protocol_version', value: 'TLSv1.2' }
  // The app measures its own waits; the server logs what it waits for when that is longer than a second.
  { name: 'log_lock_waits', value: 'on' }
  { name: 'log_min_duration_statement', value: '1000' }
  { name: 'log_connections', value: 'on' }
  { name: 'log_disconnections', value: 'on' }
  // The outermost bound: the app asks for shorter ones itself.
  { name: 'idle_in_transaction_session_timeout', value: '60000' }
]

resource server 'Microsoft.DBforPostgreSQL/flexibleServers@2025-08-01' = {
  name: name
  location: location
  tags: tags
  sku: { name: size.sku, tier: size.tier }
  properties: {
    createMode: 'Default'
    version: '18'
    availabilityZone: '1'
    authConfig: {
      activeDirectoryAuth: 'Enabled'
      passwordAuth: 'Disabled'
      tenantId: tenant().tenantId
    }
    storage: premiumSsdV2
      ? { storageSizeGB: size.storageGiB, type: 'PremiumV2_LRS', autoGrow: 'Disabled', iops: 20000, throughput: 1200 }
      : { storageSizeGB: size.storageGiB, type: 'Premium_LRS', autoGrow: 'Enabled' }
    backup: {
      backupRetentionDays: size.backupDays
      geoRedundantBackup: posture.protected ? 'Enabled' : 'Disabled'
    }
    highAvailability: posture.zoneRedundant
      ? { mode: 'ZoneRedundant', standbyAvailabilityZone: '2' }
      : { mode: 'Disabled' }
    // Sunday 20:00 UTC is Monday 01:30 in India: no session is near.
    maintenanceWindow: { customWindow: 'Enabled', dayOfWeek: 0, startHour: 20, startMinute: 0 }
    network: { publicNetworkAccess: posture.private ? 'Disabled' : 'Enabled' }
  }

  resource database 'databases' = {
    name: databaseName
    properties: { charset: 'UTF8', collation: 'en_US.utf8' }
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

// One at a time: the server refuses a change while another one is under way.
@batchSize(1)
resource configurations 'Microsoft.DBforPostgreSQL/flexibleServers/configurations@2025-08-01' = [
  for parameter in parameters: {
    parent: server
    name: parameter.name
    properties: { value: parameter.value, source: 'user-override' }
    dependsOn: [server::database, server::administrator]
  }
]

// Without private endpoints: services of Azure only, and only with a token. Address 0.0.0.0 stands for them.
resource azureServices 'Microsoft.DBforPostgreSQL/flexibleServers/firewallRules@2025-08-01' = if (!posture.private) {
  parent: server
  name: 'azure-services'
  properties: { startIpAddress: '0.0.0.0', endIpAddress: '0.0.0.0' }
  dependsOn: [configurations]
}

resource lock 'Microsoft.Authorization/locks@2020-05-01' = if (posture.protected) {
  scope: server
  name: 'holds-the-books'
  properties: { level: 'CanNotDelete', notes: 'Orders and ledger. Remove the lock only for a teardown.' }
}

#disable-next-line use-recent-api-versions // this type has no later version with category groups

#disable-next-line use-recent-api-versions // this type has no later version with category groups
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: server
  name: 'to-workspace'
  properties: {
    workspaceId: workspaceId
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

@description('Its resource id.')
output id string = server.id

@description('Its host name.')
output hostName string = server.properties.fullyQualifiedDomainName
