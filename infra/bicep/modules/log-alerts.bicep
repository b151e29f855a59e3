metadata description = 'Alerts on what the app logs. Queries are in queries/, one file each.'

import { Tags } from '../types.bicep'

@export()
@description('When to call somebody.')
@sealed()
type LogAlert = {
  @description('Its name.')
  name: string

  @description('What is wrong and what to look at.')
  description: string

  @description('The query; each row that it returns fires.')
  query: string

  @description('0: orders are refused or the books are at risk. 1: soon. 2: look at it during the day.')
  severity: 0 | 1 | 2

  @description('Over what time, and how often it is asked, an ISO 8601 duration.')
  window: 'PT5M' | 'PT15M' | 'PT1H'
}

@description('Region of the alerts.')
param location string

@description('Tags.')
param tags Tags

@description('Application Insights of the cell.')
param targetId string

@description('Start of the alerts\' names.')
param prefix string

@description('The alerts.')
param alerts LogAlert[]

@description('Who is called.')
param actionGroupId string

resource logAlerts 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = [
  for alert in alerts: {
    name: '${prefix}-${alert.name}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: '${prefix}-${alert.name}'
      description: alert.description
      severity: alert.severity
      enabled: true
      autoMitigate: true
      scopes: [targetId]
      evaluationFrequency: 'PT5M'
      windowSize: alert.window
      criteria: {
        allOf: [
          {
            query: alert.query
            timeAggregation: 'Count'
            operator: 'GreaterThan'
            threshold: 0
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      actions: { actionGroups: [actionGroupId] }
    }
  }
]
