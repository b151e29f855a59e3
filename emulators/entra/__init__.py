"""Entra ID's v2.0 endpoints on one machine: discovery, keys and tokens, from a JSON file of tenants."""
