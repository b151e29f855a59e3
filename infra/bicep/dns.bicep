metadata description = 'Names of the private DNS zones, by the part of a service that is reached.'

@export()
@description('Zone by group id of a private endpoint.')
var privateDnsZones = {
  #disable-next-line no-hardcoded-env-urls // the public cloud's zone: the broker runs in India, which has no other cloud
  blob: 'privatelink.blob.core.windows.net'
  Gateway: 'privatelink.azure-api.net'
  namespace: 'privatelink.servicebus.windows.net'
  postgresqlServer: 'privatelink.postgres.database.azure.com'
  #disable-next-line no-hardcoded-env-urls // the public cloud's zone: the broker runs in India, which has no other cloud
  queue: 'privatelink.queue.core.windows.net'
  redisEnterprise: 'privatelink.redis.azure.net'
  scheduler: 'privatelink.durabletask.io'
  signalr: 'privatelink.service.signalr.net'
  sites: 'privatelink.azurewebsites.net'
  Sql: 'privatelink.documents.azure.com'
  #disable-next-line no-hardcoded-env-urls // the public cloud's zone: the broker runs in India, which has no other cloud
  table: 'privatelink.table.core.windows.net'
  vault: 'privatelink.vaultcore.azure.net'
}
