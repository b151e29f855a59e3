// Two regions of India, a cell in each, private, over zones. More cells: docs/azure/add-a-cell.md.
using '../main.bicep'

param posture = {
  environment: 'prod'
  private: true
  zoneRedundant: true
  protected: true
  logDays: 180
}

param regions = [
  {
    name: 'inc'
    location: 'centralindia'
    displayName: 'Central India'
    addressPrefix: '10.30.0.0/16'
    natSku: 'StandardV2'
    cells: [
      {
        name: 'c1'
        firstSlot: 0
        lastSlot: 2047
        addressBlock: 1
        replicaRegion: 'ins'
        colours: [
          { name: 'blue', weight: 100, triggers: true }
          { name: 'green', weight: 0, triggers: false }
        ]
      }
    ]
  }
  {
    name: 'ins'
    location: 'indiasouthcentral'
    displayName: 'India South Central'
    addressPrefix: '10.40.0.0/16'
    // StandardV2 is not offered there yet.
    natSku: 'Standard'
    cells: [
      {
        name: 'c2'
        firstSlot: 2048
        lastSlot: 4095
        addressBlock: 1
        replicaRegion: 'inc'
        colours: [
          { name: 'blue', weight: 100, triggers: true }
          { name: 'green', weight: 0, triggers: false }
        ]
      }
    ]
  }
]

param cellSize = {
  postgres: { sku: 'Standard_E16ds_v5', tier: 'MemoryOptimized', storageGiB: 2048, backupDays: 35 }
  instanceMemoryMB: 2048
  maximumInstances: 40
  alwaysReady: 2
  httpConcurrency: 100
  postgresPool: 8
  schedulerUnits: 3
  serviceBusUnits: 4
  eventHubsUnits: 2
  redisSku: 'Balanced_B10'
  signalrTier: 'Premium'
  signalrUnits: 50
  monthlyBudget: 20000
}

param gatewaySize = { sku: 'PremiumV2', units: 2 }
param frontDoor = true
param cosmosThroughput = 10000
param sharedMonthlyBudget = 12000
param budgetStart = '2026-12-01'
param backupRetention = 'P5Y'

// To fill in: docs/azure/first-deployment.md says where each value comes from.
param databaseAdministrators = { objectId: '00000000-0000-0000-0000-000000000000', name: 'broker-prod-dba' }
param identity = {
  issuer: 'https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000/v2.0'
  audience: '00000000-0000-0000-0000-000000000000'
  jwksUrl: 'https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000/discovery/v2.0/keys'
  openIdConfigurationUrl: 'https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000/v2.0/.well-known/openid-configuration'
}
param onCallEmails = ['on-call@broker.example']
