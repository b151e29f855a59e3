"""Numbered SQL migrations, applied by yoyo."""

from pathlib import Path

from yoyo import get_backend, read_migrations


def migrate(dsn: str) -> None:
    """Bring the database of `dsn` (a libpq URI) to the newest schema."""
    backend = get_backend(dsn.replace("postgresql://", "postgresql+psycopg://", 1))
    try:
        migrations = read_migrations(str(Path(__file__).with_name("migrations")))
        with backend.lock():
            backend.apply_migrations(backend.to_apply(migrations))
    finally:
        backend.connection.close()
