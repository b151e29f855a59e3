"""Documents in Azure Cosmos DB."""
