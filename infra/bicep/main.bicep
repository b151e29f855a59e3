metadata description = 'The whole broker in one subscription: what all regions share, the regions, and the cells in them.'

targetScope = 'subscription'

import { CellSize, Group, Identity, Posture, Previews, Region, Tags } from 'types.bicep'
import { GatewaySize } from 'modules/api-management.bicep'
import { cellBase, cellGroup, globalBase, hubPrefix, regionBase, regionGroup, unique } from 'names.bicep'

@description('Start of all names: lower-case letters.')
@minLength(2)
@maxLength(8)
param workload string = 'broker'

@description('What applies to every resource.')
param posture Posture

@description('The regions with their cells, the first one first.')
@minLength(1)
param regions Region[]

@description('How many units of each service a cell has.')
param cellSize CellSize

@description('Size of API Management, in each region.')
param gatewaySize GatewaySize

@description('Whether there is a Front Door. Without it clients call API Management.')
param frontDoor bool

@description('True for the first deployment of a region only: a new API Management must be public until its private endpoint exists.')
param firstDeployment bool = false

@description('Previews that are switched on. None is needed.')
param previews Previews = { rollingUpdates: false, postgresPremiumSsdV2: false }

@description('Most request units a second of the read models.')
param cosmosThroughput int

@description('The group of Entra ID that administers databases.')
param databaseAdministrators Group

@description('Who issues access tokens, for which application. infra/entra makes the application.')
param identity Identity

@description('The venue\'s own records, an https address; empty for none.')
param exchangeApiUrl string = ''

@description('Origins of web pages that may call the API.')
param allowedOrigins string[] = []

@description('E-mail addresses of the people on call.')
@minLength(1)
param onCallEmails string[]

@description('Most GB of logs that a workspace takes in a day; -1 for no limit.')
param dailyLogQuotaGb int = -1

@description('Budget of what is no cell, for a month, in the billing currency.')
param sharedMonthlyBudget int

@description('First day of the month from which budgets count, for example 2026-12-01.')
param budgetStart string

@description('How long a backup of the vault is kept beyond point-in-time restore, an ISO 8601 duration.')
param backupRetention string = 'P1Y'

@description('Tags beside `workload` and `environment`.')
param extraTags Tags = {}

var environmentName = posture.environment
var tags Tags = union(extraTags, { workload: workload, environment: environmentName })
var globalGroupName = 'rg-${globalBase(workload, environmentName)}'
var subscriptionId = subscription().subscriptionId
var cosmosName = 'cosmos-${globalBase(workload, environmentName)}-${unique(subscription().id, globalBase(workload, environmentName))}'
var cosmosDatabaseName = 'broker'

@description('Every cell with its region.')
var cells = flatten(map(regions, region => map(region.cells, cell => { region: region, cell: cell })))

@description('Which slots belong to which cell, for API Management.')
var directory = join(map(cells, each => '${each.cell.name}:${each.cell.firstSlot}-${each.cell.lastSlot}'), ',')

resource globalGroup 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: globalGroupName
  location: regions[0].location
  tags: tags
}

resource regionGroups 'Microsoft.Resources/resourceGroups@2025-04-01' = [
  for region in regions: {
    name: regionGroup(workload, environmentName, region.name)
    location: region.location
    tags: tags
  }
]

resource cellGroups 'Microsoft.Resources/resourceGroups@2025-04-01' = [
  for each in cells: {
    name: cellGroup(workload, environmentName, each.region.name, each.cell.name)
    location: each.region.location
    tags: union(tags, { cell: each.cell.name })
  }
]

module shared 'global.bicep' = {
  name: 'global'
  scope: globalGroup
  params: {
    workload: workload
    location: regions[0].location
    locations: map(regions, region => region.location)
    tags: tags
    posture: posture
    frontDoor: frontDoor
    cosmosName: cosmosName
    cosmosDatabaseName: cosmosDatabaseName
    cosmosThroughput: cosmosThroughput
    onCallEmails: onCallEmails
    dailyLogQuotaGb: dailyLogQuotaGb
    monthlyBudget: sharedMonthlyBudget
    budgetStart: budgetStart
  }
}

module places 'region.bicep' = [
  for (region, i) in regions: {
    name: 'region-${region.name}'
    scope: regionGroups[i]
    params: {
      workload: workload
      name: region.name
      location: region.location
      tags: tags
      posture: posture
      addressPrefix: region.addressPrefix
      natSku: region.natSku
      gatewaySize: gatewaySize
      gatewayPublicAccess: firstDeployment || !posture.private
      publisherEmail: onCallEmails[0]
      identity: identity
      frontDoorId: shared.outputs.frontDoorId
      directory: directory
      allowedOrigins: allowedOrigins
      cosmosId: shared.outputs.cosmosId
      dailyLogQuotaGb: dailyLogQuotaGb
    }
  }
]

module units 'cell.bicep' = [
  for (each, i) in cells: {
    name: 'cell-${each.cell.name}'
    scope: cellGroups[i]
    params: {
      workload: workload
      cell: each.cell
      location: each.region.location
      tags: union(tags, { cell: each.cell.name })
      posture: posture
      size: cellSize
      previews: previews
      addressPrefix: cidrSubnet(each.region.addressPrefix, 20, each.cell.addressBlock)
      hubPrefix: hubPrefix(each.region.addressPrefix)
      natSku: each.region.natSku
      regionGroupName: regionGroup(workload, environmentName, each.region.name)
      hubNetworkName: 'vnet-${regionBase(workload, environmentName, each.region.name)}'
      workspaceId: resourceId(
        subscriptionId,
        regionGroup(workload, environmentName, each.region.name),
        'Microsoft.OperationalInsights/workspaces',
        'log-${regionBase(workload, environmentName, each.region.name)}'
      )
      actionGroupId: shared.outputs.actionGroupId
      globalGroupName: globalGroupName
      cosmosName: cosmosName
      cosmosEndpoint: shared.outputs.cosmosEndpoint
      cosmosRegion: each.region.displayName
      cosmosDatabaseName: cosmosDatabaseName
      databaseAdministrators: databaseAdministrators
      identity: identity
      exchangeApiUrl: exchangeApiUrl
      allowedOrigins: allowedOrigins
      replica: each.cell.?replicaRegion == null
        ? null
        : {
            location: filter(regions, region => region.name == each.cell.?replicaRegion)[0].location
            regionGroupName: regionGroup(workload, environmentName, each.cell.?replicaRegion ?? '')
            subnetId: resourceId(
              subscriptionId,
              regionGroup(workload, environmentName, each.cell.?replicaRegion ?? ''),
              'Microsoft.Network/virtualNetworks/subnets',
              'vnet-${regionBase(workload, environmentName, each.cell.?replicaRegion ?? '')}',
              'endpoints'
            )
            workspaceId: resourceId(
              subscriptionId,
              regionGroup(workload, environmentName, each.cell.?replicaRegion ?? ''),
              'Microsoft.OperationalInsights/workspaces',
              'log-${regionBase(workload, environmentName, each.cell.?replicaRegion ?? '')}'
            )
          }
      budgetStart: budgetStart
      backupRetention: backupRetention
    }
    dependsOn: [places]
  }
]

@description('Each API Management with each cell: any region can serve any user.')
var routes = flatten(map(
  regions,
  region => map(cells, each => { gateway: region, region: each.region, cell: each.cell })
))

module routing 'routing.bicep' = [
  for route in routes: {
    name: 'routing-${route.gateway.name}-${route.cell.name}'
    scope: resourceGroup(regionGroup(workload, environmentName, route.gateway.name))
    params: {
      base: regionBase(workload, environmentName, route.gateway.name)
      gatewayName: 'apim-${regionBase(workload, environmentName, route.gateway.name)}-${unique(subscription().id, regionBase(workload, environmentName, route.gateway.name))}'
      location: route.gateway.location
      tags: tags
      cellName: route.cell.name
      colours: route.cell.colours
      cellGroupName: cellGroup(workload, environmentName, route.region.name, route.cell.name)
      appNames: map(
        route.cell.colours,
        colour =>
          'func-${cellBase(workload, environmentName, route.cell.name)}-${colour.name}-${unique(subscription().id, cellBase(workload, environmentName, route.cell.name))}'
      )
      elsewhere: posture.private && route.gateway.name != route.region.name
    }
    dependsOn: [places, units]
  }
]

module entrance 'modules/front-door.bicep' = if (frontDoor) {
  name: 'front-door'
  scope: globalGroup
  params: {
    profileName: 'afd-${globalBase(workload, environmentName)}'
    endpointName: '${globalBase(workload, environmentName)}-${unique(subscription().id, globalBase(workload, environmentName))}'
    tags: tags
    posture: posture
    firewallPolicyId: shared.outputs.firewallPolicyId
    origins: [
      for (region, i) in regions: {
        name: region.name
        location: region.location
        hostName: places[i].outputs.gatewayHostName
        resourceGroup: regionGroup(workload, environmentName, region.name)
        serviceName: 'apim-${regionBase(workload, environmentName, region.name)}-${unique(subscription().id, regionBase(workload, environmentName, region.name))}'
      }
    ]
  }
  dependsOn: [routing]
}

@description('Host name of the API: of Front Door, or else of the first region\'s API Management.')
output apiHostName string = frontDoor ? entrance!.outputs.hostName : places[0].outputs.gatewayHostName
