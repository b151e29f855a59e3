metadata description = 'Alerts of a cell: on metrics of its services, and on what its apps log.'

import { Tags } from 'types.bicep'

@description('Start of all names.')
param base string

@description('Region of alerts on logs.')
param location string

@description('Tags.')
param tags Tags

@description('Who is called when an alert fires.')
param actionGroupId string

@description('The database server.')
param postgresqlId string

@description('Its replica.')
param replicaId string

@description('Whether there is a replica.')
param hasReplica bool

@description('Service Bus.')
param serviceBusId string

@description('Event Hubs.')
param eventHubsId string

@description('Redis.')
param redisId string

@description('SignalR Service.')
param signalrId string

@description('Application Insights.')
param insightsId string

module postgresqlAlerts 'modules/metric-alerts.bicep' = {
  name: 'alerts-postgresql'
  params: {
    prefix: 'alert-${base}-postgresql'
    tags: tags
    targetId: postgresqlId
    actionGroupId: actionGroupId
    alerts: [
      {
        name: 'down'
        description: 'The database does not answer: orders are refused with 503. docs/azure/break-glass.md'
        metric: 'is_db_alive'
        aggregation: 'Maximum'
        operator: 'LessThan'
        threshold: 1
        severity: 0
        window: 'PT5M'
      }
      {
        name: 'storage'
        description: 'Storage is filling up. docs/azure/scale.md'
        metric: 'storage_percent'
        aggregation: 'Maximum'
        operator: 'GreaterThan'
        threshold: 80
        severity: 1
        window: 'PT15M'
      }
      {
        name: 'cpu'
        description: 'The database is the bottleneck of the cell. docs/azure/scale.md'
        metric: 'cpu_percent'
        aggregation: 'Average'
        operator: 'GreaterThan'
        threshold: 70
        severity: 1
        window: 'PT15M'
      }
    ]
  }
}

module replicaAlerts 'modules/metric-alerts.bicep' = if (hasReplica) {
  name: 'alerts-postgresql-replica'
  params: {
    prefix: 'alert-${base}-replica'
    tags: tags
    targetId: replicaId
    actionGroupId: actionGroupId
    alerts: [
      {
        name: 'lag'
        description: 'The replica is a minute behind: what it has not got is lost with the region.'
        metric: 'physical_replication_delay_in_seconds'
        aggregation: 'Maximum'
        operator: 'GreaterThan'
        threshold: 60
        severity: 1
        window: 'PT5M'
      }
    ]
  }
}

module serviceBusAlerts 'modules/metric-alerts.bicep' = {
  name: 'alerts-service-bus'
  params: {
    prefix: 'alert-${base}-service-bus'
    tags: tags
    targetId: serviceBusId
    actionGroupId: actionGroupId
    alerts: [
      {
        name: 'dead-letters'
        description: 'A message was given up. GET /api/operations/backlog lists it.'
        metric: 'DeadletteredMessages'
        aggregation: 'Maximum'
        operator: 'GreaterThan'
        threshold: 0
        severity: 1
        window: 'PT5M'
      }
      {
        name: 'throttled'
        description: 'Service Bus refuses calls: it needs more messaging units. docs/azure/scale.md'
        metric: 'ThrottledRequests'
        aggregation: 'Total'
        operator: 'GreaterThan'
        threshold: 0
        severity: 1
        window: 'PT5M'
      }
    ]
  }
}

module eventHubsAlerts 'modules/metric-alerts.bicep' = {
  name: 'alerts-event-hubs'
  params: {
    prefix: 'alert-${base}-event-hubs'
    tags: tags
    targetId: eventHubsId
    actionGroupId: actionGroupId
    alerts: [
      {
        name: 'throttled'
        description: 'Event Hubs refuses calls: prices are late. docs/azure/scale.md'
        metric: 'ThrottledRequests'
        aggregation: 'Total'
        operator: 'GreaterThan'
        threshold: 0
        severity: 1
        window: 'PT5M'
      }
    ]
  }
}

module redisAlerts 'modules/metric-alerts.bicep' = {
  name: 'alerts-redis'
  params: {
    prefix: 'alert-${base}-redis'
    tags: tags
    targetId: redisId
    actionGroupId: actionGroupId
    alerts: [
      {
        name: 'memory'
        description: 'Redis is filling up, and refuses writes when it is full. docs/azure/scale.md'
        metric: 'usedmemorypercentage'
        aggregation: 'Maximum'
        operator: 'GreaterThan'
        threshold: 75
        severity: 1
        window: 'PT5M'
      }
    ]
  }
}

module signalrAlerts 'modules/metric-alerts.bicep' = {
  name: 'alerts-signalr'
  params: {
    prefix: 'alert-${base}-signalr'
    tags: tags
    targetId: signalrId
    actionGroupId: actionGroupId
    alerts: [
      {
        name: 'connections'
        description: 'Soon no further client can connect. docs/azure/scale.md'
        metric: 'ConnectionQuotaUtilization'
        aggregation: 'Maximum'
        operator: 'GreaterThan'
        threshold: 80
        severity: 1
        window: 'PT5M'
      }
    ]
  }
}

module logAlerts 'modules/log-alerts.bicep' = {
  name: 'alerts-app'
  params: {
    prefix: 'alert-${base}-app'
    location: location
    tags: tags
    targetId: insightsId
    actionGroupId: actionGroupId
    alerts: [
      {
        name: 'orders-refused'
        description: 'More than 1 in 100 orders is answered with an error. docs/guide/operations.md'
        query: loadTextContent('queries/orders-refused.kql')
        severity: 0
        window: 'PT5M'
      }
      {
        name: 'orders-slow'
        description: 'One order in a hundred waits for longer than 150 ms. docs/azure/scale.md'
        query: loadTextContent('queries/orders-slow.kql')
        severity: 1
        window: 'PT15M'
      }
      {
        name: 'reports-not-booked'
        description: 'An execution report contradicts the books. GET /api/operations/backlog lists it.'
        query: loadTextContent('queries/reports-not-booked.kql')
        severity: 0
        window: 'PT5M'
      }
    ]
  }
}
