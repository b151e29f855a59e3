metadata description = 'Who is called when an alert fires.'

import { Tags } from '../types.bicep'

@description('Its name.')
param name string

@description('Tags.')
param tags Tags

@description('E-mail addresses of the people on call.')
@minLength(1)
param emails string[]

resource actionGroup 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: name
  location: 'global'
  tags: tags
  properties: {
    groupShortName: take(replace(name, '-', ''), 12)
    enabled: true
    emailReceivers: [
      for (email, i) in emails: { name: 'on-call-${i + 1}', emailAddress: email, useCommonAlertSchema: true }
    ]
  }
}

@description('Its resource id.')
output id string = actionGroup.id
