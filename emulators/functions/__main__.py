"""`python -m emulators.functions --app DIR`: the host's command line; group processes use it too."""

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from emulators.functions.environments import VersionError, check_host, choose_packages
from emulators.functions.group_options import GroupOptions
from emulators.functions.supervisor import HostError, HostOptions, Supervisor
from emulators.processes.output import lose_lines_instead_of_failing

_MEGABYTE = 1024 * 1024


class Groups(StrEnum):
    """How functions are spread over processes."""

    DEFAULT = "default"
    FLEX = "flex"


def main(
    app: Annotated[Path, typer.Option(help="Folder of function_app.py.")],
    port: Annotated[int, typer.Option("--port", "-p", help="Port of the HTTP functions; 0 takes a free one.")] = 7071,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    groups: Annotated[
        Groups, typer.Option(help="Two processes, or one for each scale group of Flex Consumption.")
    ] = Groups.DEFAULT,
    settings: Annotated[Path | None, typer.Option(help="Settings file instead of local.settings.json.")] = None,
    database: Annotated[str | None, typer.Option(help="PostgreSQL URI; without it one is started if needed.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of keys and PostgreSQL [default: APP/.emulators].")] = None,
    webhook_host: Annotated[str | None, typer.Option(help="Name under which clients reach this host.")] = None,
    log_level: Annotated[str | None, typer.Option(help="Instead of host.json's: debug, information, warning.")] = None,
    body_limit: Annotated[int, typer.Option(help="Bytes of a request body that are accepted.")] = 100 * _MEGABYTE,
    drain_seconds: Annotated[float, typer.Option(help="How long running functions may take to end.")] = 30.0,
    watch: Annotated[bool, typer.Option("--watch", help="Load the app again when its files change.")] = False,
    preload: Annotated[
        list[str] | None,
        typer.Option(help="Module that the app imports, and that may be imported once for all processes; repeatable."),
    ] = None,
    refuse_after_ms: Annotated[
        int | None,
        typer.Option(min=1, help="Refuse (503) what is not GET while requests wait this long for their turn."),
    ] = None,
    no_keys: Annotated[
        bool, typer.Option("--no-keys", help="Let HTTP functions, /admin and webhooks need no key, as Core Tools do.")
    ] = False,
    group: Annotated[str | None, typer.Option(hidden=True)] = None,
    template: Annotated[bool, typer.Option("--template", hidden=True)] = False,
    channel_fd: Annotated[int, typer.Option(hidden=True)] = -1,
    listen_fd: Annotated[int | None, typer.Option(hidden=True)] = None,
    parent: Annotated[int, typer.Option(hidden=True)] = 0,
) -> None:
    """Run a Python v2-model function app on this machine."""
    lose_lines_instead_of_failing()
    app = app.resolve()
    data = (data or app / ".emulators").resolve()
    settings = settings.resolve() if settings else None
    if group is not None or template:
        options = GroupOptions(
            app,
            settings,
            data,
            groups,
            group or "",
            webhook_host or "",
            log_level,
            body_limit,
            drain_seconds,
            channel_fd,
            listen_fd,
            parent,
            refuse_after_ms,
            no_keys,
        )
        _run_process(options, preload or [], template=template)
        return
    host_options = HostOptions(
        app,
        host,
        port,
        groups,
        settings,
        database,
        data,
        webhook_host,
        log_level,
        body_limit,
        drain_seconds,
        watch,
        tuple(preload or ()),
        refuse_after_ms,
        no_keys,
    )
    try:
        check_host()
        asyncio.run(_serve(host_options))
    except (HostError, VersionError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


def _run_process(options: GroupOptions, modules: list[str], *, template: bool) -> None:
    """Be a group's process, or the one they are forked from. The imports are here to keep the supervisor small."""
    choose_packages(options.app)
    if template:
        from emulators.functions.template import run_template  # noqa: PLC0415

        run_template(options, modules)
    from emulators.functions.group import run_group  # noqa: PLC0415

    run_group(options)


async def _serve(options: HostOptions) -> None:
    await Supervisor(options).run()


def run() -> None:
    """The command `emulators-functions`."""
    typer.run(main)


if __name__ == "__main__":
    run()
