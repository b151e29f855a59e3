metadata description = 'A user-assigned managed identity: what an app is to every service it calls.'

import { Tags } from '../types.bicep'

@description('Its name.')
param name string

@description('Its region.')
param location string

@description('Tags.')
param tags Tags

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: name
  location: location
  tags: tags
}
