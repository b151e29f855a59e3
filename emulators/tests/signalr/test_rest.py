"""The REST API in both its shapes: sending, groups, existence, closing, tokens, refusals."""

import pytest

from emulators.signalr.tokens import AccessKeys
from emulators.tests.signalr.support import Service

HELLO = {"target": "hello", "arguments": [{"n": 1}, "two"]}
DELIVERED = {"type": 1, **HELLO}


async def test_broadcast_reaches_everyone_but_the_excluded(service: Service) -> None:
    async with service.client() as first, service.client() as second:
        (first_id, _) = service.connection_ids()
        answer = await service.call("POST", "/api/v1/hubs/chat", HELLO, excluded=first_id)
        assert (answer.status_code, answer.content) == (202, b"")
        assert await second.receive() == DELIVERED
        await service.call_new("POST", "/api/hubs/chat/:send", {"target": "last", "arguments": []})
        assert (await first.receive())["target"] == "last"


@pytest.mark.parametrize("path", ["/api/v1/hubs/CHAT/users/al%2Fice", "/api/hubs/Chat/users/al%2Fice/:send"])
async def test_user_message_reaches_that_user_only(service: Service, path: str) -> None:
    async with service.client("al/ice") as alice, service.client("bob") as bob:
        assert (await service.call_new("POST", path, HELLO)).status_code == 202
        assert await alice.receive() == DELIVERED
        await service.call("POST", "/api/v1/hubs/chat", {"target": "all"})
        assert await bob.receive() == {"type": 1, "target": "all", "arguments": []}


async def test_connections_of_a_group_are_listed_page_by_page(service: Service) -> None:
    path = "/api/hubs/chat/groups/g/connections"
    assert (await service.call_new("GET", path)).json() == {"value": [], "nextLink": None}
    async with service.client("alice"), service.client("bob"), service.client():
        users = {each.id: each.user for each in service.registry.hub("chat").connections.values()}
        for its_id in users:
            await service.call_new("PUT", f"/api/hubs/chat/groups/g/connections/{its_id}")
        expected = [{"connectionId": each, "userId": users[each]} for each in sorted(users)]
        assert (await service.call_new("GET", path)).json() == {"value": expected, "nextLink": None}
        assert (await service.call_new("GET", path, top=2)).json() == {"value": expected[:2], "nextLink": None}
        page, found = (await service.call_new("GET", path, maxPageSize=1)).json(), []
        while page["nextLink"]:
            found += page["value"]
            headers = {"Authorization": "Bearer " + service.keys.sign(service.url + path, {})}
            page = (await service.http.get(page["nextLink"], headers=headers)).json()
        assert found + page["value"] == expected
        assert (await service.call_new("GET", path, top="none")).status_code == 400


async def test_connection_message_reaches_that_connection_only(service: Service) -> None:
    async with service.client("alice") as one:
        (its_id,) = service.connection_ids()
        async with service.client("alice") as other:
            await service.call_new("POST", f"/api/hubs/chat/connections/{its_id}/:send", HELLO)
            await service.call("POST", "/api/v1/hubs/chat", {"target": "all"})
            assert await one.receive() == DELIVERED
            assert (await other.receive())["target"] == "all"


async def test_other_hub_receives_nothing_at_all(service: Service) -> None:
    async with service.client(hub="prices") as prices, service.client() as chat:
        await service.call("POST", "/api/v1/hubs/chat", HELLO)
        await service.call("POST", "/api/v1/hubs/prices", {"target": "price"})
        assert (await prices.receive())["target"] == "price"
        assert await chat.receive() == DELIVERED


async def test_connection_joins_and_leaves_a_group(service: Service) -> None:
    async with service.client() as member, service.client():
        member_id = service.connection_ids()[0]
        path = f"/api/v1/hubs/chat/groups/a%20group/connections/{member_id}"
        assert (await service.call("GET", "/api/v1/hubs/chat/groups/a%20group")).status_code == 404
        assert (await service.call("PUT", path)).status_code == 200
        assert (await service.call("GET", "/api/v1/hubs/chat/groups/a%20group")).status_code == 200
        await service.call("POST", "/api/v1/hubs/chat/groups/a%20group", HELLO)
        assert await member.receive() == DELIVERED
        assert (await service.call("DELETE", path)).status_code == 200
        gone = await service.call_new("HEAD", "/api/hubs/chat/groups/a%20group")
        assert gone.status_code == 404
        assert gone.headers["x-ms-error-code"] == "Warning.Group.NotExisted"


async def test_unknown_connection_cannot_join_a_group(service: Service) -> None:
    answer = await service.call("PUT", "/api/v1/hubs/chat/groups/g/connections/nobody")
    assert answer.status_code == 404
    assert answer.headers["x-ms-error-code"] == "Error.Connection.NotExisted"


async def test_user_groups_hold_for_later_connections(service: Service) -> None:
    path = "/api/v1/hubs/chat/groups/g/users/alice"
    assert (await service.call("PUT", path)).status_code == 202
    assert (await service.call("GET", path)).status_code == 200
    async with service.client("alice") as alice, service.client("bob"):
        await service.call_new("POST", "/api/hubs/chat/groups/g/:send", HELLO)
        assert await alice.receive() == DELIVERED
        assert (await service.call("DELETE", "/api/v1/hubs/chat/users/alice/groups")).status_code == 200
        assert (await service.call("GET", path)).status_code == 404
        assert (await service.call("GET", "/api/v1/hubs/chat/groups/g")).status_code == 404


async def test_user_leaves_a_group_when_time_is_over(service: Service) -> None:
    async with service.client("alice"):
        assert (await service.call_new("PUT", "/api/hubs/chat/users/alice/groups/g", ttl=1)).status_code == 200
        assert service.registry.hub("chat").groups
        await service.eventually(lambda: not service.registry.hub("chat").groups)
    assert (await service.call_new("PUT", "/api/hubs/chat/users/alice/groups/g", ttl="soon")).status_code == 400


async def test_oldest_of_a_users_groups_is_forgotten_past_100(service: Service) -> None:
    hub = service.registry.kept("chat")
    for number in range(101):
        hub.user_joins("alice", f"g{number}", None)
    assert len(hub.user_groups("alice")) == 100
    assert "g0" not in hub.user_groups("alice")


async def test_existence_of_connections_and_users_is_answered(service: Service) -> None:
    async with service.client("alice"):
        (its_id,) = service.connection_ids()
        for path in (f"connections/{its_id}", "users/alice"):
            assert (await service.call_new("HEAD", f"/api/hubs/chat/{path}")).status_code == 200
            assert (await service.call("GET", f"/api/v1/hubs/chat/{path}")).status_code == 200
    for path in (f"connections/{its_id}", "users/alice", "users/alice/groups/g"):
        assert (await service.call_new("HEAD", f"/api/hubs/chat/{path}")).status_code == 404
    await service.eventually(lambda: not service.registry._hubs)


async def test_closed_connection_learns_the_reason(service: Service) -> None:
    async with service.client() as client:
        (its_id,) = service.connection_ids()
        answer = await service.call_new("DELETE", f"/api/hubs/chat/connections/{its_id}", reason="out")
        assert answer.status_code == 200
        assert await client.receive() == {"type": 7, "error": "out"}
        await client.closed()
    await service.eventually(lambda: not service.connection_ids())


@pytest.mark.parametrize("place", ["", "groups/g/", "users/alice/"])
async def test_many_connections_close_except_the_excluded(service: Service, place: str) -> None:
    await service.call("PUT", "/api/v1/hubs/chat/groups/g/users/alice")
    async with service.client("alice") as kept, service.client("alice") as closed:
        (kept_id, _) = service.connection_ids()
        answer = await service.call_new("POST", f"/api/hubs/chat/{place}:closeConnections", excluded=kept_id)
        assert answer.status_code == 204
        assert await closed.receive() == {"type": 7}
        await closed.closed()
        await service.call("POST", "/api/v1/hubs/chat", HELLO)
        assert await kept.receive() == DELIVERED


async def test_messages_keep_the_order_of_calls(service: Service) -> None:
    async with service.client("alice") as client:
        for number in range(50):
            path = "/api/v1/hubs/chat" + ("/users/alice" if number % 2 else "")
            await service.call("POST", path, {"target": "t", "arguments": [number]})
        assert [(await client.receive())["arguments"] for _ in range(50)] == [[number] for number in range(50)]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/v1/hubs/1chat", HELLO, 400),
        ("/api/v1/hubs/chat/groups/" + "g" * 1025, HELLO, 400),
        ("/api/v1/hubs/chat/groups/%20", HELLO, 400),
        ("/api/v1/hubs/chat", [1], 400),
        ("/api/v1/hubs/chat", {"target": ""}, 400),
        ("/api/v1/hubs/chat", {"target": "t", "arguments": "x"}, 400),
        ("/api/v1/hubs/chat", None, 400),
        ("/api/v1/hubs/chat", {"target": "t", "arguments": ["x" * 1024 * 1024]}, 413),
        ("/api/v1/nothing", HELLO, 404),
        ("/api/v1/hubs/chat/else", HELLO, 404),
        ("/api/hubs/chat/:send", HELLO, 400),
        ("/else", HELLO, 404),
    ],
)
async def test_wrong_requests_are_refused(service: Service, path: str, body: object, status: int) -> None:
    assert (await service.call("POST", path, body)).status_code == status


async def test_member_names_of_a_message_have_no_case(service: Service) -> None:
    async with service.client() as client:
        await service.call("POST", "/api/v1/hubs/chat", {"Target": "t", "Arguments": [1]})
        assert await client.receive() == {"type": 1, "target": "t", "arguments": [1]}


async def test_request_without_its_own_token_is_refused(service: Service) -> None:
    path = service.url + "/api/v1/hubs/chat"
    tokens = [
        ".",
        "rubbish",
        AccessKeys(["another key " * 4]).sign(path, {}),
        service.keys.sign(path + "/users/alice", {}),
        service.keys.sign(path, {}, lifetime_s=-60),
        service.keys.sign(path, {"x": "x" * 4096}),
    ]
    for token in tokens:
        answer = await service.http.post(path, json=HELLO, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/api/health?api-version=2022-06-01", "/api/health", "/api/v1/health"])
async def test_health_needs_no_token(service: Service, path: str) -> None:
    assert (await service.http.head(service.url + path)).status_code == 200
