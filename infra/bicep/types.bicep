metadata description = 'Types that modules share, and the roles that identities may hold.'

@export()
@description('Where in its life cycle a deployment stands.')
type Environment = 'dev' | 'test' | 'prod'

@export()
@description('Tags of a resource: name and value.')
type Tags = {
  *: string
}

@export()
@description('One of the two function apps of a cell. While one serves, the other takes the next release.')
type Colour = 'blue' | 'green'

@export()
@description('A function app of a cell.')
@sealed()
type ColourRollout = {
  @description('Which of the two.')
  name: Colour

  @description('Share of the cell\'s requests that API Management sends to it, in per cent.')
  @minValue(0)
  @maxValue(100)
  weight: int

  @description('Whether queues, hubs and timers trigger its functions. False until it takes over.')
  triggers: bool
}

@export()
@description('A cell: one unit of scale and of failure. Users belong to it by their slot.')
@sealed()
type Cell = {
  @description('Its name, unique over all regions, for example c1.')
  @minLength(2)
  @maxLength(4)
  name: string

  @description('First of the user slots (0 to 4095) that it serves.')
  @minValue(0)
  @maxValue(4095)
  firstSlot: int

  @description('Last of the user slots that it serves.')
  @minValue(0)
  @maxValue(4095)
  lastSlot: int

  @description('Its function apps.')
  @minLength(1)
  @maxLength(2)
  colours: ColourRollout[]

  @description('Which part of the region\'s address range it uses: 1 to 15. Never changed, never used twice.')
  @minValue(1)
  @maxValue(15)
  addressBlock: int

  @description('Name of the region that holds the read replica of its database, for recovery; leave out for none.')
  replicaRegion: string?
}

@export()
@description('A region with the cells that run in it.')
@sealed()
type Region = {
  @description('Short name, used in resource names, for example inc.')
  @minLength(2)
  @maxLength(4)
  name: string

  @description('Azure\'s name of the region, for example centralindia.')
  location: string

  @description('Azure\'s name of the region for people, by which Cosmos DB knows it, for example Central India.')
  displayName: string

  @description('Address range of the region, a /16 that no other region has.')
  addressPrefix: string

  @description('Tier of NAT gateways and their addresses. StandardV2 is zone redundant and is not offered in every region.')
  natSku: 'Standard' | 'StandardV2'

  @description('Its cells.')
  @maxLength(15)
  cells: Cell[]
}

@export()
@description('An identity and a role that it holds on the resource to which the list belongs, and on nothing wider.')
@sealed()
type Grant = {
  @description('Name of a user-assigned identity in the cell\'s resource group.')
  identity: string

  @description('Name of the role, a key of `roles`.')
  role: RoleName
}

@export()
@description('Roles that are assigned. All are data-plane roles but the two that the backup service needs.')
type RoleName =
  | 'Azure Event Hubs Data Receiver'
  | 'Azure Event Hubs Data Sender'
  | 'Azure Service Bus Data Owner'
  | 'Azure Service Bus Data Receiver'
  | 'Azure Service Bus Data Sender'
  | 'Durable Task Data Contributor'
  | 'Key Vault Secrets User'
  | 'Monitoring Metrics Publisher'
  | 'PostgreSQL Flexible Server Long Term Retention Backup Role'
  | 'Reader'
  | 'SignalR REST API Owner'
  | 'Storage Blob Data Owner'
  | 'Storage Queue Data Contributor'
  | 'Storage Table Data Contributor'

@export()
@description('Ids of the built-in roles, by name.')
var roles = {
  'Azure Event Hubs Data Receiver': 'a638d3c7-ab3a-418d-83e6-5f17a39d4fde'
  'Azure Event Hubs Data Sender': '2b629674-e913-4c01-ae53-ef4638d8f975'
  'Azure Service Bus Data Owner': '090c5cfd-751d-490a-894a-3ce6f1109419'
  'Azure Service Bus Data Receiver': '4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0'
  'Azure Service Bus Data Sender': '69a216fc-b8fb-44d8-bc22-1f3c2cd27a39'
  'Durable Task Data Contributor': '0ad04412-c4d5-4796-b79c-f76d14c8d402'
  'Key Vault Secrets User': '4633458b-17de-408a-b874-0445c86b69e6'
  'Monitoring Metrics Publisher': '3913510d-42f4-4e42-8a64-420c390055eb'
  'PostgreSQL Flexible Server Long Term Retention Backup Role': 'c088a766-074b-43ba-90d4-1fb21feae531'
  Reader: 'acdd72a7-3385-48ef-bd42-f606fba81ae7'
  'SignalR REST API Owner': 'fd53cd77-2268-407a-8f46-7e7863d0f521'
  'Storage Blob Data Owner': 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  'Storage Queue Data Contributor': '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
  'Storage Table Data Contributor': '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
}

@export()
@description('What a database server is made of.')
@sealed()
type PostgresSize = {
  @description('Compute size, for example Standard_E16ds_v5.')
  sku: string

  @description('Compute tier.')
  tier: 'Burstable' | 'GeneralPurpose' | 'MemoryOptimized'

  @description('Storage in GiB.')
  @minValue(32)
  storageGiB: int

  @description('Days of point-in-time restore.')
  @minValue(7)
  @maxValue(35)
  backupDays: int
}

@export()
@description('How many units of each service a cell has.')
@sealed()
type CellSize = {
  @description('The database server.')
  postgres: PostgresSize

  @description('Memory of an instance of the function app in MB.')
  instanceMemoryMB: 512 | 2048 | 4096

  @description('Most instances of each scale group.')
  @minValue(40)
  @maxValue(1000)
  maximumInstances: int

  @description('Instances of each scale group that always run. Zone redundancy bills at least two of each.')
  @minValue(0)
  alwaysReady: int

  @description('Requests that one instance serves at the same time.')
  @minValue(1)
  @maxValue(1000)
  httpConcurrency: int

  @description('Connections to the database that one instance opens at most.')
  @minValue(1)
  @maxValue(100)
  postgresPool: int

  @description('Units of the Durable Task Scheduler, 3 for high availability; 0: its consumption tier.')
  @minValue(0)
  @maxValue(3)
  schedulerUnits: int

  @description('Messaging units of Service Bus (premium tier); 0: the standard tier.')
  serviceBusUnits: 0 | 1 | 2 | 4 | 8 | 16

  @description('Processing units of Event Hubs (premium tier); 0: the standard tier.')
  eventHubsUnits: 0 | 1 | 2 | 4 | 6 | 8 | 10 | 12 | 16

  @description('Size of Azure Managed Redis.')
  redisSku:
    | 'Balanced_B0'
    | 'Balanced_B3'
    | 'Balanced_B5'
    | 'Balanced_B10'
    | 'Balanced_B20'
    | 'Balanced_B50'
    | 'Balanced_B100'

  @description('Tier of SignalR Service.')
  signalrTier: 'Standard' | 'Premium'

  @description('Units of SignalR Service: 1,000 connections each.')
  @minValue(1)
  @maxValue(100)
  signalrUnits: int

  @description('Budget of the cell for a month, in the billing currency.')
  @minValue(1)
  monthlyBudget: int
}

@export()
@description('A group of Entra ID.')
@sealed()
type Group = {
  @description('Its object id.')
  @minLength(36)
  @maxLength(36)
  objectId: string

  @description('Its name, as PostgreSQL will know it.')
  name: string
}

@export()
@description('Who issues access tokens, for whom.')
@sealed()
type Identity = {
  @description('Issuer of valid tokens.')
  issuer: string

  @description('Audience of valid tokens: the API\'s application (client) id.')
  audience: string

  @description('Where the issuer publishes its keys.')
  jwksUrl: string

  @description('The issuer\'s OpenID configuration, which API Management reads.')
  openIdConfigurationUrl: string
}

@export()
@description('What applies to every resource of a deployment.')
@sealed()
type Posture = {
  @description('Where in its life cycle the deployment stands.')
  environment: Environment

  @description('Whether services are reached over private endpoints alone.')
  private: bool

  @description('Whether services are spread over availability zones.')
  zoneRedundant: bool

  @description('Whether resources that hold data are locked against deletion, and backups are immutable.')
  protected: bool

  @description('Days that logs are kept.')
  @minValue(30)
  @maxValue(730)
  logDays: int
}

@export()
@description('Features that Azure offers as a preview. Off unless switched on knowingly.')
@sealed()
type Previews = {
  @description('Flex Consumption replaces instances one by one when code or settings change, instead of all at once.')
  rollingUpdates: bool

  @description('Premium SSD v2 for PostgreSQL: more throughput of the write-ahead log, no customer-managed keys.')
  postgresPremiumSsdV2: bool
}
