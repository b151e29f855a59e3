"""What storage bindings refuse before anything starts, and how their expressions and patterns are read."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from emulators.functions.binding_data import BindingData, BindingError, PathPattern
from emulators.functions.indexing import IndexingError, index
from emulators.functions.settings import HostJson, SettingsError
from emulators.functions.storage.queues import QueueOptions
from emulators.functions.storage.readiness import check_storage
from emulators.functions.worker import TypedData
from emulators.tests.functions_host.conftest import StartHost

# Azurite listens on 127.0.0.1, if anywhere.
NOTHING_THERE = "UseDevelopmentStorage=true;DevelopmentStorageProxyUri=http://127.0.0.2"


def test_storage_app_without_storage_is_refused(start_host: StartHost, write_app: Callable[[str], Path]) -> None:
    source = (
        "import azure.functions as func\napp = func.FunctionApp()\n"
        '@app.queue_trigger(arg_name="m", queue_name="abc", connection="S")\n'
        "def f(m: func.QueueMessage) -> None: ...\n"
    )
    host = start_host(write_app(source), S=NOTHING_THERE)
    assert host.ended(60) == 1
    assert host.errors.splitlines()[-1] == (
        "Function 'f': binding 'm' of type 'queueTrigger' needs storage, and nothing answers at "
        "http://127.0.0.2:10001/devstoreaccount1 (setting 'S'): start Azurite (npx azurite), or set 'S' to the "
        "connection string of a storage account"
    )


_HTTP = {"type": "httpTrigger", "name": "req", "direction": "IN"}


@pytest.mark.parametrize(
    ("bindings", "settings", "message"),
    [
        ([{"type": "queueTrigger", "queueName": "abc"}], {}, "type 'queueTrigger': no storage endpoint is configured"),
        ([{"type": "blobTrigger", "path": "abc/{n}"}], {"S": ""}, "type 'blobTrigger': no storage endpoint"),
        (
            [_HTTP, {"type": "blob", "direction": "OUT", "path": "abc/n"}],
            {"S__blobServiceUri": "https://x.blob.core.windows.net"},
            "binding 'm' of type 'blob': the settings 'S__…' connect with an identity",
        ),
        ([{"type": "queueTrigger", "queueName": "abc"}], {"S": "x=y"}, "'S' is no storage connection string"),
        ([{"type": "blobTrigger", "path": "abc/{n}", "source": "EventGrid"}], {}, "not supported with the source"),
        ([{"type": "blobTrigger", "path": "abc/{n"}], {}, "binding 'm': 'abc/{n' is no valid binding expression"),
        ([{"type": "blobTrigger", "path": "{c}/{n}"}], {}, "binding 'm': the container in '{c}/{n}' cannot have"),
        ([_HTTP, {"type": "blob", "direction": "IN", "path": "abc"}], {}, "binding 'm': the path 'abc' must be"),
        ([{"type": "queueTrigger", "queueName": "a_b"}], {}, "binding 'm': 'a_b' is no name of a queue"),
        ([_HTTP, {"type": "queue", "direction": "IN", "queueName": "abc"}], {}, "a queue binding is an output"),
        ([_HTTP, {"type": "table", "direction": "IN"}], {"S": NOTHING_THERE}, "'table' is not supported: tables are"),
        (
            [{"type": "queueTrigger", "queueName": "abc", "properties": {"SupportsDeferredBinding": "True"}}],
            {"S": NOTHING_THERE},
            "binding 'm' of type 'queueTrigger' is not supported with a type of the storage SDK",
        ),
    ],
)
def test_what_cannot_run_is_refused_by_name(
    bindings: list[dict[str, Any]], settings: dict[str, str], message: str
) -> None:
    raw = [json.dumps({"name": "m", "direction": "IN", "connection": "S"} | binding) for binding in bindings]
    item = SimpleNamespace(name="f", function_id="1", raw_bindings=raw, retry_options=None)

    def find() -> None:
        for function in index([item], settings):
            check_storage(function, settings, HostJson({}))

    with pytest.raises((IndexingError, SettingsError)) as refused:
        find()
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "section",
    [
        {"batchSize": 33},
        {"newBatchThreshold": -1},
        {"maxPollingInterval": "00:00:00.050"},
        {"visibilityTimeout": "8.00:00:00"},
        {"maxDequeueCount": True},
        {"messageEncoding": "utf-16"},
    ],
)
def test_wrong_queue_settings_are_refused_by_name(section: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=rf"extensions\.queues\.{next(iter(section))}"):
        QueueOptions.of(section)


@pytest.mark.parametrize(
    ("path", "name", "values"),
    [
        ("c/{name}", "a/b.txt", {"name": "a/b.txt"}),
        ("c/{name}.{ext}", "a.b.txt", {"name": "a.b", "ext": "txt"}),
        ("c/{{2026}}-{name}", "{2026}-x", {"name": "x"}),
        ("c/original-{name}", "other-x", None),
        ("c", "anything", {}),
    ],
)
def test_blob_names_fit_patterns_as_documented(path: str, name: str, values: dict[str, str] | None) -> None:
    assert PathPattern(path).match(name) == values


def test_expressions_take_the_values_of_the_trigger() -> None:
    data = BindingData(
        "f", TypedData(string='{"Order": {"id": 7}, "a": true}'), {"QueueTrigger": TypedData(string="t")}
    )
    assert data.bind("x/{order.ID}/{a}-{queueTrigger}-{{k}}") == "x/7/true-t-{k}"
    assert data.bind("{sys.methodname}") == "f"
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ \d{8} [0-9a-f]{32}", data.bind("{DateTime} {datetime:yyyyMMdd} {rand-guid:N}")
    )
    with pytest.raises(BindingError, match=r"'order\.name'"):
        data.bind("{order.name}")
