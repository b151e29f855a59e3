"""Write the snapshots again, or show what a change does: `python -m infra.snapshots [--diff] [ENVIRONMENT...]`."""

import argparse
import sys

from infra.compiler import ENVIRONMENTS, CompilerError, expand
from infra.snapshots.text import FOLDER, differences, written


def main() -> None:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(prog="python -m infra.snapshots", description=__doc__)
    parser.add_argument(
        "environments", nargs="*", metavar="ENVIRONMENT", help=f"{', '.join(ENVIRONMENTS)}; all if none"
    )
    parser.add_argument("--diff", action="store_true", help="only show what differs from the files")
    options = parser.parse_args()
    if unknown := set(options.environments) - set(ENVIRONMENTS):
        parser.error(f"no such environment: {', '.join(sorted(unknown))}")
    for environment in options.environments or ENVIRONMENTS:
        path = FOLDER / f"{environment}.jsonl"
        try:
            fresh = written(expand(environment))
        except CompilerError as error:
            sys.exit(f"Error: {error}")
        if options.diff:
            sys.stdout.writelines(f"{line}\n" for line in differences(path.read_text(encoding="utf-8"), fresh))
        else:
            path.write_text(fresh, encoding="utf-8")


if __name__ == "__main__":
    main()
