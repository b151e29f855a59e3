"""Databases and containers that exist from the start, because a file declares them:

    {"databases": [{"id": "shop", "containers": [{"id": "orders", "partitionKey": {"paths": ["/customer"]}}]}]}

A container is declared as the REST API takes it. What exists already stays as it is.
"""

from pathlib import Path

import orjson

from emulators.cosmos.catalog import Catalog
from emulators.cosmos.documents import Document
from emulators.cosmos.errors import CosmosError
from emulators.cosmos.values import Value


class DeclarationError(Exception):
    """The file cannot be used; the message names it and says why."""


def read_declarations(path: Path) -> list[Document]:
    """The databases of a file. Raises DeclarationError."""
    try:
        content: Value = orjson.loads(path.read_bytes())
    except OSError as error:
        raise DeclarationError(f"{path} cannot be read: {error.strerror}.") from error
    except orjson.JSONDecodeError as error:
        raise DeclarationError(f"{path} is not JSON: {error}.") from error
    databases = content.get("databases") if isinstance(content, dict) else None
    if not isinstance(databases, list) or not all(isinstance(one, dict) for one in databases):
        raise DeclarationError(f"{path} must hold an object with an array of 'databases'.")
    for database in databases:
        containers = database.get("containers", [])
        if not isinstance(containers, list) or not all(isinstance(one, dict) for one in containers):
            raise DeclarationError(f"'containers' of a database in {path} must be an array of objects.")
    return databases


async def declare(catalog: Catalog, databases: list[Document]) -> None:
    """Create what does not exist yet. Raises DeclarationError."""
    for database in databases:
        name = database.get("id")
        try:
            if name not in catalog.databases:
                await catalog.create_database(database)
            for container in database.get("containers", []):
                if container.get("id") not in catalog.database(str(name)).containers:
                    await catalog.create_container(str(name), container, None)
        except CosmosError as error:
            raise DeclarationError(f"The database {name!r} cannot be declared: {error.message}") from error
