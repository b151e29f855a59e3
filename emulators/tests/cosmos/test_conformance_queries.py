"""Queries over one partition and over all, as Azure's documentation and the SDK say of them; each case with its source.

`https://learn.microsoft.com/azure/cosmos-db/nosql/query/NAME` is written as `query/NAME`.
"""

from typing import Any

import pytest
from azure.cosmos.exceptions import CosmosHttpResponseError
from azure.cosmos.partition_key import NonePartitionKeyValue

from emulators.tests.cosmos.sdk import Sdk, ids, key_path

PEOPLE: list[dict[str, Any]] = [
    {"id": "1", "pk": "a", "name": "Ann", "age": 41, "tags": ["x", "y"], "home": {"city": "Bonn"}},
    {"id": "2", "pk": "a", "name": "Bob", "age": 7, "tags": [], "home": {"city": "Ulm"}},
    {"id": "3", "pk": "b", "name": "Cid", "age": None, "tags": ["y", "z"]},
    {"id": "4", "pk": "c", "name": "Dan", "tags": ["z"], "active": True},
    {"id": "5", "pk": "d", "name": "Eve", "age": "old", "active": False},
    {"id": "6", "pk": "e", "name": "Fay", "age": 12.5, "scores": [{"n": 1}, {"n": 5}]},
]


@pytest.fixture
async def people(container: Sdk) -> Sdk:
    for person in PEOPLE:
        await container.create_item(person)
    return container


VALUES = [
    # query/equality-comparison-operators: types do not mix, undefined is no value
    ("1 = 1", True),
    ("1 = '1'", None),
    ("null = null", True),
    ("null = undefined", None),
    ("1 != 2", True),
    ("1 != '1'", None),
    ("'a' < 'b'", True),
    ("1 < '2'", None),
    ("{'a': 1} = {'a': 1.0}", True),
    ("[1, 2] = [2, 1]", False),
    # query/logical-operators
    ("true OR undefined", True),
    ("false AND undefined", False),
    ("true AND undefined", None),
    ("NOT undefined", None),
    ("1 = 1 OR 1 = 2 AND 1 = 3", True),
    # query/arithmetic-operators, query/constants
    ("7 % 4 + 2 * 3", 9),
    ("1 / 0", None),
    ("1 + '1'", None),
    ("-(2 - 5)", 3),
    ("0.1 + 0.2", 0.30000000000000004),
    ("9007199254740993", 9007199254740992),
    # query/bitwise-operators, query/string-concatenation, query/ternary-coalesce-operators
    ("6 & 3 | 8", 10),
    ("'a' || 'b'", "ab"),
    ("'a' || 1", None),
    ("undefined ?? 5", 5),
    ("null ?? 5", "null"),
    ("1 < 2 ? 'yes' : 'no'", "yes"),
    # query/keywords: BETWEEN, IN, LIKE
    ("5 BETWEEN 1 AND 5", True),
    ("'b' BETWEEN 'a' AND 'c'", True),
    ("5 NOT IN (1, 2)", True),
    ("1 IN ('1', 1)", True),
    ("'street' LIKE 's%t'", True),
    ("'a_c' LIKE 'a!_c' ESCAPE '!'", True),
    ("'abc' LIKE '[a-b]_c'", True),
    ("'abc' NOT LIKE '%d%'", True),
    # query/string-functions
    ("CONCAT('a', 'b', 'c')", "abc"),
    ("CONTAINS('Abc', 'aB', true)", True),
    ("STARTSWITH('abc', 'b')", False),
    ("ENDSWITH('abc', 'bc')", True),
    ("INDEX_OF('abc', 'c')", 2),
    ("SUBSTRING('abcd', 1, 2)", "bc"),
    ("LEFT('abc', 2) || RIGHT('abc', 1)", "abc"),
    ("REPLACE('aXbX', 'X', '-')", "a-b-"),
    ("LENGTH('abc') + LENGTH(UPPER('de'))", 5),
    ("TRIM('  a ')", "a"),
    ("REVERSE('abc')", "cba"),
    ("REPLICATE('ab', 2)", "abab"),
    ("TOSTRING(12)", "12"),
    ("STRINGTONUMBER('1.5')", 1.5),
    ("LOWER(5)", None),
    # query/mathematical-functions
    ("ABS(-2) + CEILING(1.2) + FLOOR(1.8)", 5),
    ("ROUND(2.5)", 3),
    ("POWER(2, 10)", 1024),
    ("SQRT(-1)", None),
    ("SIGN(-7)", -1),
    ("TRUNC(-1.9)", -1),
    # query/array-functions
    ("ARRAY_CONTAINS([1, {'a': 1, 'b': 2}], {'a': 1}, true)", True),
    ("ARRAY_CONTAINS([1], '1')", False),
    ("ARRAY_LENGTH([1, 2])", 2),
    ("ARRAY_SLICE([1, 2, 3], 1, 1)", [2]),
    ("ARRAY_CONCAT([1], [2])", [1, 2]),
    # query/type-checking-functions
    ("IS_DEFINED(undefined)", False),
    ("IS_NULL(null) AND IS_NUMBER(1.5) AND IS_STRING('a') AND IS_BOOL(true)", True),
    ("IS_ARRAY([]) AND IS_OBJECT({}) AND IS_PRIMITIVE(null)", True),
    # query/date-time-functions
    ("DATETIMETOTIMESTAMP('2020-07-09T23:20:13.4575530Z')", 1594336813457),
    ("TIMESTAMPTODATETIME(1594227912345)", "2020-07-08T17:05:12.3450000Z"),
    ("DATETIMEADD('mm', 1, '2020-01-31T00:00:00.0000000Z')", "2020-02-29T00:00:00.0000000Z"),
    ("DATETIMEDIFF('day', '2020-01-01T23:00:00Z', '2020-01-02T01:00:00Z')", 1),
    # query/iif
    ("IIF(true, 1, 2)", 1),
]


@pytest.mark.parametrize("client", ["async"], indirect=True)
async def test_expressions_have_their_documented_values(container: Sdk) -> None:
    """The pages that VALUES names. None: undefined, so the query gives nothing."""
    await container.create_item({"id": "1", "pk": "a"})
    for expression, expected in VALUES:
        found = await container.query_items(f"SELECT VALUE {expression} FROM c", partition_key="a")
        wanted = [] if expected is None else [None if expected == "null" else expected]
        assert found == wanted, expression
        assert [type(one) for one in found] == [type(one) for one in wanted], expression


FILTERS = [
    # query/where: only true passes; a comparison with a missing or another type's value is undefined
    ("SELECT * FROM c WHERE c.age > 10", ["1", "6"]),
    ("SELECT * FROM c WHERE c.age != 7", ["1", "6"]),
    ("SELECT * FROM c WHERE NOT IS_DEFINED(c.age)", ["4"]),
    ("SELECT * FROM c WHERE IS_NULL(c.age)", ["3"]),
    ("SELECT * FROM c WHERE c.age = null", ["3"]),
    ("SELECT * FROM c WHERE c.active", ["4"]),
    ("SELECT * FROM c WHERE c['home']['city'] = 'Ulm'", ["2"]),
    ("SELECT * FROM c WHERE c.tags[0] = 'y'", ["3"]),
    ("SELECT * FROM c WHERE ARRAY_CONTAINS(c.tags, 'z')", ["3", "4"]),
    ("SELECT * FROM people p WHERE p.name LIKE '_a%'", ["4", "6"]),
    ("SELECT * FROM c WHERE c.pk = 'a' AND c.id = '2'", ["2"]),
    ("SELECT * FROM c WHERE c.id IN ('1', '5') -- a comment", ["1", "5"]),
    # query/subquery
    ("SELECT * FROM c WHERE EXISTS(SELECT VALUE s FROM s IN c.scores WHERE s.n > 4)", ["6"]),
    ("SELECT VALUE c FROM c WHERE (SELECT VALUE COUNT(1) FROM t IN c.tags) = 2", ["1", "3"]),
]


@pytest.mark.parametrize(("query", "expected"), FILTERS, ids=[query for query, _ in FILTERS])
async def test_filter_lets_documented_items_through(people: Sdk, query: str, expected: list[str]) -> None:
    """query/where, query/subquery"""
    assert sorted(ids(await people.query_items(query))) == expected


async def test_list_names_its_members_after_paths(people: Sdk) -> None:
    """query/select: an alias, the last member of the path, or $1; what is undefined is left out"""
    query = "SELECT c.name, c.home.city, c.age + 1 AS older, c.age * 2, c.missing FROM c"
    assert await people.query_items(query + " WHERE c.id = '1'", partition_key="a") == [
        {"name": "Ann", "city": "Bonn", "older": 42, "$1": 82}
    ]


async def test_join_gives_a_row_for_each_element(people: Sdk) -> None:
    """query/join"""
    query = "SELECT c.id, t AS tag FROM c JOIN t IN c.tags WHERE t != 'x'"
    rows = sorted((row["id"], row["tag"]) for row in await people.query_items(query))
    assert rows == [("1", "y"), ("3", "y"), ("3", "z"), ("4", "z")]
    assert await people.query_items("SELECT VALUE s.n FROM c JOIN s IN c.scores") == [1, 5]
    assert sorted(await people.query_items("SELECT VALUE t FROM t IN c.tags")) == ["x", "y", "y", "z", "z"]


async def test_parameters_take_any_json_value(people: Sdk) -> None:
    """query/parameterized-queries"""
    parameters = [{"name": "@tags", "value": ["y", "z"]}, {"name": "@low", "value": 5}]
    query = "SELECT VALUE c.id FROM c WHERE c.tags = @tags OR c.age BETWEEN @low AND @low + 5"
    assert sorted(await people.query_items(query, parameters=parameters)) == ["2", "3"]


async def test_order_goes_by_type_and_then_by_value(container: Sdk) -> None:
    """query/order-by: undefined, null, booleans, numbers, strings; across partitions the SDK compares one type only"""
    for number, value in enumerate(["b", 2, None, True, "a", 1.5, False]):
        await container.create_item({"id": str(number), "pk": "a", "v": value})
    await container.create_item({"id": "missing", "pk": "a"})
    ordered = ["missing", "2", "6", "3", "5", "1", "4", "0"]
    assert await container.query_items("SELECT VALUE c.id FROM c ORDER BY c.v", partition_key="a") == ordered
    assert await container.query_items("SELECT VALUE c.id FROM c ORDER BY c.v DESC", partition_key="a") == ordered[::-1]


async def test_order_holds_over_all_partitions(people: Sdk) -> None:
    """query/order-by; azure-cosmos `_execution_context/document_producer.py` merges what the ranges have sorted"""
    found = await people.query_items("SELECT c.name AS n FROM c WHERE c.age > 0 ORDER BY c.name DESC")
    assert found == [{"n": "Fay"}, {"n": "Bob"}, {"n": "Ann"}]
    assert ids(await people.query_items("SELECT * FROM c ORDER BY c.name", max_item_count=1)) == list("123456")


async def test_order_by_several_properties_needs_a_composite_index(database: Sdk, people: Sdk) -> None:
    """query/order-by and https://learn.microsoft.com/azure/cosmos-db/index-policy#composite-indexes"""
    query = "SELECT VALUE c.id FROM c ORDER BY c.g ASC, c.n DESC"
    with pytest.raises(CosmosHttpResponseError, match="composite index"):
        await people.query_items(query)
    composite = [[{"path": "/g", "order": "ascending"}, {"path": "/n", "order": "descending"}]]
    policy = {"includedPaths": [{"path": "/*"}], "excludedPaths": [], "compositeIndexes": composite}
    sorted_by = await database.create_container("sorted", key_path("/pk"), indexing_policy=policy)
    for number in range(8):
        await sorted_by.create_item({"id": str(number), "pk": f"p{number}", "g": number % 2, "n": number})
    assert await sorted_by.query_items(query) == ["6", "4", "2", "0", "7", "5", "3", "1"]
    opposite = "SELECT VALUE c.id FROM c ORDER BY c.g DESC, c.n ASC"
    assert await sorted_by.query_items(opposite) == ["1", "3", "5", "7", "0", "2", "4", "6"]


async def test_offset_limit_and_top_hold_over_all_partitions(people: Sdk) -> None:
    """query/offset-limit; across partitions the SDK applies them to what the rewritten query gives"""
    assert await people.query_items("SELECT VALUE c.id FROM c ORDER BY c.id OFFSET 2 LIMIT 3") == ["3", "4", "5"]
    assert await people.query_items("SELECT TOP 2 VALUE c.id FROM c ORDER BY c.id DESC") == ["6", "5"]
    limit = [{"name": "@limit", "value": 4}]
    assert len(await people.query_items("SELECT * FROM c OFFSET 0 LIMIT @limit", parameters=limit)) == 4
    assert await people.query_items("SELECT VALUE c.id FROM c OFFSET 1 LIMIT 5", partition_key="a") == ["2"]


async def test_distinct_holds_over_all_partitions(people: Sdk) -> None:
    """query/keywords#distinct"""
    assert sorted(await people.query_items("SELECT DISTINCT VALUE t FROM c JOIN t IN c.tags")) == ["x", "y", "z"]
    assert len(await people.query_items("SELECT DISTINCT c.active FROM c")) == 3
    assert await people.query_items("SELECT DISTINCT VALUE c.pk FROM c ORDER BY c.pk") == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT VALUE COUNT(1) FROM c", 6),
        ("SELECT VALUE COUNT(c.age) FROM c", 5),
        ("SELECT VALUE SUM(c.age) FROM c WHERE IS_NUMBER(c.age)", 60.5),
        ("SELECT VALUE AVG(c.age) FROM c WHERE IS_NUMBER(c.age)", 60.5 / 3),
        ("SELECT VALUE MIN(c.name) FROM c", "Ann"),
        ("SELECT VALUE MAX(c.age) FROM c WHERE IS_NUMBER(c.age)", 41),
    ],
)
async def test_aggregate_holds_over_all_partitions(people: Sdk, query: str, expected: object) -> None:
    """query/aggregate-functions: the SDK combines the aggregates of the ranges"""
    assert await people.query_items(query) == [expected]


async def test_aggregates_of_one_partition_come_from_the_service(people: Sdk) -> None:
    """query/group-by, query/aggregate-functions"""
    query = "SELECT COUNT(1) AS n, SUM(c.age) AS total, MAX(c.name) AS last FROM c"
    assert await people.query_items(query, partition_key="a") == [{"n": 2, "total": 48, "last": "Bob"}]
    assert await people.query_items("SELECT VALUE SUM(c.age) FROM c", partition_key="d") == []
    grouped = "SELECT c.home.city, COUNT(1) AS n FROM c GROUP BY c.home.city"
    assert await people.query_items(grouped, partition_key="a") == [{"city": "Bonn", "n": 1}, {"city": "Ulm", "n": 1}]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT c.pk, COUNT(1) AS n FROM c GROUP BY c.pk",
        "SELECT COUNT(1) AS n FROM c",
        "SELECT VALUE {'n': COUNT(1)} FROM c",
    ],
)
async def test_grouping_over_all_partitions_fails_as_in_azure(people: Sdk, query: str) -> None:
    """https://github.com/Azure/azure-sdk-for-python/issues/25868: the Python SDK cannot combine groups"""
    with pytest.raises(CosmosHttpResponseError) as caught:
        await people.query_items(query)
    assert caught.value.status_code == 400


@pytest.mark.parametrize("client", ["sync"], indirect=True)
async def test_query_over_partitions_must_be_allowed(people: Sdk) -> None:
    """https://learn.microsoft.com/rest/api/cosmos-db/query-documents: x-ms-documentdb-query-enablecrosspartition"""
    with pytest.raises(CosmosHttpResponseError, match="Cross partition query is required but disabled"):
        await people.query_items("SELECT * FROM c", enable_cross_partition_query=False)
    filtered = "SELECT VALUE c.id FROM c WHERE c.pk = 'b'"
    assert await people.query_items(filtered, enable_cross_partition_query=False) == ["3"]


@pytest.mark.parametrize(
    "query",
    ["SELECT * FROM c ORDER BY c.n", "SELECT * FROM c", "SELECT VALUE c.id FROM c WHERE c.n >= 0"],
)
async def test_pages_join_to_the_whole(container: Sdk, query: str) -> None:
    """https://learn.microsoft.com/azure/cosmos-db/nosql/query/pagination"""
    for number in range(25):
        await container.create_item({"id": str(number), "pk": "a", "n": number})
    whole = await container.query_items(query, partition_key="a")
    assert len(whole) == 25
    found, token = await container.page(query, partition_key="a", max_item_count=4)
    while token:
        page, token = await container.page(query, partition_key="a", max_item_count=4, token=token)
        assert len(page) <= 4
        found += page
    assert found == whole


async def test_continuation_of_another_query_is_refused(container: Sdk) -> None:
    """https://learn.microsoft.com/azure/cosmos-db/nosql/query/pagination#continuation-tokens"""
    for number in range(5):
        await container.create_item({"id": str(number), "pk": "a"})
    _, token = await container.page("SELECT * FROM c", partition_key="a", max_item_count=2)
    assert token
    for text, wrong in (
        ("SELECT c.id FROM c", token),
        ("SELECT * FROM c", token[:-6] + "AAAAAA"),
        ("SELECT * FROM c", "?"),
    ):
        with pytest.raises(CosmosHttpResponseError, match="Invalid Continuation Token"):
            await container.page(text, partition_key="a", max_item_count=2, token=wrong)


async def test_read_items_gives_those_that_exist(container: Sdk) -> None:
    """azure-cosmos `_read_items_helper.py`: points by id and key; what is missing is left out"""
    for number in range(30):
        await container.create_item({"id": str(number), "pk": f"p{number % 7}"})
    wanted = [(str(number), f"p{number % 7}") for number in (29, 3, 11, 12)]
    assert ids(await container.read_items([*wanted, ("none", "p1")])) == ["29", "3", "11", "12"]
    assert ids(await container.read_items([("3", "p3")])) == ["3"]
    assert await container.read_items([("3", "p4")]) == []


async def test_feed_ranges_divide_a_query(people: Sdk) -> None:
    """azure-cosmos `query_items(feed_range=...)`: a range's own results, also sorted and counted"""
    ranges = people.raw.read_feed_ranges()
    ranges = [one async for one in ranges] if people.is_async else list(ranges)
    found = [await people.query_items("SELECT VALUE c.id FROM c ORDER BY c.id", feed_range=one) for one in ranges]
    counted = [await people.query_items("SELECT VALUE COUNT(1) FROM c", feed_range=one) for one in ranges]
    assert sorted(found[0] + found[1]) == list("123456")
    assert found == [sorted(one) for one in found]
    assert counted == [[len(one)] for one in found]


async def test_items_without_the_key_are_a_partition_of_their_own(people: Sdk) -> None:
    """azure-cosmos `NonePartitionKeyValue`"""
    await people.create_item({"id": "7"})
    assert (await people.read_item("7", NonePartitionKeyValue))["id"] == "7"
    assert await people.query_items("SELECT VALUE c.id FROM c", partition_key=NonePartitionKeyValue) == ["7"]


REFUSED = [
    ("SELEC * FROM c", "incorrect syntax"),
    ("SELECT * FROM c WHERE", "incorrect syntax"),
    ("SELECT x.a FROM c", "could not be resolved"),
    ("SELECT NOSUCH(1) FROM c", "built-in function"),
    ("SELECT ABS(1, 2) FROM c", "number of arguments"),
    ("SELECT * FROM c JOIN t IN c.tags", "single input set"),
    ("SELECT c.a, c.b AS a FROM c", "same name"),
    ("SELECT c.name, COUNT(1) FROM c", "GROUP BY clause"),
    ("SELECT * FROM c WHERE COUNT(1) > 1", "aggregate"),
    ("SELECT * FROM c ORDER BY c.age + 1", "ORDER BY item"),
    ("SELECT TOP 1.5 * FROM c", "whole number"),
    ("SELECT 'a FROM c", "incorrect syntax"),
]


@pytest.mark.parametrize("client", ["async"], indirect=True)
@pytest.mark.parametrize(("query", "message"), REFUSED)
async def test_wrong_query_is_refused_with_its_reason(container: Sdk, query: str, message: str) -> None:
    """query/select, query/keywords, query/group-by"""
    with pytest.raises(CosmosHttpResponseError, match=message) as caught:
        await container.query_items(query, partition_key="a")
    assert caught.value.status_code == 400
