"""`python -m sandbox.verify --broker DSN [--exchange DSN|URL] [--messaging DSN] [--durable DSN] [--journal FILE]`."""

import typer

from sandbox.verify.command import standalone

if __name__ == "__main__":
    typer.run(standalone)
