metadata description = 'A cell: everything that serves the users of a range of slots. Nothing here is shared with another cell but the region\'s network, DNS and workspace, and the read models in Cosmos DB.'

import { Cell, CellSize, Group, Identity, Posture, Previews, Tags } from 'types.bicep'
import { cellBase, unique } from 'names.bicep'

@description('Start of all names.')
param workload string

@description('The cell.')
param cell Cell

@description('Region.')
param location string

@description('Tags.')
param tags Tags

@description('What applies to every resource.')
param posture Posture

@description('How many units of each service it has.')
param size CellSize

@description('Previews that are switched on.')
param previews Previews

@description('Address range of the cell, a /20.')
param addressPrefix string

@description('Address range of the region\'s own network.')
param hubPrefix string

@description('Tier of the NAT gateway.')
param natSku 'Standard' | 'StandardV2'

@description('Resource group of the region, with its private DNS zones and its network.')
param regionGroupName string

@description('Name of the region\'s own network.')
param hubNetworkName string

@description('Where logs of the region go.')
param workspaceId string

@description('Who is called when an alert fires.')
param actionGroupId string

@description('Resource group of what all regions share.')
param globalGroupName string

@description('Cosmos DB, by name.')
param cosmosName string

@description('Endpoint of Cosmos DB.')
param cosmosEndpoint string

@description('The region of Cosmos DB to use first.')
param cosmosRegion string

@description('The database in Cosmos DB.')
param cosmosDatabaseName string

@description('The group that administers databases.')
param databaseAdministrators Group

@description('Who issues access tokens.')
param identity Identity

@description('The venue\'s own records, an https address; empty for none.')
param exchangeApiUrl string

@description('Origins of web pages that may connect to SignalR.')
param allowedOrigins string[]

@description('Where the read replica of the database goes, for recovery in another region.')
param replica Replica?

@description('First day of the month from which the budget counts.')
param budgetStart string

@description('How long a backup of the vault is kept, an ISO 8601 duration.')
param backupRetention string

@description('A place in another region.')
@sealed()
type Replica = {
  @description('Region.')
  location: string

  @description('Subnet of that region that gets the private address.')
  subnetId: string

  @description('Resource group of that region, with its private DNS zones.')
  regionGroupName: string

  @description('Where logs of that region go.')
  workspaceId: string
}

var base = cellBase(workload, posture.environment, cell.name)
var suffix = unique(subscription().id, base)
var databaseName = 'broker'

@description('Names of the services. Those that are unique in the world end in a part that is derived from the subscription.')
var names = {
  network: 'vnet-${base}'
  insights: 'appi-${base}'
  postgresql: 'psql-${base}-${suffix}'
  replica: 'psql-${base}-replica-${suffix}'
  serviceBus: 'sbns-${base}-${suffix}'
  eventHubs: 'evhns-${base}-${suffix}'
  redis: 'amr-${base}-${suffix}'
  signalr: 'sigr-${base}-${suffix}'
  keyVault: 'kv-${posture.environment}-${cell.name}-${suffix}'
  scheduler: 'dts-${base}-${suffix}'
}

@description('What is triggered by queues, hubs and timers: each function is a scale group of its own.')
var triggeredFunctions = loadJsonContent('functions.json')

@description('The app of each colour, its storage and its identity.')
var apps = map(cell.colours, colour => {
  colour: colour.name
  triggers: colour.triggers
  name: 'func-${base}-${colour.name}-${suffix}'
  identity: 'id-${base}-${colour.name}'
  storage: 'st${posture.environment}${cell.name}${colour.name}${suffix}'
  subnet: 'functions-${colour.name}'
})
var appIdentities = map(apps, app => app.identity)

var endpointSubnetId = resourceId('Microsoft.Network/virtualNetworks/subnets', names.network, 'endpoints')

@description('Who speaks for the exchange and its feed at the other end of the queues.')
var exchangeIdentity = 'id-${base}-exchange'

// Identities

module identities 'modules/identity.bicep' = [
  for name in concat(appIdentities, [exchangeIdentity]): {
    name: name
    params: { name: name, location: location, tags: tags }
  }
]

// Network

module network 'cell-network.bicep' = {
  name: 'cell-network'
  params: {
    base: base
    cellName: cell.name
    location: location
    tags: tags
    posture: posture
    networkName: names.network
    addressPrefix: addressPrefix
    hubPrefix: hubPrefix
    natSku: natSku
    regionGroupName: regionGroupName
    hubNetworkName: hubNetworkName
    workspaceId: workspaceId
  }
}

// Services

module insights 'modules/application-insights.bicep' = {
  name: 'application-insights'
  params: {
    name: names.insights
    location: location
    tags: tags
    grants: map(appIdentities, name => { identity: name, role: 'Monitoring Metrics Publisher' })
    workspaceId: workspaceId
  }
  dependsOn: [identities]
}

module postgresql 'modules/postgresql.bicep' = {
  name: 'postgresql'
  params: {
    name: names.postgresql
    location: location
    tags: tags
    posture: posture
    size: size.postgres
    premiumSsdV2: previews.postgresPremiumSsdV2
    administrators: databaseAdministrators
    databaseName: databaseName
    workspaceId: workspaceId
  }
}

module postgresqlReplica 'modules/postgresql-replica.bicep' = if (replica != null) {
  name: 'postgresql-replica'
  params: {
    name: names.replica
    location: replica!.location
    tags: tags
    posture: posture
    size: size.postgres
    premiumSsdV2: previews.postgresPremiumSsdV2
    administrators: databaseAdministrators
    sourceServerId: postgresql.outputs.id
    workspaceId: replica!.workspaceId
  }
}

module backups 'modules/backup-vault.bicep' = if (posture.protected) {
  name: 'backup-vault'
  params: {
    name: 'bvault-${base}'
    location: location
    tags: tags
    posture: posture
    serverName: names.postgresql
    retention: backupRetention
    workspaceId: workspaceId
  }
  dependsOn: [postgresql]
}

module serviceBus 'modules/service-bus.bicep' = {
  name: 'service-bus'
  params: {
    name: names.serviceBus
    location: location
    tags: tags
    posture: posture
    messagingUnits: size.serviceBusUnits
    queues: [
      {
        name: 'exchange-requests'
        requiresSession: true
        requiresDuplicateDetection: true
        duplicateWindow: 'PT10M'
        lockDuration: 'PT1M'
        maxDeliveryCount: 10
        timeToLive: 'P7D'
        // Owner of the queue, not of the namespace: the operations API counts messages and dead letters, and these
        // figures are given to owners only. The same holds for Functions, which scales by the length of the queue.
        grants: concat(
          map(appIdentities, name => { identity: name, role: 'Azure Service Bus Data Owner' }),
          [{ identity: exchangeIdentity, role: 'Azure Service Bus Data Receiver' }]
        )
      }
      {
        name: 'execution-reports'
        requiresSession: false
        requiresDuplicateDetection: false
        duplicateWindow: 'PT10M'
        lockDuration: 'PT15S'
        maxDeliveryCount: 10
        timeToLive: 'P7D'
        grants: concat(
          map(appIdentities, name => { identity: name, role: 'Azure Service Bus Data Owner' }),
          [{ identity: exchangeIdentity, role: 'Azure Service Bus Data Sender' }]
        )
      }
    ]
    workspaceId: workspaceId
  }
  dependsOn: [identities]
}

module eventHubs 'modules/event-hubs.bicep' = {
  name: 'event-hubs'
  params: {
    name: names.eventHubs
    location: location
    tags: tags
    posture: posture
    processingUnits: size.eventHubsUnits
    hubs: [
      {
        name: 'market-ticks'
        partitions: size.eventHubsUnits > 0 ? 32 : 4
        retentionHours: 24
        consumerGroups: ['ingest']
        grants: concat(
          map(appIdentities, name => { identity: name, role: 'Azure Event Hubs Data Receiver' }),
          [{ identity: exchangeIdentity, role: 'Azure Event Hubs Data Sender' }]
        )
      }
    ]
    workspaceId: workspaceId
  }
  dependsOn: [identities]
}

module redis 'modules/redis.bicep' = {
  name: 'redis'
  params: {
    name: names.redis
    location: location
    tags: tags
    posture: posture
    sku: size.redisSku
    identities: appIdentities
    workspaceId: workspaceId
  }
  dependsOn: [identities]
}

module signalr 'modules/signalr.bicep' = {
  name: 'signalr'
  params: {
    name: names.signalr
    location: location
    tags: tags
    posture: posture
    tier: size.signalrTier
    units: size.signalrUnits
    allowedOrigins: allowedOrigins
    grants: map(appIdentities, name => { identity: name, role: 'SignalR REST API Owner' })
    workspaceId: workspaceId
  }
  dependsOn: [identities]
}

module keyVault 'modules/key-vault.bicep' = {
  name: 'key-vault'
  params: {
    name: names.keyVault
    location: location
    tags: tags
    posture: posture
    grants: map(appIdentities, name => { identity: name, role: 'Key Vault Secrets User' })
    workspaceId: workspaceId
  }
  dependsOn: [identities]
}

module scheduler 'modules/durable-task-scheduler.bicep' = {
  name: 'durable-task-scheduler'
  params: {
    name: names.scheduler
    location: location
    tags: tags
    posture: posture
    units: size.schedulerUnits
    allowedAddresses: ['0.0.0.0/0']
    hubs: map(apps, app => {
      colour: app.colour
      grants: [{ identity: app.identity, role: 'Durable Task Data Contributor' }]
    })
    workspaceId: workspaceId
  }
  dependsOn: [identities]
}

module cosmosGrants 'modules/cosmos-grants.bicep' = {
  name: 'cosmos-grants-${cell.name}'
  scope: resourceGroup(globalGroupName)
  params: {
    accountName: cosmosName
    databaseName: cosmosDatabaseName
    identityIds: map(appIdentities, name => resourceId('Microsoft.ManagedIdentity/userAssignedIdentities', name))
  }
  dependsOn: [identities]
}

// Apps

module storageAccounts 'modules/storage-account.bicep' = [
  for app in apps: {
    name: 'storage-${app.colour}'
    params: {
      name: app.storage
      location: location
      tags: tags
      posture: posture
      containers: ['packages']
      // What the Functions host needs for leases, timers, checkpoints and diagnostics of its start.
      grants: [
        { identity: app.identity, role: 'Storage Blob Data Owner' }
        { identity: app.identity, role: 'Storage Queue Data Contributor' }
        { identity: app.identity, role: 'Storage Table Data Contributor' }
      ]
      workspaceId: workspaceId
    }
    dependsOn: [identities]
  }
]

module functionApps 'modules/function-app.bicep' = [
  for app in apps: {
    name: 'function-app-${app.colour}'
    params: {
      name: app.name
      location: location
      tags: tags
      posture: posture
      colour: app.colour
      size: size
      identityName: app.identity
      subnetId: resourceId('Microsoft.Network/virtualNetworks/subnets', names.network, app.subnet)
      storageAccountName: app.storage
      packageContainer: 'packages'
      applicationInsightsName: names.insights
      schedulerName: names.scheduler
      triggeredFunctions: triggeredFunctions
      triggers: app.triggers
      appSettings: union(
        {
          POSTGRES_URL: 'postgresql://${app.identity}@${postgresql.outputs.hostName}:5432/${databaseName}?sslmode=verify-full&sslrootcert=system'
          POSTGRES_POOL: string(size.postgresPool)
          REDIS_CLUSTER: 'true'
          REDIS_URL: 'rediss://${redis.outputs.hostName}:10000'
          SIGNALR_CONNECTION__serviceUri: 'https://${signalr.outputs.hostName}'
          COSMOS_CONNECTION__accountEndpoint: cosmosEndpoint
          COSMOS_DATABASE: cosmosDatabaseName
          COSMOS_REGION: cosmosRegion
          MARKET_STREAM_WAITING: string(size.httpConcurrency / 2)
          // Whoever operates the cell makes the secret: docs/azure/first-deployment.md
          WEBHOOK_KEYS: '@Microsoft.KeyVault(VaultName=${names.keyVault};SecretName=webhook-keys)'
          ENTRA_ISSUER: identity.issuer
          ENTRA_AUDIENCE: identity.audience
          ENTRA_JWKS_URL: identity.jwksUrl
        },
        empty(exchangeApiUrl) ? {} : { EXCHANGE_API_URL: exchangeApiUrl }
      )
      serviceBusHostName: serviceBus.outputs.hostName
      eventHubsHostName: eventHubs.outputs.hostName
      rollingUpdates: previews.rollingUpdates
      workspaceId: workspaceId
    }
    dependsOn: [identities, network, storageAccounts, insights, scheduler, keyVault, endpoints]
  }
]

// Private endpoints

module endpoints 'cell-endpoints.bicep' = if (posture.private) {
  name: 'endpoints'
  params: {
    base: base
    location: location
    tags: tags
    subnetId: endpointSubnetId
    regionGroupName: regionGroupName
    targets: concat(
      [
        { name: 'postgresql', groupId: 'postgresqlServer', id: postgresql.outputs.id }
        { name: 'service-bus', groupId: 'namespace', id: serviceBus.outputs.id }
        { name: 'event-hubs', groupId: 'namespace', id: eventHubs.outputs.id }
        { name: 'redis', groupId: 'redisEnterprise', id: redis.outputs.id }
        { name: 'signalr', groupId: 'signalr', id: signalr.outputs.id }
        { name: 'key-vault', groupId: 'vault', id: keyVault.outputs.id }
        { name: 'scheduler', groupId: 'scheduler', id: scheduler.outputs.id }
      ],
      flatten(map(
        apps,
        app =>
          map(['blob', 'queue', 'table'], part => {
            name: 'storage-${app.colour}-${part}'
            groupId: part
            id: resourceId('Microsoft.Storage/storageAccounts', app.storage)
          })
      ))
    )
  }
  dependsOn: [network, storageAccounts]
}

module appEndpoints 'cell-endpoints.bicep' = if (posture.private) {
  name: 'app-endpoints'
  params: {
    base: base
    location: location
    tags: tags
    subnetId: endpointSubnetId
    regionGroupName: regionGroupName
    targets: map(apps, app => {
      name: 'app-${app.colour}'
      groupId: 'sites'
      id: resourceId('Microsoft.Web/sites', app.name)
    })
  }
  dependsOn: [network, functionApps]
}

module replicaEndpoint 'cell-endpoints.bicep' = if (posture.private && replica != null) {
  name: 'replica-endpoint'
  params: {
    base: base
    location: replica!.location
    tags: tags
    subnetId: replica!.subnetId
    regionGroupName: replica!.regionGroupName
    targets: [{ name: 'postgresql-replica', groupId: 'postgresqlServer', id: postgresqlReplica!.outputs.id }]
  }
}

// What calls somebody

module alerts 'cell-alerts.bicep' = {
  name: 'alerts'
  params: {
    base: base
    location: location
    tags: tags
    actionGroupId: actionGroupId
    postgresqlId: postgresql.outputs.id
    replicaId: replica == null ? '' : postgresqlReplica!.outputs.id
    hasReplica: replica != null
    serviceBusId: serviceBus.outputs.id
    eventHubsId: eventHubs.outputs.id
    redisId: redis.outputs.id
    signalrId: signalr.outputs.id
    insightsId: insights.outputs.id
  }
}

module budget 'modules/budget.bicep' = {
  name: 'budget'
  params: {
    name: 'budget-${base}'
    amount: size.monthlyBudget
    startDate: budgetStart
    actionGroupId: actionGroupId
  }
}
