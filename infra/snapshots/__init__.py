"""What the templates become for each environment, one line a resource: an offline preview of a change.

`python -m infra.snapshots` writes the files again; `python -m infra.snapshots --diff prod` shows what a change does.
"""
