metadata description = 'What all regions share: Front Door, its firewall, the read models in Cosmos DB, and monitoring of these.'

import { Posture, Tags } from 'types.bicep'
import { globalBase } from 'names.bicep'
import { Container } from 'modules/cosmos.bicep'

@description('Start of all names.')
param workload string

@description('The first region.')
param location string

@description('All regions, the first one first.')
param locations string[]

@description('Tags.')
param tags Tags

@description('What applies to every resource.')
param posture Posture

@description('Whether there is a Front Door. Without it clients call API Management.')
param frontDoor bool

@description('Cosmos DB, by name.')
param cosmosName string

@description('Its database.')
param cosmosDatabaseName string

@description('Most request units a second of the read models.')
param cosmosThroughput int

@description('E-mail addresses of the people on call.')
param onCallEmails string[]

@description('Most GB of logs that are taken in a day; -1 for no limit.')
param dailyLogQuotaGb int

@description('Budget for a month, in the billing currency.')
param monthlyBudget int

@description('First day of the month from which the budget counts.')
param budgetStart string

var base = globalBase(workload, posture.environment)

@description('Read models. All can be made again: candles from the venue, the rest from PostgreSQL.')
var containers Container[] = [
  { name: 'candles', partitionKey: '/instrument_id', defaultTtl: -1, indexedPaths: [] }
]

module workspace 'modules/log-analytics.bicep' = {
  name: 'log-analytics'
  params: {
    name: 'log-${base}'
    location: location
    tags: tags
    retentionDays: posture.logDays
    dailyQuotaGb: dailyLogQuotaGb
  }
}

module onCall 'modules/action-group.bicep' = {
  name: 'action-group'
  params: { name: 'ag-${base}', tags: tags, emails: onCallEmails }
}

module cosmos 'modules/cosmos.bicep' = {
  name: 'cosmos'
  params: {
    name: cosmosName
    locations: locations
    tags: tags
    posture: posture
    databaseName: cosmosDatabaseName
    containers: containers
    maximumThroughput: cosmosThroughput
    workspaceId: workspace.outputs.id
  }
}

module firewall 'modules/firewall-policy.bicep' = if (frontDoor) {
  name: 'firewall-policy'
  params: {
    name: 'waf${replace(base, '-', '')}'
    tags: tags
    mode: 'Prevention'
    requestsPerMinute: 3000
  }
}

module profile 'modules/front-door-profile.bicep' = if (frontDoor) {
  name: 'front-door-profile'
  params: { name: 'afd-${base}', tags: tags, workspaceId: workspace.outputs.id }
}

module cosmosAlerts 'modules/metric-alerts.bicep' = {
  name: 'alerts-cosmos'
  params: {
    prefix: 'alert-${base}-cosmos'
    tags: tags
    targetId: cosmos.outputs.id
    actionGroupId: onCall.outputs.id
    alerts: [
      {
        name: 'throughput'
        description: 'Read models are near their limit: candles are late. docs/azure/scale.md'
        metric: 'NormalizedRUConsumption'
        aggregation: 'Maximum'
        operator: 'GreaterThan'
        threshold: 90
        severity: 2
        window: 'PT15M'
      }
    ]
  }
}

module budget 'modules/budget.bicep' = {
  name: 'budget'
  params: {
    name: 'budget-${base}'
    amount: monthlyBudget
    startDate: budgetStart
    actionGroupId: onCall.outputs.id
  }
}

@description('Who is called when an alert fires.')
output actionGroupId string = onCall.outputs.id

@description('Endpoint of Cosmos DB.')
output cosmosEndpoint string = cosmos.outputs.endpoint

@description('Cosmos DB, by resource id.')
output cosmosId string = cosmos.outputs.id

@description('What Front Door sends as X-Azure-FDID; empty where there is no Front Door.')
output frontDoorId string = frontDoor ? profile!.outputs.frontDoorId : ''

@description('The firewall policy; empty where there is no Front Door.')
output firewallPolicyId string = frontDoor ? firewall!.outputs.id : ''
