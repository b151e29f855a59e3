"""What PostgreSQL wrote to its log: bytes by database, table or index and kind of record, and commits.

Read by `pg_waldump`, on the server's own machine. Bytes are those of the changes. Images of whole pages, which the
first change of a page after a checkpoint adds, are counted apart: they depend on when checkpoints come.
"""

import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql

from emulators.processes.postgres import binaries

_RECORD: Final = re.compile(r"rmgr: (\w+) +len \(rec/tot\): +(\d+)/ *(\d+), tx: +(\d+),.*?desc: (\S+)")
_RELATION: Final = re.compile(r"rel \d+/(\d+)/(\d+)")
_OF_PARTITION: Final = re.compile(r"_(?:default|\d{4}_\d\d(?:_\d\d)?|\d+)(?=_|$)")
NO_TABLE: Final = "commits and the server's own"


@dataclass
class Tally:
    """Records and their bytes."""

    records: int = 0
    bytes: int = 0

    def add(self, size: int) -> None:
        self.records += 1
        self.bytes += size


@dataclass
class Written:
    """What one stretch of the log contains."""

    relations: dict[tuple[str, str], Tally] = field(default_factory=lambda: defaultdict(Tally))
    """By (database, table or index); partitions under their parent's name."""
    kinds: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    commits: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    images: int = 0
    """Bytes of whole pages."""

    @property
    def bytes(self) -> int:
        """Without whole pages."""
        return sum(tally.bytes for tally in self.kinds.values())

    def of(self, database: str) -> int:
        """Bytes of one database's tables and indexes, without its commit records."""
        return sum(tally.bytes for (name, _), tally in self.relations.items() if name == database)


class WriteAheadLog:
    """The log of one server, seen through a connection to one of its databases."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self._folder = Path(str(self._value("SHOW data_directory"))) / "pg_wal"

    def position(self) -> str:
        """Where the log ends now, with everything up to there on disk."""
        position = str(self._value("SELECT pg_current_wal_insert_lsn()"))
        self._value("SELECT pg_current_xact_id()")  # a commit that waits for the disk
        return position

    def since(self, start: str) -> Written:
        """What was written from a position until now."""
        command = [str(binaries() / "pg_waldump"), "-p", str(self._folder), "-s", start, "-e", self.position()]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        databases, names = self._databases(), self._names()
        written = Written()
        database_of: dict[str, str] = {}
        for line in printed.splitlines():
            if (record := _RECORD.search(line)) is None:
                continue
            manager, size, total, transaction, kind = record.groups()
            relation = _RELATION.search(line, record.end())
            written.kinds[f"{manager} {kind}"].add(int(size))
            written.images += int(total) - int(size)
            if relation is not None:
                database = database_of[transaction] = databases.get(relation[1], "")
                written.relations[database, names.get((relation[1], relation[2]), relation[2])].add(int(size))
            else:
                written.relations["", NO_TABLE].add(int(size))
            if manager == "Transaction" and kind == "COMMIT":
                written.commits[database_of.get(transaction, "")] += 1
        return written

    def _value(self, query: str) -> object:
        row = self._connection.execute(query.encode()).fetchone()
        return row[0] if row else None

    def _databases(self) -> Mapping[str, str]:
        return {str(oid): name for oid, name in self._connection.execute("SELECT oid, datname FROM pg_database")}

    def _names(self) -> Mapping[tuple[str, str], str]:
        """Names of tables and indexes of this connection's database, by database and file."""
        query = "SELECT pg_relation_filenode(oid), relname FROM pg_class WHERE relkind IN ('r', 'i', 't', 'S')"
        own = str(self._value("SELECT oid FROM pg_database WHERE datname = current_database()"))
        return {(own, str(file)): _OF_PARTITION.sub("", name) for file, name in self._connection.execute(query)}


@contextmanager
def write_ahead_log(dsn: str, *, images: bool = True) -> Iterator[WriteAheadLog]:
    """The log of the server that has this database; without `images` the server writes no whole pages from now on."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        if not images:
            connection.execute(sql.SQL("ALTER SYSTEM SET full_page_writes = off"))
            connection.execute("SELECT pg_reload_conf()")
            connection.execute("CHECKPOINT")
        yield WriteAheadLog(connection)
