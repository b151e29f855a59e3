metadata description = 'Front Door: one address for all regions, a firewall, and a private link to each API Management.'

import { Posture, Tags } from '../types.bicep'

@description('The profile of Front Door, by name. Made by `front-door-profile.bicep`.')
param profileName string

@description('Name of the endpoint, part of its address.')
param endpointName string

@description('Tags.')
param tags Tags

@description('What applies to every resource.')
param posture Posture

@description('The firewall policy.')
param firewallPolicyId string

@description('An API Management that serves the API.')
@sealed()
type Origin = {
  @description('Its name.')
  name: string

  @description('Its host name.')
  hostName: string

  @description('Its resource group.')
  resourceGroup: string

  @description('Its resource, by name.')
  serviceName: string

  @description('Its region.')
  location: string
}

@description('The API Management of each region.')
param origins Origin[]

resource profile 'Microsoft.Cdn/profiles@2025-12-01' existing = { name: profileName }

resource gateways 'Microsoft.ApiManagement/service@2024-05-01' existing = [
  for origin in origins: { name: origin.serviceName, scope: resourceGroup(origin.resourceGroup) }
]

resource endpoint 'Microsoft.Cdn/profiles/afdEndpoints@2025-12-01' = {
  parent: profile
  name: endpointName
  location: 'global'
  tags: tags
  properties: { enabledState: 'Enabled' }
}

resource originGroup 'Microsoft.Cdn/profiles/originGroups@2025-12-01' = {
  parent: profile
  name: 'api'
  properties: {
    loadBalancingSettings: { sampleSize: 4, successfulSamplesRequired: 3, additionalLatencyInMilliseconds: 50 }
    // What API Management answers itself: whether orders can be taken is not Front Door's to judge, because a request
    // that goes to the other region comes back to the user's cell.
    healthProbeSettings: {
      probePath: '/status-0123456789abcdef'
      probeRequestType: 'GET'
      probeProtocol: 'Https'
      probeIntervalInSeconds: 30
    }
    sessionAffinityState: 'Disabled'
  }

  resource members 'origins' = [
    for (origin, i) in origins: {
      name: origin.name
      properties: {
        hostName: origin.hostName
        originHostHeader: origin.hostName
        httpsPort: 443
        priority: 1
        weight: 1000
        enabledState: 'Enabled'
        enforceCertificateNameCheck: true
        sharedPrivateLinkResource: posture.private
          ? {
              privateLink: { id: gateways[i].id }
              privateLinkLocation: origin.location
              groupId: 'Gateway'
              requestMessage: 'Front Door of the broker'
            }
          : null
      }
    }
  ]
}

resource route 'Microsoft.Cdn/profiles/afdEndpoints/routes@2025-12-01' = {
  parent: endpoint
  name: 'api'
  properties: {
    originGroup: { id: originGroup.id }
    patternsToMatch: ['/api/*']
    supportedProtocols: ['Http', 'Https']
    httpsRedirect: 'Enabled'
    forwardingProtocol: 'HttpsOnly'
    linkToDefaultDomain: 'Enabled'
    enabledState: 'Enabled'
  }
  dependsOn: [originGroup::members]
}

resource firewall 'Microsoft.Cdn/profiles/securityPolicies@2025-12-01' = {
  parent: profile
  name: 'firewall'
  properties: {
    parameters: {
      type: 'WebApplicationFirewall'
      wafPolicy: { id: firewallPolicyId }
      associations: [{ domains: [{ id: endpoint.id }], patternsToMatch: ['/*'] }]
    }
  }
}

@description('Host name of the API.')
output hostName string = endpoint.properties.hostName
