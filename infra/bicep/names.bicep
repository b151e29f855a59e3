metadata description = 'Names that more than one template must agree on.'

@export()
@description('Start of all names of what regions share.')
func globalBase(workload string, environment string) string => '${workload}-${environment}'

@export()
@description('Start of all names of a region.')
func regionBase(workload string, environment string, region string) string => '${workload}-${environment}-${region}'

@export()
@description('Start of all names of a cell.')
func cellBase(workload string, environment string, cell string) string => '${workload}-${environment}-${cell}'

@export()
@description('Resource group of a region.')
func regionGroup(workload string, environment string, region string) string =>
  'rg-${regionBase(workload, environment, region)}'

@export()
@description('Resource group of a cell.')
func cellGroup(workload string, environment string, region string, cell string) string =>
  'rg-${regionBase(workload, environment, region)}-${cell}'

@export()
@description('The part of a name that makes it unique in the world.')
func unique(subscriptionId string, base string) string => take(uniqueString(subscriptionId, base), 5)

@export()
@description('Address range of a region\'s own network: the first /20 of the region\'s /16.')
func hubPrefix(regionPrefix string) string => cidrSubnet(regionPrefix, 20, 0)
