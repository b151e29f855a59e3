"""Processes of this machine: a PostgreSQL of one's own, children that end with their parent, limits."""
