"""Bring a database up to the newest schema: `POSTGRES_URL=... python -m shared.adapters.postgres.migrate`.

Numbered `.sql` files, applied once each by yoyo under its lock; DevOps runs it before a deployment.
"""

import os
import sys
from pathlib import Path

from yoyo import get_backend, read_migrations

MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(url: str) -> list[str]:
    """Apply what is missing; returns the ids of the migrations applied now."""
    scheme, _, rest = url.partition("://")
    backend = get_backend(f"{scheme.split('+')[0]}+psycopg://{rest}")
    migrations = read_migrations(str(MIGRATIONS))
    with backend.lock():
        missing = backend.to_apply(migrations)
        backend.apply_migrations(missing)
    return [str(migration.id) for migration in missing]


def main() -> None:
    """Migrate the database named by POSTGRES_URL."""
    url = os.environ.get("POSTGRES_URL")
    if not url:
        sys.exit("POSTGRES_URL is not set: give the database's URL, e.g. postgresql://user:password@host/broker")
    applied = migrate(url)
    sys.stdout.write(f"applied {len(applied)} migration(s): {', '.join(applied) or 'nothing new'}\n")


if __name__ == "__main__":
    main()
