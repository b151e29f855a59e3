"""Faults of the database that no dependency's switch can make: inserts that fail for named rows."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from tests.e2e.world import Broker

_FAIL = """
CREATE FUNCTION fail_on_purpose() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'on purpose' USING ERRCODE = {sqlstate}; END $$;
CREATE TRIGGER fail_on_purpose BEFORE INSERT ON {table} FOR EACH ROW WHEN ({condition})
EXECUTE FUNCTION fail_on_purpose()
"""


@contextmanager
def failing_inserts(broker: Broker, table: str, *, sqlstate: str, condition: str = "true") -> Iterator[None]:
    """Inserts into the table fail with the SQLSTATE where the condition on NEW holds, until the context ends."""
    with psycopg.connect(broker.sandbox.dsn(), autocommit=True) as connection:
        statement = sql.SQL(_FAIL).format(
            sqlstate=sql.Literal(sqlstate), table=sql.Identifier(table), condition=sql.SQL(condition)
        )
        connection.execute(statement)
        try:
            yield
        finally:
            connection.execute("DROP FUNCTION fail_on_purpose CASCADE")
