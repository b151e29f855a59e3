metadata description = 'The API in API Management. Operations and policy are generated from the route table by infra/generated.py; see policies/.'

@description('A call.')
type Operation = {
  @description('Its name.')
  name: string

  @description('What it does.')
  displayName: string

  @description('HTTP method.')
  method: string

  @description('Path below /api.')
  urlTemplate: string

  @description('Names of the path\'s parameters.')
  parameters: string[]
}

@description('API Management, by name.')
param serviceName string

@description('Calls of the API.')
param operations Operation[]

@description('The policy of all calls, as XML.')
param policy string

@description('Which slots belong to which cell: `c1:0-2047,c2:2048-4095`. The only place that routes users to cells.')
param directory string

resource service 'Microsoft.ApiManagement/service@2024-05-01' existing = { name: serviceName }

resource cellDirectory 'Microsoft.ApiManagement/service/namedValues@2024-05-01' = {
  parent: service
  name: 'cell-directory'
  properties: { displayName: 'cell-directory', value: directory }
}

resource api 'Microsoft.ApiManagement/service/apis@2024-05-01' = {
  parent: service
  name: 'broker'
  properties: {
    displayName: 'Broker'
    path: 'api'
    protocols: ['https']
    type: 'http'
    // Callers are known by their access tokens.
    subscriptionRequired: false
  }

  resource calls 'operations' = [
    for operation in operations: {
      name: operation.name
      properties: {
        displayName: operation.displayName
        method: operation.method
        urlTemplate: operation.urlTemplate
        templateParameters: [for parameter in operation.parameters: { name: parameter, type: 'string', required: true }]
      }
    }
  ]

  resource policies 'policies' = {
    name: 'policy'
    properties: { format: 'xml', value: policy }
    dependsOn: [cellDirectory]
  }
}
