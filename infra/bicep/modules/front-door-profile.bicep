metadata description = 'The profile of Front Door. Made first, because API Management takes requests from this profile alone.'

import { Tags } from '../types.bicep'

@description('Its name.')
param name string

@description('Tags.')
param tags Tags

@description('Where diagnostics go.')
param workspaceId string

resource profile 'Microsoft.Cdn/profiles@2025-12-01' = {
  name: name
  location: 'global'
  tags: tags
  sku: { name: 'Premium_AzureFrontDoor' }
  properties: {
    originResponseTimeoutSeconds: 30
    logScrubbing: {
      state: 'Enabled'
      // Cursors and ids of users travel in query strings.
      scrubbingRules: [{ matchVariable: 'QueryStringArgNames', selectorMatchOperator: 'EqualsAny', state: 'Enabled' }]
    }
  }
}

#disable-next-line use-recent-api-versions // this type has no later version with category groups
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: profile
  name: 'to-workspace'
  properties: {
    workspaceId: workspaceId
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

@description('Its name.')
output name string = profile.name

@description('What it sends as X-Azure-FDID.')
output frontDoorId string = profile.properties.frontDoorId
