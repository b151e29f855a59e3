metadata description = 'A function app of a cell: one colour, on a Flex Consumption plan of its own, because such a plan takes one app.'

import { CellSize, Colour, Posture, Tags } from '../types.bicep'

@description('Its name, unique in the world; the plan\'s name is made from it.')
param name string

@description('Its region.')
param location string

@description('Tags.')
param tags Tags

@description('What applies to every resource.')
param posture Posture

@description('Its colour.')
param colour Colour

@description('How much of it there is.')
param size CellSize

@description('Its identity, by name.')
param identityName string

@description('The subnet that its instances are placed in.')
param subnetId string

@description('Its storage account, by name.')
param storageAccountName string

@description('The container that its packages lie in.')
param packageContainer string

@description('Application Insights of the cell, by name.')
param applicationInsightsName string

@description('The Durable Task Scheduler of the cell, by name. Its task hub is named as the colour.')
param schedulerName string

@description('Functions that are no HTTP and no Durable functions: each is a scale group of its own.')
param triggeredFunctions string[]

@description('Whether queues, hubs and timers trigger its functions.')
param triggers bool

@description('Settings of the app itself, by name.')
param appSettings Tags

@description('Host name of Service Bus.')
param serviceBusHostName string

@description('Host name of Event Hubs.')
param eventHubsHostName string

@description('Replace instances one by one at a change: a preview.')
param rollingUpdates bool

@description('Where diagnostics go.')
param workspaceId string

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = { name: identityName }

resource storage 'Microsoft.Storage/storageAccounts@2026-06-01' existing = { name: storageAccountName }

resource insights 'Microsoft.Insights/components@2020-02-02' existing = { name: applicationInsightsName }

resource scheduler 'Microsoft.DurableTask/schedulers@2026-02-01' existing = {
  name: schedulerName

  resource hub 'taskHubs' existing = { name: colour }
}

@description('What the Functions host reads.')
var hostSettings = {
  // Not `AzureWebJobsStorage__blobServiceUri`, which the host reads wrongly, and never an empty `AzureWebJobsStorage`.
  AzureWebJobsStorage__accountName: storage.name
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identity.properties.clientId
  // Two apps with one host id would share leases and timers. At most 32 characters.
  AzureFunctionsWebHost__hostid: take(name, 32)
  AzureFunctionsJobHost__extensions__durableTask__hubName: scheduler::hub.name
  DURABLE_TASK_SCHEDULER_CONNECTION_STRING: 'Endpoint=${scheduler.properties.endpoint};TaskHub=${scheduler::hub.name};Authentication=ManagedIdentity;ClientID=${identity.properties.clientId}'
  SERVICE_BUS_CONNECTION__fullyQualifiedNamespace: serviceBusHostName
  SERVICE_BUS_CONNECTION__credential: 'managedidentity'
  SERVICE_BUS_CONNECTION__clientId: identity.properties.clientId
  EVENT_HUBS_CONNECTION__fullyQualifiedNamespace: eventHubsHostName
  EVENT_HUBS_CONNECTION__credential: 'managedidentity'
  EVENT_HUBS_CONNECTION__clientId: identity.properties.clientId
  APPLICATIONINSIGHTS_CONNECTION_STRING: insights.properties.ConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'Authorization=AAD;ClientId=${identity.properties.clientId}'
  // The identity that the app's own clients use.
  AZURE_CLIENT_ID: identity.properties.clientId
}

@description('A colour that has not taken over yet is reached over HTTP alone.')
var closedTriggers = toObject(
  triggers ? [] : triggeredFunctions,
  function => 'AzureWebJobs.${function}.Disabled',
  function => 'true'
)

@description('Instances that always run, for each scale group.')
var alwaysReady = size.alwaysReady == 0
  ? []
  : map(
      concat(['http', 'durable'], map(triggers ? triggeredFunctions : [], function => 'function:${function}')),
      group => { name: group, instanceCount: size.alwaysReady }
    )

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: 'asp-${name}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: {
    reserved: true
    zoneRedundant: posture.zoneRedundant
  }
}

#disable-next-line use-recent-api-versions // this type has no later version with category groups
resource planDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: plan
  name: 'to-workspace'
  properties: { workspaceId: workspaceId, metrics: [{ category: 'AllMetrics', enabled: true }] }
}

resource app 'Microsoft.Web/sites@2025-03-01' = {
  name: name
  location: location
  tags: union(tags, { colour: colour })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identity.id}': {} }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: posture.private ? 'Disabled' : 'Enabled'
    virtualNetworkSubnetId: subnetId
    outboundVnetRouting: { allTraffic: true }
    keyVaultReferenceIdentity: identity.id
    clientAffinityEnabled: false
    functionAppConfig: {
      runtime: { name: 'python', version: '3.13' }
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${storage.properties.primaryEndpoints.blob}${packageContainer}'
          authentication: { type: 'UserAssignedIdentity', userAssignedIdentityResourceId: identity.id }
        }
      }
      scaleAndConcurrency: {
        instanceMemoryMB: size.instanceMemoryMB
        maximumInstanceCount: size.maximumInstances
        alwaysReady: alwaysReady
        // Without it a Python instance serves one request at a time.
        triggers: { http: { perInstanceConcurrency: size.httpConcurrency } }
      }
      #disable-next-line BCP037 // not in the published types yet; a preview that is off by default
      siteUpdateStrategy: rollingUpdates ? { type: 'RollingUpdate' } : null
    }
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      ftpsState: 'Disabled'
      http20Enabled: true
      remoteDebuggingEnabled: false
      cors: { allowedOrigins: [], supportCredentials: false }
    }
  }

  resource settings 'config' = {
    name: 'appsettings'
    properties: union(hostSettings, appSettings, closedTriggers)
  }

  // Publishing with a user name and a password.
  resource ftp 'basicPublishingCredentialsPolicies' = { name: 'ftp', properties: { allow: false } }
  resource scm 'basicPublishingCredentialsPolicies' = { name: 'scm', properties: { allow: false } }
}

#disable-next-line use-recent-api-versions // this type has no later version with category groups
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: app
  name: 'to-workspace'
  properties: {
    workspaceId: workspaceId
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

@description('Its resource id.')
output id string = app.id

@description('Its host name.')
output hostName string = app.properties.defaultHostName
