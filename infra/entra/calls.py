"""Calls of Microsoft Graph that make what is missing and update what is there.

An application is known by its `uniqueName`, so a second run finds what the first one made
(learn.microsoft.com/graph/api/application-upsert). No secret is ever made: deployments sign in with the identity that
the pipeline's own platform vouches for.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

GRAPH: Final = "https://graph.microsoft.com/v1.0"
_MANIFEST: Final = Path(__file__).parent / "application.json"
_ISSUER: Final = "https://token.actions.githubusercontent.com"
_AUDIENCE: Final = "api://AzureADTokenExchange"


@dataclass(frozen=True)
class Upsert:
    """One PATCH that creates what is missing."""

    path: str
    body: dict[str, Any]


def manifest() -> dict[str, Any]:
    """The API's application as Graph takes it, but for what differs between environments."""
    content: dict[str, Any] = json.loads(_MANIFEST.read_bytes())
    return content


def applications(environment: str, repository: str) -> Iterator[Upsert]:
    """The API, the identity that deploys this environment, and the one that only reads, for pull requests.

    The API's address is added when its id is known: `identifier` below.
    """
    api = {**manifest(), "displayName": f"Broker API ({environment})"}
    yield Upsert(f"applications(uniqueName='broker-{environment}-api')", api)
    for name, subject in subjects(environment, repository).items():
        application = f"applications(uniqueName='{name}')"
        yield Upsert(application, {"displayName": name, "signInAudience": "AzureADMyOrg"})
        credential = {"issuer": _ISSUER, "subject": subject, "audiences": [_AUDIENCE]}
        yield Upsert(f"{application}/federatedIdentityCredentials(name='github')", credential)


def subjects(environment: str, repository: str) -> dict[str, str]:
    """Who may sign in as which application: a job of the environment deploys, one of a pull request reads."""
    return {
        f"broker-{environment}-deploy": f"repo:{repository}:environment:{environment}",
        f"broker-{environment}-preview": f"repo:{repository}:pull_request",
    }


def identifier(app_id: str) -> dict[str, Any]:
    """What clients ask for: a token for this address."""
    return {"identifierUris": [f"api://{app_id}"]}


def principal(app_id: str) -> Upsert:
    """The application's presence in this tenant, which roles are assigned to."""
    return Upsert(f"servicePrincipals(appId='{app_id}')", {"tags": ["broker"]})
