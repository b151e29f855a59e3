"""Queue and blob bindings and timers on a storage account, for Azurite above all.

`accounts`, `bindings` and `readiness` need no SDK; the rest is loaded through `readiness.storage_parts`.
"""
