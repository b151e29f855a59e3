"""`python -m bench.growth`: what each statement on the path of an order and of every list reads as the history grows.

Databases of 10,000, 100,000 and 1,000,000 orders (`--quick`: 2,000 and 20,000), a tenth of them one user's. For each
statement: rows met by its scans, shared blocks, milliseconds; `grown` lists those that read more than half as much
again at the largest size. The ledger of each size balances, or the run fails.
"""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from bench.growth.history import fill_history
from bench.growth.reading import Readings, grown
from bench.growth.workload import read_everything
from bench.report import Quick, result, say
from emulators.processes.postgres import PostgresServer
from shared.adapters.postgres.migrate import migrate

_FULL, _QUICK = (10_000, 100_000, 1_000_000), (2_000, 20_000)
Sizes = Annotated[list[int] | None, typer.Option("--orders", min=1_000, help="A size; several from small to large")]


def main(orders: Sizes = None, *, quick: Quick = False) -> None:
    """Fill, read, print one JSON line."""
    sizes = tuple(orders) if orders else _QUICK if quick else _FULL
    with TemporaryDirectory(prefix="bench-growth-") as folder:
        server = PostgresServer.start(Path(folder) / "postgres", fsync=False)
        try:
            found = {size: _at(server, size) for size in sizes}
        finally:
            server.stop()
    names = sorted(set().union(*found.values()))
    statements = {
        name: {
            str(size): {"rows": round(at[name].rows), "blocks": at[name].blocks, "ms": round(at[name].ms, 2)}
            for size, at in found.items()
            if name in at
        }
        for name in names
    }
    result("growth", {"grown": sorted(grown(found[sizes[0]], found[sizes[-1]])), "statements": statements})


def _at(server: PostgresServer, size: int) -> Readings:
    url = server.create_database(f"orders_{size}")
    migrate(url)
    asyncio.run(fill_history(url, size))
    say(f"{size} orders are there")
    return asyncio.run(read_everything(url))


if __name__ == "__main__":
    typer.run(main)
