"""Azure SignalR Service in its serverless mode on one machine: REST API in, WebSocket clients out.

Nothing is kept: a restart forgets connections and groups, and clients reconnect, as with the real service.
"""
