"""Bring a database up to the newest schema: `POSTGRES_URL=... python -m shared.adapters.postgres.migrate`.

Numbered `.sql` files, applied once each by yoyo under its lock; DevOps runs it before a deployment. A URI without a
password connects with an access token of the identity that runs it.
"""

import asyncio
import os
import sys
from pathlib import Path

from yoyo import get_backend, read_migrations

from shared.adapters.azure_identity import ManagedIdentity
from shared.adapters.postgres.passwords import password_source

MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(url: str) -> list[str]:
    """Apply what is missing; returns the ids of the migrations applied now."""
    scheme, _, rest = url.partition("://")
    migrations = read_migrations(str(MIGRATIONS))
    with get_backend(f"{scheme.split('+')[0]}+psycopg://{rest}") as backend, backend.lock():
        missing = backend.to_apply(migrations)
        backend.apply_migrations(missing)
    return [str(migration.id) for migration in missing]


async def _access_token(url: str) -> str | None:
    """The password of this run, where the URI has none of its own."""
    identity = ManagedIdentity()
    source = password_source(url, identity)
    try:
        return await source() if source else None
    finally:
        await identity.close()


def main() -> None:
    """Migrate the database named by POSTGRES_URL."""
    url = os.environ.get("POSTGRES_URL")
    if not url:
        sys.exit("POSTGRES_URL is not set: give the database's URL, e.g. postgresql://user:password@host/broker")
    if token := asyncio.run(_access_token(url)):
        os.environ["PGPASSWORD"] = token
    applied = migrate(url)
    sys.stdout.write(f"applied {len(applied)} migration(s): {', '.join(applied) or 'nothing new'}\n")


if __name__ == "__main__":
    main()
