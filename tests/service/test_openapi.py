"""The document describes every operation whole: what it takes, what it answers, how it refuses."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from service.ingest import TYPES
from tests.service.conftest import Live
from tests.service.journeys import Json
from tests.service.test_problems import OWN, problem

pytestmark = pytest.mark.xdist_group("shared_live")

METHODS = {"get", "post", "put", "patch", "delete", "head", "options", "trace"}
EVERY = {"400", "500", "503"}
BEHIND_A_LOGIN = EVERY | {"401", "422"}
CHANGING = BEHIND_A_LOGIN | {"403", "507"}


@pytest.fixture(scope="module")
def document(shared_live: Live) -> Json:
    found: Json = shared_live.client.get("/v1/openapi.json").json()
    return found


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, item in document["paths"].items():
        for method in METHODS & item.keys():
            yield method, path, item[method]


def resolved(document: Json, node: Any) -> Any:
    """A part of the document, behind its reference if it is one."""
    while isinstance(node, dict) and "$ref" in node:
        found: Any = document
        for step in node["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        node = found
    return node


def texts(node: Any, key: str) -> Iterator[str]:
    """Those that stand under a key, wherever."""
    if isinstance(node, dict):
        if isinstance(node.get(key), str):
            yield node[key]
        for each in node.values():
            yield from texts(each, key)
    elif isinstance(node, list):
        for each in node:
            yield from texts(each, key)


def test_every_operation_says_what_it_does(document: Json) -> None:
    seen, names, summaries = 0, set(), set()
    for method, path, operation in operations(document):
        assert len(operation["summary"].split()) >= 4, (method, path)
        assert "\n" not in operation["summary"]
        assert operation.get("description", "text").strip()
        names.add(operation["operationId"])
        summaries.add(operation["summary"])
        seen += 1
    assert seen == len(names) == len(summaries) >= 30


def test_every_parameter_is_described_and_bounded_by_a_schema(document: Json) -> None:
    for method, path, operation in operations(document):
        declared = {
            each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"
        }
        assert declared == set(re.findall(r"{(\w+)}", path))
        for parameter in operation.get("parameters", ()):
            assert len(parameter["description"].split()) >= 3, (method, path, parameter["name"])
            assert parameter["schema"], (method, path, parameter["name"])


def test_every_body_has_a_schema_and_an_example(document: Json) -> None:
    bodies = 0
    for method, path, operation in operations(document):
        if method == "get":
            assert "requestBody" not in operation
        if "requestBody" not in operation:
            continue
        bodies += 1
        assert operation["requestBody"]["required"]
        contents = operation["requestBody"]["content"]
        assert all(each["schema"] for each in contents.values())
        shown = []
        for each in contents.values():
            forms = each["schema"].get("oneOf", [each["schema"]])
            has_each = all(resolved(document, form).get("examples") for form in forms)
            shown.append("example" in each or has_each)
        assert any(shown), (method, path)
    assert bodies >= 4


def test_the_upload_names_every_type_that_it_reads(document: Json) -> None:
    content = document["paths"]["/v1/datasets"]["post"]["requestBody"]["content"]
    assert content.keys() == {*TYPES, "application/octet-stream"}
    assert all(each["schema"]["type"] == "string" for each in content.values())


def test_every_answer_has_a_schema_and_its_headers(document: Json) -> None:
    for method, path, operation in operations(document):
        good = {status for status in operation["responses"] if int(status) < 400}
        assert len(good) == 1, (method, path)
        (status,) = good
        answer = operation["responses"][status]
        assert answer["description"]
        assert "X-Request-ID" in answer["headers"]
        if status == "204":
            assert "content" not in answer
            continue
        assert answer["content"], (method, path)
        for media_type, content in answer["content"].items():
            assert content.get("schema"), (method, path, media_type)
        if any(each["name"] == "idempotency-key" for each in operation.get("parameters", ())):
            assert "Idempotent-Replayed" in answer["headers"]


def test_every_operation_lists_the_errors_that_it_can_answer(document: Json) -> None:
    for method, path, operation in operations(document):
        errors = {status for status in operation["responses"] if int(status) >= 400}
        needed = set(EVERY)
        if "security" in operation:
            needed |= BEHIND_A_LOGIN if method == "get" else CHANGING
        if "{" in path:
            needed.add("404")
        if "requestBody" in operation:
            needed |= {"413", "415"}
        if method in {"patch", "delete"}:
            needed.add("409")
        assert errors >= needed, (method, path, needed - errors)
        assert list(operation["responses"]) == sorted(operation["responses"])
        for status in errors:
            answer = resolved(document, operation["responses"][status])
            assert answer["content"].keys() == {"application/problem+json"}
            schema = answer["content"]["application/problem+json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/Problem"}
            assert ("Retry-After" in answer["headers"]) == (status in {"429", "503"})
            assert ("WWW-Authenticate" in answer["headers"]) == (status == "401")


def test_each_kind_of_error_is_described_once(document: Json) -> None:
    kinds = {kind.__name__ for kind in OWN}
    assert document["components"]["responses"].keys() == kinds


def test_all_but_the_health_is_behind_the_one_scheme(document: Json) -> None:
    (scheme,) = document["components"]["securitySchemes"].values()
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert scheme["description"]
    open_to_all = {path for _, path, each in operations(document) if not each.get("security")}
    assert open_to_all == {"/healthz", "/readyz"}


def test_a_pattern_means_to_its_readers_what_it_means_to_the_server(
    document: Json, shared_live: Live
) -> None:
    # By ECMA 262, which schemas go by, these are ASCII alone; to the server they are not.
    found = set(texts(document, "pattern"))
    assert len(found) > 5
    assert [each for each in found if re.search(r"\\[wdsb]", each, re.IGNORECASE)] == []
    body = {"name": "Zoës Gerät", "owner": "튼튼"}
    assert shared_live.client.post("/v1/tokens", json=body).status_code == 201
    assert shared_live.client.get("/v1/tokens", params={"owner": "튼튼"}).json()["items"]


def test_nothing_points_nowhere_and_nothing_is_left_over(document: Json) -> None:
    used = set(texts(document, "$ref"))
    for reference in used:
        assert resolved(document, {"$ref": reference}) is not None
    schemas = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert schemas <= used


def test_a_parameter_that_is_not_known_is_refused_everywhere(
    shared_live: Live, document: Json
) -> None:
    addresses = {path for path in document["paths"] if path.startswith("/v1/")}
    for path in addresses | {"/v1/openapi.json", "/v1/docs"}:
        methods = METHODS & document["paths"].get(path, {"get": {}}).keys()
        for method in methods:
            operation = document["paths"].get(path, {}).get(method, {})
            answer = shared_live.client.request(
                method,
                re.sub(r"{\w+}", "1", path),
                params={"colour": "blue"},
                json={} if "requestBody" in operation else None,
            )
            body = problem(answer)
            assert (body["status"], body["field"], body["value"]) == (422, "colour", "blue")
            known = [
                each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"
            ]
            assert body["allowed"] == (sorted(known) or "no query parameters")


def test_a_parameter_may_be_given_once_unless_it_is_a_list(shared_live: Live) -> None:
    body = problem(shared_live.client.get("/v1/jobs?limit=1&limit=2"))
    assert (body["status"], body["field"], body["value"]) == (422, "limit", ["1", "2"])
    assert shared_live.client.get("/v1/jobs?state=queued&state=running").status_code == 200


@pytest.mark.parametrize(
    "declared", ["text/plain", "multipart/form-data; boundary=x", "nothing", ""]
)
def test_a_body_that_is_not_json_is_refused_by_its_type(shared_live: Live, declared: str) -> None:
    answer = shared_live.client.post(
        "/v1/jobs", content=b'{"dataset": "x"}', headers={"Content-Type": declared}
    )
    body = problem(answer)
    assert (body["status"], body["field"], body["value"]) == (415, "Content-Type", declared)
    assert body["allowed"] == "application/json"
