metadata description = 'Alerts on metrics of one resource.'

import { Tags } from '../types.bicep'

@export()
@description('When to call somebody.')
@sealed()
type MetricAlert = {
  @description('Its name.')
  name: string

  @description('What is wrong and what to look at.')
  description: string

  @description('The metric, by its name in Azure Monitor.')
  metric: string

  @description('How values within the window are joined.')
  aggregation: 'Average' | 'Count' | 'Maximum' | 'Minimum' | 'Total'

  @description('How the joined value is compared.')
  operator: 'GreaterThan' | 'GreaterThanOrEqual' | 'LessThan' | 'LessThanOrEqual'

  @description('With what it is compared.')
  threshold: int

  @description('0: orders are refused or the books are at risk. 1: soon. 2: look at it during the day.')
  severity: 0 | 1 | 2

  @description('Over what time, an ISO 8601 duration.')
  window: 'PT1M' | 'PT5M' | 'PT15M'
}

@description('Tags.')
param tags Tags

@description('The resource that is watched.')
param targetId string

@description('Start of the alerts\' names.')
param prefix string

@description('The alerts.')
param alerts MetricAlert[]

@description('Who is called.')
param actionGroupId string

resource metricAlerts 'Microsoft.Insights/metricAlerts@2026-01-01' = [
  for alert in alerts: {
    name: '${prefix}-${alert.name}'
    location: 'global'
    tags: tags
    properties: {
      description: alert.description
      severity: alert.severity
      enabled: true
      autoMitigate: true
      scopes: [targetId]
      evaluationFrequency: 'PT1M'
      windowSize: alert.window
      criteria: {
        'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
        allOf: [
          {
            name: 'threshold'
            criterionType: 'StaticThresholdCriterion'
            metricName: alert.metric
            timeAggregation: alert.aggregation
            operator: alert.operator
            threshold: alert.threshold
            // A metric that a service stops sending must not stop the deployment.
            skipMetricValidation: true
          }
        ]
      }
      actions: [{ actionGroupId: actionGroupId }]
    }
  }
]
