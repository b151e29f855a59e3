metadata description = 'API Management of a region, of a v2 tier: those speak TLS 1.2 and later only, and live in one region.'

import { Identity, Posture, Tags } from '../types.bicep'

@export()
@description('Size of API Management.')
@sealed()
type GatewaySize = {
  @description('Tier. Basic v2 reaches public addresses only.')
  sku: 'BasicV2' | 'StandardV2' | 'PremiumV2'

  @description('Units.')
  @minValue(1)
  @maxValue(30)
  units: int
}

@description('Its name, unique in the world.')
param name string

@description('Its region.')
param location string

@description('Tags.')
param tags Tags

@description('What applies to every resource.')
param posture Posture

@description('Its size.')
param size GatewaySize

@description('The subnet through which it reaches the cells.')
param subnetId string

@description('Whether it can be reached without its private endpoint. A new service must be public until that endpoint exists.')
param publicAccess bool

@description('E-mail address that Azure writes to.')
param publisherEmail string

@description('Who issues access tokens.')
param identity Identity

@description('What Front Door sends as X-Azure-FDID; empty where there is no Front Door.')
param frontDoorId string

@description('Where diagnostics go.')
param workspaceId string

resource service 'Microsoft.ApiManagement/service@2024-05-01' = {
  name: name
  location: location
  tags: tags
  sku: { name: size.sku, capacity: size.units }
  properties: {
    publisherName: 'Broker'
    publisherEmail: publisherEmail
    publicNetworkAccess: publicAccess ? 'Enabled' : 'Disabled'
    virtualNetworkType: posture.private ? 'External' : 'None'
    virtualNetworkConfiguration: posture.private ? { subnetResourceId: subnetId } : null
    developerPortalStatus: 'Disabled'
    legacyPortalStatus: 'Disabled'
    // Older versions of the management API return secrets without being asked for them.
    apiVersionConstraint: { minApiVersion: '2021-08-01' }
  }

  resource issuer 'namedValues' = {
    name: 'token-issuer'
    properties: { displayName: 'token-issuer', value: identity.issuer }
  }
  resource audience 'namedValues' = {
    name: 'token-audience'
    properties: { displayName: 'token-audience', value: identity.audience }
  }
  resource openIdConfiguration 'namedValues' = {
    name: 'token-configuration'
    properties: { displayName: 'token-configuration', value: identity.openIdConfigurationUrl }
  }
  resource frontDoor 'namedValues' = {
    name: 'front-door-id'
    properties: { displayName: 'front-door-id', value: empty(frontDoorId) ? 'none' : frontDoorId }
  }

  resource workspaceLogger 'loggers' = {
    name: 'azuremonitor'
    properties: { loggerType: 'azureMonitor', isBuffered: true }
  }

  resource requests 'diagnostics' = {
    name: 'azuremonitor'
    properties: {
      loggerId: workspaceLogger.id
      alwaysLog: 'allErrors'
      verbosity: 'information'
      logClientIp: true
      sampling: { samplingType: 'fixed', percentage: 5 }
      // A client quotes its X-Request-Id: the line of the gateway is found by it. Never bodies, never tokens.
      frontend: {
        request: { headers: [], body: { bytes: 0 } }
        response: { headers: ['X-Request-Id'], body: { bytes: 0 } }
      }
      backend: {
        request: { headers: [], body: { bytes: 0 } }
        response: { headers: ['X-Request-Id'], body: { bytes: 0 } }
      }
    }
  }
}

#disable-next-line use-recent-api-versions // this type has no later version with category groups
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: service
  name: 'to-workspace'
  properties: {
    workspaceId: workspaceId
    logAnalyticsDestinationType: 'Dedicated'
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

@description('Its resource id.')
output id string = service.id

@description('Its host name.')
output hostName string = replace(service.properties.gatewayUrl, 'https://', '')
