"""Applications in Entra ID: the API with its scope and roles, and who deploys.

`python -m infra.entra prod --repository OWNER/NAME` makes or updates them; running it again changes nothing.
"""
