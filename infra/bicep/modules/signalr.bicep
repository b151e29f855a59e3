metadata description = 'SignalR Service in serverless mode. Clients connect from the internet; the broker sends over a private endpoint.'

import { Grant, Posture, roles, Tags } from '../types.bicep'

@description('Its name, unique in the world.')
param name string

@description('Its region.')
param location string

@description('Tags.')
param tags Tags

@description('What applies to every resource.')
param posture Posture

@description('Its tier.')
param tier 'Standard' | 'Premium'

@description('Its units, 1,000 connections each.')
param units int

@description('Origins of web pages that may connect.')
param allowedOrigins string[]

@description('Who may use it, and how.')
param grants Grant[]

@description('Where diagnostics go.')
param workspaceId string

resource service 'Microsoft.SignalRService/signalR@2024-03-01' = {
  name: name
  location: location
  tags: tags
  kind: 'SignalR'
  sku: { name: tier == 'Premium' ? 'Premium_P1' : 'Standard_S1', tier: tier, capacity: units }
  properties: {
    disableLocalAuth: true
    disableAadAuth: false
    features: [
      { flag: 'ServiceMode', value: 'Serverless' }
      { flag: 'EnableConnectivityLogs', value: 'True' }
    ]
    cors: { allowedOrigins: allowedOrigins }
    publicNetworkAccess: 'Enabled'
    networkACLs: {
      defaultAction: 'Deny'
      publicNetwork: { allow: posture.private ? ['ClientConnection'] : ['ClientConnection', 'RESTAPI'] }
    }
    tls: { clientCertEnabled: false }
  }
}

resource holders 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = [
  for grant in grants: { name: grant.identity }
]

resource assignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (grant, i) in grants: {
    scope: service
    name: guid(service.id, holders[i].id, grant.role)
    properties: {
      principalId: holders[i].properties.principalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles[grant.role])
    }
  }
]

#disable-next-line use-recent-api-versions // this type has no later version with category groups

#disable-next-line use-recent-api-versions // this type has no later version with category groups
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: service
  name: 'to-workspace'
  properties: {
    workspaceId: workspaceId
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

@description('Its resource id.')
output id string = service.id

@description('Its host name.')
output hostName string = service.properties.hostName
