"""How PostgreSQL knows the app: by the password in its URI, or by an access token of the app's identity.

An access token is sent as the password of a role that was made for the identity, and is checked when a connection is
made (learn.microsoft.com/azure/postgresql/flexible-server, "Microsoft Entra authentication"). So a connection outlives
its token, and each new one asks for a valid one.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from psycopg.conninfo import conninfo_to_dict

from shared.adapters.azure_identity import ManagedIdentity

SCOPE: Final = "https://ossrdbms-aad.database.windows.net/.default"
_ENCRYPTED: Final = frozenset({"require", "verify-ca", "verify-full"})

type PasswordSource = Callable[[], Awaitable[str]]


def password_source(url: str, identity: ManagedIdentity) -> PasswordSource | None:
    """Where passwords come from, None when the URI has one or names a socket of this machine.

    Raises ValueError for a URI without a password whose connections could be unencrypted: tokens would travel in clear.
    """
    parameters = conninfo_to_dict(url)
    if "password" in parameters or str(parameters.get("host", "/")).startswith("/"):
        return None
    if parameters.get("sslmode") not in _ENCRYPTED:
        raise ValueError(
            "POSTGRES_URL has no password, so the app's access token is its password: add sslmode=verify-full "
            "(or require), or put a password into the URI"
        )
    return partial(identity.token, SCOPE)
