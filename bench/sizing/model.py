"""From measured costs, a load and the services' limits to units: arithmetic alone, no input and no output.

Every demand is per second at the peak. A cell is one scale unit (docs/adr: cells); what serves all cells, such as Front
Door, is sized once. A limit that nobody publishes stays unknown and is named, never guessed.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_MB = 1_000_000
_ACTIONS_PER_SAGA = 12
"""Start, three activities with their results, one event, one timer and the end; each is an action to the scheduler."""
_RU_PER_CANDLE = 10
_REDIS_COMMANDS_PER_ORDER = 2
"""One script of the rate limiter and one publication; batches make it fewer."""
_QUOTES_PER_READ = 20
"""A watchlist is one HMGET of one shard."""
_SHARED = frozenset({"Front Door Premium", "API Management PremiumV2", "Cosmos DB, candles"})


@dataclass(frozen=True, slots=True)
class Profile:
    """A load at its peak, and how much of each unit may be used."""

    daily_users: int
    orders_per_second: float
    orders_per_month: float
    quote_reads_per_second: float
    connected_clients: int
    frames_per_client_and_second: float
    bytes_per_frame: int
    ticks_bytes_per_second: float
    candles_per_second: float
    orders_per_saga: float
    regions: int
    fewest_cells: int
    busy: float
    """Share of a unit that may be used at the peak."""
    host_factor: float
    """CPU of the real host and its channel to the worker, as a multiple of what was measured here."""
    colours_at_once: int
    """Versions of the app that run at full strength during a rollout."""

    def __post_init__(self) -> None:
        if not 0 < self.busy <= 1:
            raise ValueError(f"busy is a share above 0 and at most 1, not {self.busy}")
        if self.orders_per_saga < 1 or self.regions < 1 or self.fewest_cells < 1:
            raise ValueError("orders_per_saga, regions and fewest_cells are at least 1")


@dataclass(frozen=True, slots=True)
class Measured:
    """What one order costs, measured at load: microseconds of CPU, bytes, messages."""

    http_us: float
    rest_us: float
    postgres_us: float
    wal_bytes: float
    bus_bytes: float
    bus_messages: float
    measured_on: str
    """Date and conditions, for the reader."""


@dataclass(frozen=True, slots=True)
class Limit:
    """What one unit of a service carries, and how many units one cell can have; None: not published."""

    service: str
    resource: str
    unit: str
    per_unit: float | None
    most_units: int | None
    most_source: str
    source: str
    as_of: str


@dataclass(frozen=True, slots=True)
class Need:
    """Units of a service, of each cell or (`shared`) of the whole."""

    limit: Limit
    demand: float
    """At the peak, of all cells together."""
    units: int | None
    shared: bool
    most_orders_per_second: float | None
    """Orders a second at which one cell's (or the shared) largest configuration is as busy as it may be."""


@dataclass(frozen=True, slots=True)
class Sizing:
    """The answer: `cells` carry the peak, `cells_in_all` carry it when one region is lost."""

    cells: int
    cells_in_all: int
    needs: tuple[Need, ...]
    bottleneck: Need
    candidates: tuple[str, ...]
    """Services whose limit is unknown: each may be the real first bottleneck."""


def demands(profile: Profile, measured: Measured) -> Mapping[str, float]:
    """What all cells together ask of each service at the peak."""
    orders = profile.orders_per_second
    app_us = measured.http_us + measured.rest_us
    frames = profile.connected_clients * profile.frames_per_client_and_second
    return {
        "Functions Flex Consumption": orders * app_us / 1e6 * profile.host_factor * profile.colours_at_once,
        "Durable Task Scheduler": orders / profile.orders_per_saga * _ACTIONS_PER_SAGA,
        "PostgreSQL, processor": orders * measured.postgres_us / 1e6,
        "PostgreSQL, write-ahead log": orders * measured.wal_bytes / _MB,
        "Service Bus Premium": orders * measured.bus_bytes / _MB,
        "Event Hubs Premium": profile.ticks_bytes_per_second / _MB,
        "Managed Redis": orders * _REDIS_COMMANDS_PER_ORDER + profile.quote_reads_per_second / _QUOTES_PER_READ,
        "SignalR Premium, connections": float(profile.connected_clients),
        "SignalR Premium, frames": frames * profile.bytes_per_frame / _MB,
        "Front Door Premium": orders + profile.quote_reads_per_second,
        "API Management PremiumV2": orders,
        "Cosmos DB, candles": profile.candles_per_second * _RU_PER_CANDLE,
    }


def size(profile: Profile, measured: Measured, limits: Sequence[Limit]) -> Sizing:
    """Cells and units. Raises ValueError when limits and demands do not name the same services."""
    wanted = demands(profile, measured)
    named = {limit.service for limit in limits}
    if named != set(wanted):
        raise ValueError(f"limits and demands differ in {', '.join(sorted(named ^ set(wanted)))}")
    cells = max(profile.fewest_cells, *(_cells(profile, limit, wanted[limit.service]) for limit in limits))
    needs = tuple(_need(profile, limit, wanted[limit.service], cells) for limit in limits)
    known = [need for need in needs if need.most_orders_per_second is not None and not need.shared]
    return Sizing(
        cells=cells,
        cells_in_all=_surviving_a_region(cells, profile.regions),
        needs=needs,
        bottleneck=min(known, key=lambda need: need.most_orders_per_second or math.inf),
        candidates=tuple(need.limit.service for need in needs if need.limit.per_unit is None),
    )


def _cells(profile: Profile, limit: Limit, demand: float) -> int:
    if limit.per_unit is None or limit.most_units is None or limit.service in _SHARED:
        return 1
    return math.ceil(demand / (limit.per_unit * limit.most_units * profile.busy))


def _surviving_a_region(cells: int, regions: int) -> int:
    """Cells over all regions, so that the others carry the peak when one is lost; a single region has no others."""
    return cells if regions == 1 else math.ceil(cells / (regions - 1)) * regions


def _need(profile: Profile, limit: Limit, demand: float, cells: int) -> Need:
    shared = limit.service in _SHARED
    share = demand if shared else demand / cells
    units = None if limit.per_unit is None else max(1, math.ceil(share / (limit.per_unit * profile.busy)))
    most = None
    if limit.per_unit is not None and limit.most_units is not None:
        most = limit.per_unit * limit.most_units * profile.busy / (demand / profile.orders_per_second)
    return Need(limit, demand, units, shared, most)


@dataclass(frozen=True, slots=True)
class Price:
    """A list price; `usd` None: not found."""

    service: str
    per: str
    usd: float | None
    source: str


@dataclass(frozen=True, slots=True)
class Cost:
    """US dollars; lower bounds, because `unknown` services are missing."""

    cell_per_month: float
    all_cells_per_month: float
    per_million_orders: float
    functions_per_million_orders: float
    unknown: tuple[str, ...]


_GB_OF_AN_INSTANCE = 2


def cost(profile: Profile, measured: Measured, sizing: Sizing, prices: Sequence[Price]) -> Cost:
    """What the known prices add up to."""
    known = {price.service: price.usd for price in prices if price.usd is not None}
    standing = sum((price.usd or 0.0) * _units(sizing, price.service) for price in prices if price.per == "unit-month")
    cpu_s = (measured.http_us + measured.rest_us) / 1e6 * profile.host_factor / profile.busy
    functions = 1e6 * cpu_s * _GB_OF_AN_INSTANCE * known.get("Functions Flex Consumption", 0.0)
    functions += (1 + 3 / profile.orders_per_saga + measured.bus_messages) * known.get(
        "Functions Flex Consumption, executions", 0.0
    )
    everywhere = standing * sizing.cells_in_all
    return Cost(
        cell_per_month=standing,
        all_cells_per_month=everywhere,
        per_million_orders=everywhere / (profile.orders_per_month / 1e6) + functions,
        functions_per_million_orders=functions,
        unknown=tuple(price.service for price in prices if price.usd is None),
    )


def _units(sizing: Sizing, service: str) -> int:
    """Of the service; one that is limited in several ways needs the most that any of them asks for."""
    return max(
        need.units or 0
        for need in sizing.needs
        if need.limit.service == service or need.limit.service.startswith(f"{service},")
    )
