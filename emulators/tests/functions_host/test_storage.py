"""Queue and blob bindings, and timers in storage, against Azurite. The rules are those of Azure's documentation:

- functions-bindings-storage-queue: host.json settings, poison messages, message encoding
- functions-bindings-storage-queue-trigger: metadata, JSON members, `{queueTrigger}`; -queue-output: one and many
- functions-bindings-storage-blob-trigger: name patterns, receipts, poison blobs; -blob-input and -blob-output
- functions-bindings-expressions-patterns: binding expressions

all below https://learn.microsoft.com/azure/azure-functions/.
"""

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobLeaseClient, BlobServiceClient
from azure.storage.queue import QueueClient, QueueMessage, QueueServiceClient

from emulators.functions.definitions import TimerTrigger
from emulators.functions.storage.clients import StorageClients
from emulators.functions.storage.leases import Lease
from emulators.functions.storage.queue_messages import manual_metadata, metadata
from emulators.functions.storage.queues import QueueListener, QueueOptions, create
from emulators.functions.storage.readiness import timers_in_storage
from emulators.processes.background import Background
from emulators.processes.postgres import free_port
from emulators.tests.azurite.server import Azurite
from emulators.tests.functions_host.running import RunningHost
from emulators.tests.functions_host.test_storage_settings import NOTHING_THERE
from emulators.tests.support.waiting import wait_until

_VERSION = "2021-12-02"
_YEARLY = "0 0 0 1 1 *"
_HOSTS = "azure-webjobs-hosts"


@dataclass
class Scene:
    """A host, its Azurite and what its functions wrote down."""

    azurite: Azurite
    folder: Path
    host: RunningHost

    @property
    def queues(self) -> QueueServiceClient:
        return QueueServiceClient.from_connection_string(self.azurite.connection, api_version=_VERSION)

    @property
    def blobs(self) -> BlobServiceClient:
        return BlobServiceClient.from_connection_string(self.azurite.connection, api_version=_VERSION)

    def put(self, queue: str, content: str | bytes, *, raw: bool = False) -> None:
        """Send a message as base64, or as it is."""
        data = content.encode() if isinstance(content, str) else content
        client = self.queues.get_queue_client(queue)
        text = data.decode() if raw else base64.b64encode(data).decode()
        try:
            client.send_message(text)
        except ResourceNotFoundError:
            client.create_queue()
            client.send_message(text)

    def peek(self, queue: str) -> list[str]:
        """What is visible in a queue, as it was sent."""
        try:
            return [str(message.content) for message in self.queues.get_queue_client(queue).peek_messages(32)]
        except ResourceNotFoundError:
            return []

    def upload(self, container: str, name: str, content: bytes, **options: Any) -> None:
        client = self.blobs.get_container_client(container)
        if not client.exists():
            client.create_container()
        client.upload_blob(name, content, overwrite=True, **options)

    def content(self, container: str, name: str) -> bytes | None:
        try:
            return self.blobs.get_blob_client(container, name).download_blob().readall()
        except ResourceNotFoundError:
            return None

    def seen(self, function: str, **fields: object) -> list[dict[str, Any]]:
        file = self.folder / "runs"
        lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        wanted = {"function": function, **fields}.items()
        return [line for line in lines if all(line.get(name) == value for name, value in wanted)]

    def wait_for(self, function: str, **fields: object) -> dict[str, Any]:
        return eventually(lambda: self.seen(function, **fields), f"{function} {fields}")[0]

    def environment(self) -> dict[str, str]:
        return {
            "AzureWebJobsStorage": self.azurite.connection,
            "AzureFunctionsWebHost__hostid": "storage-tests",
            "RUNS": str(self.folder / "runs"),
            "QUEUE": "one",
            "YEARLY": _YEARLY,
        }

    def start_host(self, name: str = "host") -> RunningHost:
        return RunningHost.start(self.folder / name, "storage", environment=self.environment())


def eventually[Result](probe: Callable[[], Result], what: str) -> Result:
    """See `wait_until`; a host's start is long where many run at once."""
    return wait_until(probe, 60, what=what)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("storage")
    azurite = Azurite(folder / "azurite", (free_port(), free_port(), free_port())).start()
    scene = Scene(azurite, folder, None)  # type: ignore[arg-type]
    scene.blobs.create_container("uploads")  # the first scan finds it empty
    scene.host = scene.start_host().wait_ready()
    yield scene
    scene.host.stop()
    azurite.stop()


def test_queue_message_arrives_with_its_metadata(scene: Scene) -> None:
    scene.put("one", "grüße")
    seen = scene.wait_for("one", body="grüße".encode().decode("latin-1"))
    assert seen["dequeue_count"] == 1
    assert len(seen["id"]) == 36
    assert seen["pop_receipt"]
    inserted, expires = (datetime.fromisoformat(seen[name]) for name in ("inserted", "expires"))
    assert expires - inserted == timedelta(days=7)
    # The host hides what it works on for ten minutes.
    assert datetime.fromisoformat(seen["next_visible"]) > datetime.now(UTC) + timedelta(minutes=8)
    eventually(lambda: _count(scene, "one") == 0, "the deletion")


def test_message_without_end_has_the_last_moment() -> None:
    _, fields = manual_metadata("x")
    assert {name: fields[name].WhichOneof("data") for name in fields} == {
        **dict.fromkeys(("DequeueCount", "ExpirationTime", "InsertionTime", "NextVisibleTime"), "json"),
        **dict.fromkeys(("Id", "PopReceipt", "QueueTrigger"), "string"),
    }
    message = QueueMessage(content=b"\xff")
    message.id, message.dequeue_count = "1", 1
    endless = metadata(message, b"\xff")
    assert endless["ExpirationTime"].value == '"9999-12-31T23:59:59.9999999+00:00"'
    assert "QueueTrigger" not in endless


def test_failing_message_is_poison_after_its_attempts(scene: Scene) -> None:
    scene.put("one", "fail always")
    eventually(lambda: encoded("fail always") in scene.peek("one-poison"), "the poison message")
    assert [line["dequeue_count"] for line in scene.seen("one", body="fail always")] == [1, 2, 3]


def test_hostile_bodies_harm_nothing_else(scene: Scene) -> None:
    scene.put("one", "%% not base64 <&>", raw=True)
    scene.put("one", b"\xff\xfe\x00 no utf-8")
    scene.put("one", "")
    scene.put("orders", "[1, 2")
    scene.put("orders", "{}")
    scene.put("one", "after them")
    scene.wait_for("one", body="after them")
    scene.wait_for("one", body="ÿþ\x00 no utf-8")
    scene.wait_for("one", body="")
    # What no base64 can be read from is poison at once; what lacks a named member fails like a function.
    eventually(lambda: "%% not base64 <&>" in scene.peek("one-poison"), "the undecodable message")
    eventually(lambda: {encoded("[1, 2"), encoded("{}")} <= set(scene.peek("orders-poison")), "orders without kind")
    assert not [line for line in scene.seen("one") if "base64" in line["body"]]
    logged = [line for line in scene.host.log if "No value for named parameter" in line.get("exception", "")]
    assert logged


def test_members_of_a_message_name_blobs_and_queues(scene: Scene) -> None:
    scene.upload("templates", "gold.txt", b"Dear")
    scene.put("orders", json.dumps({"id": 7, "customer": {"kind": "gold"}}))
    scene.put("orders", json.dumps({"id": 8, "customer": {"kind": "new"}}))
    eventually(lambda: scene.content("letters", "7-gold.txt") == b"Dear 7", "the letter")
    eventually(lambda: scene.content("letters", "8-new.txt") == b"8", "the letter without template")
    eventually(lambda: scene.peek("done-gold") and scene.peek("done-new"), "a message in each queue")


def test_outputs_send_one_and_many_messages(scene: Scene) -> None:
    assert scene.host.call("POST", "/api/send/one", json=["first", "second"]).text == "sent"
    scene.wait_for("one", body="first")
    scene.wait_for("one", body="second")
    assert scene.host.call("POST", "/api/return", content="from return").text == "returned"
    scene.wait_for("one", body="from return")
    silent = scene.host.call("POST", "/api/return", content="silent")
    assert (silent.status_code, silent.content) == (200, b"")
    assert scene.host.call("POST", "/api/send/No_Queue", json=["x"]).status_code == 500


def test_blob_input_reads_what_the_route_names(scene: Scene) -> None:
    scene.upload("files", "a/b c.bin", bytes(range(256)))
    assert scene.host.call("GET", "/api/files/a/b%20c.bin").content == bytes(range(256))
    assert scene.host.call("GET", "/api/files/a/missing").status_code == 404
    scene.upload("files", "word", b"\xc3\xa4")
    assert scene.host.call("GET", "/api/types/word").text == "'ä' b'\\xc3\\xa4'"


def test_each_version_of_a_blob_triggers_once(scene: Scene) -> None:
    scene.upload("uploads", "in/one.txt", b"version 1", metadata={"origin": "test"})
    scene.upload("uploads", "no-extension", b"ignored")
    seen = scene.wait_for("upload", name="uploads/in/one.txt")
    assert (seen["length"], seen["metadata"]) == (9, {"origin": "test"})
    assert seen["uri"].endswith("/uploads/in/one.txt")
    properties = seen["properties"]
    assert (properties["ContentLength"], properties["ContentType"]) == (9, "application/octet-stream")
    # Enumerations are numbers: a block blob, available, unlocked.
    assert [properties[name] for name in ("BlobType", "LeaseState", "LeaseStatus")] == [0, 0, 1]
    assert properties["LastModified"].endswith("+00:00")
    eventually(lambda: scene.content("copies", "txt/in/one") == b"version 1", "the copy")
    receipts = scene.blobs.get_container_client(_HOSTS)
    names = [blob.name for blob in receipts.list_blobs("blobreceipts/storage-tests/Host.Functions.upload/")]
    assert [name for name in names if name.endswith("/uploads/in/one.txt")]
    scene.upload("uploads", "in/one.txt", b"version 2")
    eventually(lambda: scene.content("copies", "txt/in/one") == b"version 2", "the copy of the second version")
    assert len(scene.seen("upload", name="uploads/in/one.txt")) == 2
    assert scene.seen("upload", name="uploads/no-extension") == []


def test_failing_blob_ends_in_the_poison_queue(scene: Scene) -> None:
    scene.upload("uploads", "bad.txt", b"fail")
    (message,) = eventually(lambda: scene.peek("webjobs-blobtrigger-poison"), "the poison message")
    document = json.loads(base64.b64decode(message))
    assert (document["FunctionId"], document["BlobName"]) == ("Host.Functions.upload", "bad.txt")
    assert len(scene.seen("upload", name="uploads/bad.txt")) == 2


def test_timers_keep_status_and_lock_in_blobs(scene: Scene) -> None:
    scene.wait_for("each_second")
    status = json.loads(scene.content(_HOSTS, "timers/storage-tests/Host.Functions.yearly/status") or b"{}")
    assert datetime.fromisoformat(status["Next"]) == datetime(datetime.now(UTC).year + 1, 1, 1, tzinfo=UTC)
    assert status["Last"].startswith("0001-01-01")
    lock = scene.blobs.get_blob_client(_HOSTS, "locks/storage-tests/Host.Functions.yearly.Listener")
    assert lock.get_blob_properties().lease.state == "leased"
    assert not (scene.host.folder / "data" / "postgres").exists()


def test_killed_hosts_message_comes_back(scene: Scene) -> None:
    scene.put("one", "hang")
    seen = scene.wait_for("one", body="hang", dequeue_count=1)
    scene.host.process.kill()
    eventually(lambda: scene.host.children() == {} or scene.host.ended() is not None, "the end")
    queue = scene.queues.get_queue_client("one")
    assert (scene.peek("one"), _count(scene, "one")) == ([], 1)
    queue.update_message(seen["id"], seen["pop_receipt"], visibility_timeout=0)  # ten minutes later
    lock = scene.blobs.get_blob_client(_HOSTS, "locks/storage-tests/Host.Functions.yearly.Listener")
    BlobLeaseClient(lock).break_lease(0)  # a minute later
    missed = {"Last": "2020-01-01T00:00:00+00:00", "LastUpdated": "2020-01-01T00:00:00.0000000+00:00"}
    document = json.dumps({**missed, "Next": "2021-01-01T00:00:00Z"}).encode()
    scene.upload(_HOSTS, "timers/storage-tests/Host.Functions.yearly/status", document)
    scene.host = scene.start_host().wait_ready()
    scene.wait_for("one", body="hang", dequeue_count=2)
    assert scene.wait_for("yearly")["past_due"] is True


def test_host_works_again_after_an_outage_of_storage(scene: Scene) -> None:
    scene.wait_for("each_second")
    scene.azurite.stop()
    eventually(lambda: [1 for line in scene.host.log if "away" in line["event"]], "the warning")
    assert scene.host.call("GET", "/api/files/a/missing").status_code == 500
    scene.azurite.start()
    scene.put("one", "after the outage")
    scene.upload("uploads", "after.txt", b"outage")
    scene.wait_for("one", body="after the outage")
    eventually(lambda: scene.content("copies", "txt/after") == b"outage", "the copy")
    runs = len(scene.seen("each_second"))
    eventually(lambda: len(scene.seen("each_second")) > runs, "the timer")
    assert scene.host.process.poll() is None


def test_group_that_dies_has_its_timers_back_at_once(scene: Scene) -> None:
    killed = scene.host.children()["rest"]
    eventually(lambda: scene.seen("each_second", process=killed.pid), "its run")
    lease = scene.blobs.get_blob_client(_HOSTS, "locks/storage-tests/Host.Functions.each_second.Listener")
    killed.kill()
    successor = eventually(lambda: scene.host.children().get("rest"), "the next process")
    eventually(lambda: scene.seen("each_second", process=successor.pid), "its successor's run")
    assert lease.get_blob_properties().lease.state == "leased"


def _count(scene: Scene, queue: str) -> int | None:
    client: QueueClient = scene.queues.get_queue_client(queue)
    return client.get_queue_properties().approximate_message_count


async def test_message_stays_hidden_while_its_function_runs(scene: Scene) -> None:
    clients = StorageClients({"S": scene.azurite.connection})
    queue = clients.queues("S").get_queue_client("long-runs")
    await create(queue)
    await queue.send_message(encoded("long"))
    bodies: list[bytes] = []
    finished = asyncio.Event()

    async def handle(message: QueueMessage, body: bytes) -> bool:
        bodies.append(body)
        await asyncio.sleep(5)
        finished.set()
        return True

    options = QueueOptions(max_polling_interval=timedelta(milliseconds=200))
    listener = QueueListener("long", queue, None, options, handle, hidden_for=timedelta(seconds=4))
    listener.start(Background())
    await finished.wait()
    await listener.wait_closed(20)
    await clients.close()
    assert bodies == [b"long"]
    assert _count(scene, "long-runs") == 0


_ID = str(uuid4())


async def test_lease_is_one_holders_until_it_is_released(scene: Scene) -> None:
    clients = StorageClients({"S": scene.azurite.connection})
    container = clients.blobs("S").get_container_client("leases")
    one, again, other = (Lease(container, "locks/x", 15, lease_id) for lease_id in (_ID, _ID, str(uuid4())))
    assert [await one.held(), await again.held(), await other.held()] == [True, True, False]
    await one.release()
    assert await other.held()
    await other.release()
    await again.release()
    await clients.close()


async def test_timers_go_to_azurite_only_where_it_answers(scene: Scene) -> None:
    timer = SimpleNamespace(trigger=TimerTrigger("t", _YEARLY, run_on_startup=False, use_monitor=True))
    for value, expected in (
        ("", False),
        ("nonsense", False),
        (NOTHING_THERE, False),
        (scene.azurite.connection, True),
    ):
        found = await timers_in_storage([timer], {"AzureWebJobsStorage": value})  # type: ignore[list-item]
        assert (value, found) == (value, expected)
