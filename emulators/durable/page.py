"""A read-only page for developers: a hub's instances with filters, and each history as a time line.

Rules: inputs and outputs are masked; the page changes nothing, runs no script, loads nothing from elsewhere
and everything in it is escaped. The host checks the key before it calls these routes; links carry the key on
when it came in the query.
"""

from collections.abc import Iterable, Sequence
from html import escape
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute

from emulators.durable.answers import route
from emulators.durable.client import Condition, HubClient
from emulators.durable.events import utc_text
from emulators.durable.page_tokens import read_token, write_token
from emulators.durable.store import InstanceRow
from emulators.durable.timeline import Moment, masked, timeline
from emulators.durable.turn import COMPLETED, FAILED, PENDING, RUNNING, SUSPENDED, TERMINATED

_PAGE = 50
_STATUSES = (PENDING, RUNNING, SUSPENDED, COMPLETED, FAILED, TERMINATED)
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_STYLE = """
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; }
body { margin: 0 auto; max-width: 76rem; padding: 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: .35rem .6rem; text-align: left; border-bottom: 1px solid #8884; overflow-wrap: anywhere; }
.bar { display: block; height: .6rem; min-width: 2px; background: #3b82f6; border-radius: 2px; }
.Failed, .TaskFailed, .SubOrchestrationFailed { color: #dc2626; }
.Completed { color: #15803d; }
form { display: flex; gap: .6rem; flex-wrap: wrap; align-items: end; margin-bottom: 1rem; }
label { display: grid; font-size: .85rem; }
input, select, button { font: inherit; padding: .3rem .5rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; }
dd { margin: 0; overflow-wrap: anywhere; }
td.track { width: 30%; }
"""


class DeveloperPage:
    """The pages of one task hub."""

    def __init__(self, hub: str, client: HubClient) -> None:
        self._hub = hub
        self._client = client

    def routes(self) -> Sequence[BaseRoute]:
        """The routes, relative to their mount point."""
        return [
            route("/", self._list, "GET"),
            route("/instances/{id:path}", self._instance, "GET"),
        ]

    async def _list(self, request: Request) -> Response:
        query = request.query_params
        status = query.get("status", "")
        condition = Condition(prefix=query.get("prefix") or None, statuses=[status] if status in _STATUSES else None)
        after = read_token(query.get("after"))
        rows = await self._client.instances(condition, _PAGE, after)
        more = ""
        if len(rows) == _PAGE:
            more = f'<p><a rel="next" href="{escape(_link(request, "", after=write_token(rows[-1])))}">Next</a></p>'
        table = "".join(_row(request, row) for row in rows) or '<tr><td colspan="5">No instances.</td></tr>'
        body = (
            f"{_filters(request, status)}<table><thead><tr><th>Instance</th><th>Orchestrator</th><th>Status</th>"
            f"<th>Created (UTC)</th><th>Updated (UTC)</th></tr></thead><tbody>{table}</tbody></table>{more}"
        )
        return _page(f"Task hub {self._hub}", body)

    async def _instance(self, request: Request) -> Response:
        instance_id = request.path_params["id"]
        row = await self._client.status(instance_id)
        back = f'<p><a href="{escape(_link(request, ""))}">All instances</a></p>'
        if row is None:
            return _page(f"No instance {instance_id}", back, 404)
        moments = list(timeline(await self._client.history(row.execution_id)))
        return _page(f"{row.name} {row.instance_id}", f"{back}{_facts(row)}{_track(moments)}")


def _page(title: str, body: str, status: int = 200) -> Response:
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    viewport = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    content = f"<head>{head}{viewport}</head><body><h1>{escape(title)}</h1>{body}</body>"
    return HTMLResponse(f'<!doctype html><html lang="en">{content}</html>', status, _HEADERS)


def _link(request: Request, path: str, **more: str) -> str:
    """An address below the mount point, with the filters and the key of this request."""
    kept = {name: request.query_params[name] for name in ("status", "prefix", "code") if name in request.query_params}
    query = urlencode(kept | more)
    return f"{request.scope['root_path']}/{path}" + (f"?{query}" if query else "")


def _filters(request: Request, status: str) -> str:
    options = "".join(
        f'<option value="{value}"{" selected" if value == status else ""}>{value or "any"}</option>'
        for value in ("", *_STATUSES)
    )
    key = request.query_params.get("code")
    hidden = f'<input type="hidden" name="code" value="{escape(key)}">' if key else ""
    prefix = escape(request.query_params.get("prefix", ""))
    return (
        f'<form method="get"><label>Id begins with<input name="prefix" value="{prefix}"></label>'
        f'<label>Status<select name="status">{options}</select></label>{hidden}<button>Show</button></form>'
    )


def _row(request: Request, row: InstanceRow) -> str:
    link = escape(_link(request, f"instances/{quote(row.instance_id)}"))
    return (
        f'<tr><td><a href="{link}">{escape(row.instance_id)}</a></td><td>{escape(row.name)}</td>'
        f'<td class="{row.status}">{row.status}</td><td>{utc_text(row.created_at)}</td>'
        f"<td>{utc_text(row.updated_at)}</td></tr>"
    )


def _facts(row: InstanceRow) -> str:
    facts = {
        "Status": row.status,
        "Version": row.version or "none",
        "Execution": str(row.execution_id),
        "Created": utc_text(row.created_at),
        "Updated": utc_text(row.updated_at),
        "Input": masked(row.input),
        "Output": masked(row.output),
        "Custom status": masked(row.custom_status),
    }
    return f"<dl>{''.join(f'<dt>{name}</dt><dd>{escape(value)}</dd>' for name, value in facts.items())}</dl>"


def _track(moments: Sequence[Moment]) -> str:
    whole_s = max((moment.after_s for moment in moments), default=0.0) or 1.0
    heads = ("After", "Task", "Event", "Name", "Took", "Detail", "")
    lines = "".join(_moment_row(moment, whole_s) for moment in moments)
    return f"<h2>History</h2><table><thead><tr>{_cells('th', heads)}</tr></thead><tbody>{lines}</tbody></table>"


def _moment_row(moment: Moment, whole_s: float) -> str:
    took_s = moment.took_s or 0.0
    left, width = 100 * max(0.0, moment.after_s - took_s) / whole_s, 100 * took_s / whole_s
    cells = (
        f"{moment.after_s:.3f} s",
        "" if moment.task is None else f"#{moment.task}",
        moment.what,
        moment.name,
        "" if moment.took_s is None else f"{took_s * 1000:.1f} ms",
        moment.detail,
    )
    bar = f'<td class="track"><span class="bar" style="margin-left:{left:.2f}%;width:{width:.2f}%"></span></td>'
    return f'<tr class="{moment.what}">{_cells("td", cells)}{bar}</tr>'


def _cells(tag: str, texts: Iterable[str]) -> str:
    return "".join(f"<{tag}>{escape(text)}</{tag}>" for text in texts)
