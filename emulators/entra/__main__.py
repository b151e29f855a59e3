"""`python -m emulators.entra --config FILE --data DIR --port N`: serve until SIGTERM."""

from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from emulators.entra.app import create_app
from emulators.entra.directory import Directory, DirectoryError
from emulators.entra.keys import KeyStore, KeyStoreError
from emulators.entra.tokens import TokenIssuer
from emulators.processes.output import lose_lines_instead_of_failing


class _AnnouncingServer(uvicorn.Server):
    """Prints one line once requests are accepted, for people and supervisors."""

    def __init__(self, config: uvicorn.Config, line: str) -> None:
        super().__init__(config)
        self._line = line

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await super().startup(sockets)  # type: ignore[arg-type]
        if self.started:
            typer.echo(self._line)


def main(
    config: Annotated[Path, typer.Option(help="JSON file of tenants, applications and users")],
    data: Annotated[Path, typer.Option(help="Folder that keeps the signing keys")],
    port: Annotated[int, typer.Option(min=1, max=65535)],
    public_url: Annotated[str | None, typer.Option(help="Address that clients see; part of the issuer")] = None,
    rotate: Annotated[bool, typer.Option("--rotate", help="Sign with a new key from now on")] = False,
) -> None:
    """Entra ID's v2.0 endpoints on 127.0.0.1."""
    lose_lines_instead_of_failing()
    url = (public_url or f"http://127.0.0.1:{port}").rstrip("/")
    try:
        directory = Directory.read(config)
        issuer = TokenIssuer(KeyStore.open(data / "keys", rotate=rotate), url, directory.access_token_lifetime_s)
    except (DirectoryError, KeyStoreError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    settings = uvicorn.Config(
        create_app(directory, issuer), host="127.0.0.1", port=port, log_level="warning", access_log=False, ws="none"
    )
    _AnnouncingServer(settings, f"Entra emulator ready on {url}").run()


def run() -> None:
    """The command `emulators-entra`."""
    typer.run(main)


if __name__ == "__main__":
    run()
