// As production, in one region and small: private, so that what only breaks there breaks here first; two colours.
using '../main.bicep'

param posture = {
  environment: 'test'
  private: true
  zoneRedundant: false
  protected: false
  logDays: 30
}

param regions = [
  {
    name: 'inc'
    location: 'centralindia'
    displayName: 'Central India'
    addressPrefix: '10.20.0.0/16'
    natSku: 'Standard'
    cells: [
      {
        name: 'c1'
        firstSlot: 0
        lastSlot: 4095
        addressBlock: 1
        colours: [
          { name: 'blue', weight: 100, triggers: true }
          { name: 'green', weight: 0, triggers: false }
        ]
      }
    ]
  }
]

param cellSize = {
  postgres: { sku: 'Standard_D4ds_v5', tier: 'GeneralPurpose', storageGiB: 128, backupDays: 7 }
  instanceMemoryMB: 2048
  maximumInstances: 40
  alwaysReady: 1
  httpConcurrency: 100
  postgresPool: 4
  schedulerUnits: 1
  serviceBusUnits: 1
  eventHubsUnits: 1
  redisSku: 'Balanced_B3'
  signalrTier: 'Standard'
  signalrUnits: 1
  monthlyBudget: 4000
}

param gatewaySize = { sku: 'StandardV2', units: 1 }
param frontDoor = true
param cosmosThroughput = 1000
param dailyLogQuotaGb = 5
param sharedMonthlyBudget = 1500
param budgetStart = '2026-12-01'

// To fill in: docs/azure/first-deployment.md says where each value comes from.
param databaseAdministrators = { objectId: '00000000-0000-0000-0000-000000000000', name: 'broker-test-dba' }
param identity = {
  issuer: 'https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000/v2.0'
  audience: '00000000-0000-0000-0000-000000000000'
  jwksUrl: 'https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000/discovery/v2.0/keys'
  openIdConfigurationUrl: 'https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000/v2.0/.well-known/openid-configuration'
}
param onCallEmails = ['on-call@broker.example']
