"""`python -m emulators.durable history ID --database DSN [--hub NAME] [--json]`: the time line of one instance."""

import asyncio
from typing import Annotated

import orjson
import psycopg
import typer

from emulators.durable.events import utc_text
from emulators.durable.history import Event, event_from_json
from emulators.durable.store import InstanceRow, Store, connect
from emulators.durable.timeline import Moment, masked, timeline

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


class NotFoundError(Exception):
    """There is no such instance, or it is not clear which one is meant."""


@app.callback()
def main() -> None:
    """Look into Durable task hubs."""


@app.command()
def history(
    instance_id: Annotated[str, typer.Argument(metavar="ID", help="the instance's id")],
    database: Annotated[str, typer.Option(envvar="DURABLE_DATABASE", help="libpq URI of the database")],
    hub: Annotated[str | None, typer.Option(help="the task hub; needed if several have such an instance")] = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="one JSON object instead of a table")] = False,
) -> None:
    """Print what an instance did, event by event; inputs and outputs are masked."""
    try:
        row, events = asyncio.run(_read(database, hub, instance_id))
    except (NotFoundError, psycopg.Error) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    moments = list(timeline(events))
    if json:
        typer.echo(orjson.dumps({**_summary(row), "history": [moment.to_json() for moment in moments]}))
    else:
        typer.echo("\n".join([*_heading(row), *map(_line, moments)]))


async def _read(database: str, hub: str | None, instance_id: str) -> tuple[InstanceRow, list[Event]]:
    connection = await connect(database)
    try:
        found = await Store(connection, hub or "").rows("hubs_of_instance", instance_id=instance_id)
        hubs = [row["hub"] for row in found if hub in {None, row["hub"]}]
        if not hubs:
            raise NotFoundError(f"no task hub has an instance '{instance_id}'")
        if len(hubs) > 1:
            raise NotFoundError(f"several task hubs have '{instance_id}': choose with --hub one of {', '.join(hubs)}")
        store = Store(connection, hubs[0])
        [row] = await store.records(InstanceRow, "status", instance_id=instance_id)
        chunks = await store.rows("load_history", execution_id=row.execution_id)
    finally:
        await connection.close()
    return row, [event_from_json(data) for chunk in chunks for data in chunk["events"]]


def _summary(row: InstanceRow) -> dict[str, object]:
    return {
        "instanceId": row.instance_id,
        "name": row.name,
        "version": row.version,
        "runtimeStatus": row.status,
        "executionId": str(row.execution_id),
        "createdTime": utc_text(row.created_at),
        "lastUpdatedTime": utc_text(row.updated_at),
    }


def _heading(row: InstanceRow) -> list[str]:
    return [
        f"{row.name} {row.instance_id}: {row.status}",
        f"created {utc_text(row.created_at)}, input {masked(row.input)}, output {masked(row.output)}",
        "",
    ]


def _line(moment: Moment) -> str:
    task = "" if moment.task is None else f"#{moment.task}"
    took = "" if moment.took_s is None else f"took {moment.took_s * 1000:.1f} ms, "
    return f"{moment.after_s:>12.3f} s  {task:>6}  {moment.what:<26} {moment.name:<28} {took}{moment.detail}".rstrip()


if __name__ == "__main__":
    app()
