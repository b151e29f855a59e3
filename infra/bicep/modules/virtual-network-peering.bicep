metadata description = 'One direction of a peering between two virtual networks.'

@description('The network of this resource group that the peering belongs to.')
param networkName string

@description('The network at the other end.')
param remoteNetworkId string

@description('Its name.')
param name string

resource network 'Microsoft.Network/virtualNetworks@2026-03-01' existing = {
  name: networkName

  resource peering 'virtualNetworkPeerings' = {
    name: name
    properties: {
      remoteVirtualNetwork: { id: remoteNetworkId }
      allowVirtualNetworkAccess: true
      allowForwardedTraffic: false
      allowGatewayTransit: false
      useRemoteGateways: false
    }
  }
}
