"""Azure Functions on one machine: runs any Python v2-model function app.

Microsoft's `azure-functions-runtime` indexes, validates, converts and invokes; this package is the
host around it: HTTP, timers, Service Bus, Durable, keys, admin API and supervision of the groups.
"""
