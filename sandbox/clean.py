"""Delete a data folder, and only a data folder."""

import shutil
from pathlib import Path

from emulators.processes.postgres import PostgresServer
from sandbox.folder import DataFolder
from sandbox.leftovers import end_leftovers
from sandbox.report import Report


def clean(path: Path, report: Report) -> None:
    """Delete the folder's contents. Raises SandboxError when it is in use or not a sandbox's."""
    folder = DataFolder.at(path)
    if not folder.path.exists():
        report.say(f"There is nothing to delete: {folder.path} does not exist.")
        return
    with folder.owned():
        end_leftovers(folder)
        PostgresServer(folder.postgres, 0).end_previous()
        shutil.rmtree(folder.path)
    report.done("Deleted", report.elapsed_s, str(folder.path))
