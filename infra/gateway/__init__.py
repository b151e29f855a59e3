"""API Management: what it does for each call, generated from the route table.

`python -m infra.generated` writes `infra/bicep/policies`; a test compares what is written with what is generated.
"""
