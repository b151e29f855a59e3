"""Databases for tests: prepared once, copied in milliseconds."""

from dataclasses import dataclass
from uuid import uuid4

import psycopg
from psycopg import sql

from emulators.processes.postgres import PostgresServer
from shared.adapters.postgres.migrate import migrate


@dataclass(frozen=True)
class Template:
    """A prepared database that nobody connects to."""

    server: PostgresServer
    name: str

    @classmethod
    def migrated(cls, server: PostgresServer) -> "Template":
        """The broker's newest schema, empty."""
        url = server.create_database("migrated_template")
        migrate(url)
        return cls.of(server, url)

    @classmethod
    def of(cls, server: PostgresServer, url: str) -> "Template":
        """What the database holds now; nobody can connect to it any more."""
        template = cls(server, url.rpartition("/")[2])
        # A database that somebody is connected to cannot be copied.
        template._run(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(template.name)))
        ended = sql.SQL("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = {}")
        template._run(ended.format(sql.Literal(template.name)))
        return template

    def copy(self) -> str:
        """URI of a new copy."""
        name = f"test_{uuid4().hex}"
        self._run(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(self.name)))
        return self.server.dsn(name)

    def drop(self, url: str) -> None:
        """Remove a copy, whoever is connected to it."""
        name = url.rpartition("/")[2]
        self._run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _run(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.server.dsn(), autocommit=True) as connection:
            connection.execute(statement)
