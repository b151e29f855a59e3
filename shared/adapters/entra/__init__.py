"""Microsoft Entra ID: access tokens checked against the issuer's published keys."""
