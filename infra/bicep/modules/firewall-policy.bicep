metadata description = 'The web application firewall of Front Door.'

import { Tags } from '../types.bicep'

@description('Its name: letters and digits.')
param name string

@description('Tags.')
param tags Tags

@description('Whether it refuses what its rules match, or only logs it.')
param mode 'Prevention' | 'Detection'

@description('Most requests of one address in a minute. Far above what one person does: limits of users are the broker\'s.')
param requestsPerMinute int

resource policy 'Microsoft.Network/frontDoorWebApplicationFirewallPolicies@2025-10-01' = {
  name: name
  location: 'global'
  tags: tags
  sku: { name: 'Premium_AzureFrontDoor' }
  properties: {
    policySettings: {
      enabledState: 'Enabled'
      mode: mode
      requestBodyCheck: 'Enabled'
      customBlockResponseStatusCode: 403
    }
    customRules: {
      rules: [
        {
          name: 'OneAddress'
          priority: 100
          enabledState: 'Enabled'
          ruleType: 'RateLimitRule'
          rateLimitDurationInMinutes: 1
          rateLimitThreshold: requestsPerMinute
          action: 'Block'
          matchConditions: [
            { matchVariable: 'RequestUri', operator: 'Any', negateCondition: false, matchValue: [] }
          ]
        }
      ]
    }
    managedRules: {
      managedRuleSets: [
        { ruleSetType: 'Microsoft_DefaultRuleSet', ruleSetVersion: '2.1', ruleSetAction: 'Block' }
        { ruleSetType: 'Microsoft_BotManagerRuleSet', ruleSetVersion: '1.1' }
      ]
    }
  }
}

@description('Its resource id.')
output id string = policy.id
