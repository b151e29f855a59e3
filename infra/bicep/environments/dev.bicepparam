// The cheapest that shows everything: one region, one cell, one colour, public addresses, tokens everywhere.
using '../main.bicep'

param posture = {
  environment: 'dev'
  private: false
  zoneRedundant: false
  protected: false
  logDays: 30
}

param regions = [
  {
    name: 'inc'
    location: 'centralindia'
    displayName: 'Central India'
    addressPrefix: '10.10.0.0/16'
    natSku: 'Standard'
    cells: [
      {
        name: 'c1'
        firstSlot: 0
        lastSlot: 4095
        addressBlock: 1
        colours: [{ name: 'blue', weight: 100, triggers: true }]
      }
    ]
  }
]

param cellSize = {
  postgres: { sku: 'Standard_B2s', tier: 'Burstable', storageGiB: 32, backupDays: 7 }
  instanceMemoryMB: 2048
  maximumInstances: 40
  alwaysReady: 0
  httpConcurrency: 50
  postgresPool: 2
  schedulerUnits: 0
  serviceBusUnits: 0
  eventHubsUnits: 0
  redisSku: 'Balanced_B0'
  signalrTier: 'Standard'
  signalrUnits: 1
  monthlyBudget: 400
}

param gatewaySize = { sku: 'BasicV2', units: 1 }
param frontDoor = false
param cosmosThroughput = 1000
param dailyLogQuotaGb = 1
param sharedMonthlyBudget = 250
param budgetStart = '2026-12-01'

// To fill in: docs/azure/first-deployment.md says where each value comes from.
param databaseAdministrators = { objectId: '00000000-0000-0000-0000-000000000000', name: 'broker-dev-dba' }
param identity = {
  issuer: 'https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000/v2.0'
  audience: '00000000-0000-0000-0000-000000000000'
  jwksUrl: 'https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000/discovery/v2.0/keys'
  openIdConfigurationUrl: 'https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000/v2.0/.well-known/openid-configuration'
}
param onCallEmails = ['on-call@broker.example']
