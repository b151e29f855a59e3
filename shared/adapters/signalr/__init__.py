"""Azure SignalR Service in serverless mode, by its data-plane REST API: Azure has no SDK for Python that covers it
(https://learn.microsoft.com/azure/azure-signalr/signalr-reference-data-plane-rest-api)."""
