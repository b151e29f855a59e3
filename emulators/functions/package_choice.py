"""Of two environments, one of the host and one of an app: which packages a process takes from the host's.

Purpose: one process runs both, and has one version of each package.
Rules: what only the host has, and what `always` names, comes from the host. Of the rest of what the host needs, the
app's version is taken if the host accepts it, and every package taken from the host, and if it accepts those in turn.
"""

from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import Distribution

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

type Distributions = Mapping[NormalizedName, Distribution]


def needed_by(names: Iterable[str], installed: Distributions) -> set[NormalizedName]:
    """The installed ones of `names`, and what they need."""
    found: set[NormalizedName] = set()
    waiting = [canonicalize_name(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name in installed and name not in found:
            found.add(name)
            waiting += [canonicalize_name(requirement.name) for requirement in _requirements(installed[name])]
    return found


def taken_from_host(
    needed: set[NormalizedName],
    host: Distributions,
    app: Distributions,
    *,
    always: Iterable[str],
    own: Sequence[Requirement],
) -> set[NormalizedName]:
    """Which of the packages that the host needs come from its environment; `own` are the host's own requirements."""
    taken = {name for name in needed if name not in app} | (needed & set(map(canonicalize_name, always)))
    while unfit := {name for name in needed - taken if not _fits(name, taken, host, app, own)}:
        taken |= unfit
    return taken


def _fits(
    name: NormalizedName,
    taken: set[NormalizedName],
    host: Distributions,
    app: Distributions,
    own: Sequence[Requirement],
) -> bool:
    """Whether the app's version of a package can be used beside what is taken from the host."""
    of_host = [*own, *(requirement for other in taken for requirement in _requirements(host[other]))]
    accepted = all(
        _accepts(requirement, app[name]) for requirement in of_host if canonicalize_name(requirement.name) == name
    )
    return accepted and all(
        _accepts(requirement, host[canonicalize_name(requirement.name)])
        for requirement in _requirements(app[name])
        if canonicalize_name(requirement.name) in taken
    )


def _accepts(requirement: Requirement, distribution: Distribution) -> bool:
    return requirement.specifier.contains(distribution.version, prereleases=True)


def _requirements(distribution: Distribution) -> list[Requirement]:
    """Those that hold here, without extras."""
    found = map(Requirement, distribution.requires or ())
    return [one for one in found if one.marker is None or one.marker.evaluate({"extra": ""})]


def import_roots(distribution: Distribution) -> set[str]:
    """What a distribution lets people import: `starlette`, or below a namespace `azure.servicebus`."""
    files = distribution.files or ()
    packages = {file.parts[:-1] for file in files if file.name == "__init__.py"}
    roots = {next(parts[:size] for size in range(1, len(parts) + 1) if parts[:size] in packages) for parts in packages}
    modules = {file.name.partition(".")[0] for file in files if len(file.parts) == 1 and file.suffix in (".py", ".so")}
    return {".".join(root) for root in roots} | modules
