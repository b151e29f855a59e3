metadata description = 'Identities that may read and write documents of one database. Cosmos DB keeps such roles itself.'

@description('The account.')
param accountName string

@description('The database, which is the scope of the role.')
param databaseName string

@description('Resource ids of the identities.')
param identityIds string[]

resource account 'Microsoft.DocumentDB/databaseAccounts@2026-03-15' existing = {
  name: accountName

  // Cosmos DB Built-in Data Contributor.
  resource contributor 'sqlRoleDefinitions' existing = { name: '00000000-0000-0000-0000-000000000002' }
}

resource holders 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = [
  for id in identityIds: {
    name: last(split(id, '/'))
    scope: resourceGroup(split(id, '/')[2], split(id, '/')[4])
  }
]

// One at a time: the account refuses a change of its roles while another one is under way.
@batchSize(1)
resource assignments 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2026-03-15' = [
  for (id, i) in identityIds: {
    parent: account
    name: guid(account.id, id, databaseName)
    properties: {
      roleDefinitionId: account::contributor.id
      principalId: holders[i].properties.principalId
      scope: '${account.id}/dbs/${databaseName}'
    }
  }
]
