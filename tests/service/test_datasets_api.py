import hashlib
import io
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from service import tokens
from service.client import MEDIA_TYPES
from service.sqlite_driver import driver
from tests import datasets as tables
from tests.service.conftest import Live, live_server
from tests.service.databases import file_of
from tests.service.ingest.hostile import corpus
from tests.service.journeys import contents, table, until, upload, walk
from tests.service.test_problems import problem

pytestmark = [pytest.mark.xdist_group("datasets_api"), pytest.mark.timeout(300)]

LIMIT = 200_000
GIGABYTES = 2 * 1024**3


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server that takes small uploads only."""
    home = tmp_path_factory.mktemp("datasets") / "home"
    with live_server(home, max_upload_bytes=LIMIT) as running:
        yield running


@pytest.fixture
def unchanged(live: Live) -> Iterator[None]:
    """Sees that nothing is left of what the test sends."""
    before = contents(live.services)
    yield
    assert contents(live.services) == before


def send(live: Live, content: bytes, **more: Any) -> httpx.Response:
    params = {"name": "table"} | more.pop("params", {})
    headers = {"Content-Type": "text/csv"} | more.pop("headers", {})
    return live.client.post("/v1/datasets", params=params, content=content, headers=headers, **more)


def test_an_upload_is_described(live: Live, tmp_path: Any) -> None:
    file = tables.wine(tmp_path / "wine.csv", imperfect=True)
    dataset = upload(live.client, file, name="My wine-2.csv", target="target")
    assert (dataset["name"], dataset["rows"], dataset["target"]) == ("My wine-2.csv", 178, "target")
    kinds = {column["name"]: column["kind"] for column in dataset["columns"]}
    assert list(kinds) == file.read_text().partition("\n")[0].split(",")
    assert (kinds["region"], kinds["remark"]) == ("categorical", "categorical")
    assert kinds["alcohol"] == "numeric"
    missing = {c["name"]: c["missing"] for c in dataset["columns"] if c["missing"]}
    assert missing == {"alcohol": 1, "target": 1}
    stored = live.services.store.path(dataset["digest"]).read_bytes()
    assert hashlib.sha256(stored).hexdigest() == dataset["digest"]
    assert len(stored) == dataset["bytes"]
    assert live.client.get(f"/v1/datasets/{dataset['id']}").json() == dataset


def test_equal_tables_share_their_bytes(live: Live) -> None:
    first = upload(live.client, table(), name="one")
    files = contents(live.services)["files"]
    second = upload(live.client, table().replace(b"\n", b"\r\n"), name="two")
    assert second["digest"] == first["digest"]
    assert second["id"] != first["id"]
    assert contents(live.services)["files"] == files


def test_columns_without_use_are_warned_about(live: Live) -> None:
    rows = b"".join(b"%d.5,,same,%d\n" % (row % 7, row % 3) for row in range(60))
    dataset = upload(live.client, b"size,nothing,constant,kind\n" + rows)
    left_out = {column["name"]: column["left_out"] for column in dataset["columns"]}
    assert left_out == {"size": None, "nothing": "empty", "constant": "constant", "kind": None}
    (empty,) = [warning for warning in dataset["warnings"] if "'nothing'" in warning]
    assert "has no values" in empty


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (b"", "the file is empty"),
        (b"\n\n\n", "the file is empty"),
        (b"size,kind\n", "a header of 2 columns and no rows"),
        (b"1,2\n3,4\n", "has no header"),
        (b"size,size\n1,2\n", "same name"),
        (b"size,kind\n1,2\n3\n", "line 3 has 1 values; the header has 2 columns"),
        (b"size,kind\n1,2\n\n3,4,5\n", "line 4 has 3 values; the header has 2 columns"),
        (b"size,kind\n1,2\n3,\0\n", "line 3 of the file holds a NUL byte"),
        (b"size,kind\n1,\xc3\xa9\n3,\xff\n", "line 3 of the file is not UTF-8"),
        (b'size,kind\n1,"2\n3,4\n', "line 2"),
        (b"PK\x03\x04\x00\x00", "NUL byte"),
    ],
)
@pytest.mark.usefixtures("unchanged")
def test_what_is_no_table_is_refused(live: Live, content: bytes, detail: str) -> None:
    body = problem(send(live, content))
    assert (body["status"], body["type"]) == (422, "/problems/invalid")
    assert body["field"] == "file"
    assert detail in body["detail"]
    assert body["value"]
    assert body["allowed"]


@pytest.mark.usefixtures("unchanged")
def test_a_target_that_is_no_column_is_refused_with_the_nearest(live: Live) -> None:
    body = problem(send(live, table(), params={"target": "knid"}))
    assert (body["status"], body["field"], body["value"]) == (422, "target", "knid")
    assert body["allowed"] == ["size", "weight", "kind"]
    assert "Did you mean 'kind'?" in body["detail"]


@pytest.mark.parametrize(
    "name", ["", " x", "../x", "a/b", "a\nb", "a\0", "-x", "x" * 65, "a;b", "<b>"]
)
@pytest.mark.usefixtures("unchanged")
def test_a_bad_name_is_refused(live: Live, name: str) -> None:
    body = problem(send(live, table(), params={"name": name}))
    assert (body["status"], body["field"]) == (422, "name")
    assert body["errors"][0]["field"] == "name"


@pytest.mark.usefixtures("unchanged")
def test_a_name_is_needed(live: Live) -> None:
    answer = live.client.post("/v1/datasets", content=table(), headers={"Content-Type": "text/csv"})
    body = problem(answer)
    assert (body["status"], body["field"]) == (422, "name")


@pytest.mark.parametrize(
    ("headers", "field", "value"),
    [
        ({"Content-Encoding": "gzip"}, "Content-Encoding", "gzip"),
        ({"Content-Encoding": "br, gzip"}, "Content-Encoding", "br, gzip"),
        ({"Content-Type": "application/json"}, "Content-Type", "application/json"),
        ({"Content-Type": "text/html; charset=utf-8"}, "Content-Type", "text/html"),
        ({"Content-Type": "multipart/form-data"}, "Content-Type", "multipart/form-data"),
    ],
)
@pytest.mark.usefixtures("unchanged")
def test_a_body_of_another_kind_is_refused(
    live: Live, headers: dict[str, str], field: str, value: str
) -> None:
    body = problem(send(live, table(), headers=headers))
    assert (body["status"], body["field"], body["value"]) == (415, field, value)
    assert body["type"] == "/problems/unsupported-media"
    assert body["allowed"]


@pytest.mark.parametrize("said", [True, False])
@pytest.mark.parametrize("form", ["tsv", "parquet", "npz"])
def test_tables_come_in_many_forms(live: Live, tmp_path: Path, form: str, said: bool) -> None:
    """The content says what it is where the type does not; and all can be had as CSV."""
    frame = pd.DataFrame({"size": np.arange(60) / 4, "kind": ["a", "b", "c"] * 20})
    path = tmp_path / f"upload.{form}"
    if form == "tsv":
        frame.to_csv(path, sep="\t", index=False)
    elif form == "parquet":
        frame.to_parquet(path)
    else:
        np.savez(path, size=frame["size"].to_numpy(), kind=frame["kind"].to_numpy(str))
    kind = MEDIA_TYPES[path.suffix] if said else "application/octet-stream"
    headers = {"Content-Type": kind}
    dataset = send(live, path.read_bytes(), headers=headers).json()
    assert dataset["format"]["kind"] == ("text" if form == "tsv" else form)
    assert dataset["format"].get("delimiter") == ("\t" if form == "tsv" else None)
    assert [(c["name"], c["kind"]) for c in dataset["columns"]] == [
        ("size", "numeric"), ("kind", "categorical"),
    ]  # fmt: skip
    text = live.client.get(f"/v1/datasets/{dataset['id']}/csv")
    assert text.headers["content-type"].startswith("text/csv")
    assert pd.read_csv(io.BytesIO(text.content)).equals(frame)


def test_what_was_guessed_of_a_file_is_told(live: Live) -> None:
    dataset = upload(live.client, "größe;art\n1,5;ä\n2,5;ö\n".encode("cp1252"))
    assert dataset["format"] == {
        "kind": "text", "encoding": "cp1252", "delimiter": ";", "decimal_commas": ["größe"],
    }  # fmt: skip
    assert any("read as cp1252" in warning for warning in dataset["warnings"])


def test_what_is_said_of_a_file_is_believed(live: Live) -> None:
    content = 'größe,art;x,y\n"1,5",ä;1,1\n"2,5",ö;2,2\n'.encode("cp1250")
    usual = send(live, content, params={"encoding": "cp1250"}).json()
    assert usual["format"]["decimal_commas"] == []
    assert not any("read as" in warning for warning in usual["warnings"])
    said = {"encoding": "cp1250", "delimiter": ",", "decimal": ","}
    assert send(live, content, params=said).json()["format"] == {
        "kind": "text", "encoding": "cp1250", "delimiter": ",", "decimal_commas": ["größe"],
    }  # fmt: skip
    plain = send(live, b"a;b\n1,5;x\n2,5;y\n", params={"decimal": "."}).json()
    assert [column["kind"] for column in plain["columns"]] == ["categorical", "categorical"]


@pytest.mark.parametrize(
    ("content", "params", "field", "detail"),
    [
        (table(), {"encoding": "latin-9"}, "query.encoding", "'utf-8', 'utf-16', 'cp1250'"),
        (table(), {"decimal": ";"}, "query.decimal", "'.' or ','"),
        ("größe,b\n1,2\n".encode("cp1252"), {"encoding": "utf-8"}, "file", "is no text in utf-8"),
        (b"a,b\n1,2\n", {"encoding": "utf-16"}, "file", "is no text in utf-16"),
        (b"PAR1", {"delimiter": ";"}, "file", "delimiter can be said of a text file alone"),
    ],
)
@pytest.mark.usefixtures("unchanged")
def test_what_cannot_be_said_of_a_file_is_refused(
    live: Live, content: bytes, params: dict[str, str], field: str, detail: str
) -> None:
    headers = {"Content-Type": "application/octet-stream"}
    body = problem(send(live, content, params=params, headers=headers))
    assert body["status"] == 422
    assert body["field"].removeprefix("query.") == field.removeprefix("query.")
    assert detail in body["detail"] + str(body.get("allowed"))


@pytest.fixture(scope="module")
def hostile_live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server that takes larger uploads too."""
    with live_server(tmp_path_factory.mktemp("hostile") / "home") as running:
        yield running


def test_files_that_mean_harm_are_refused(hostile_live: Live, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    before = contents(hostile_live.services)
    for name, (kind, content) in corpus(canary).items():
        body = problem(send(hostile_live, content, headers={"Content-Type": kind}))
        assert (body["status"], body["field"]) == (422, "file"), name
        assert contents(hostile_live.services) == before, name
        assert not canary.exists(), name
    assert hostile_live.client.get("/v1/datasets").status_code == 200


@pytest.mark.parametrize("kind", ["application/vnd.apache.parquet", "application/x-npz"])
@pytest.mark.usefixtures("unchanged")
def test_a_file_that_is_not_what_it_says_is_refused(live: Live, kind: str) -> None:
    body = problem(send(live, table(), headers={"Content-Type": kind}))
    assert (body["status"], body["field"]) == (422, "file")
    assert "cannot be read as" in body["detail"]


@pytest.mark.parametrize(
    "kind", ["text/csv; charset=utf-8", "TEXT/CSV", "application/octet-stream"]
)
def test_usual_names_of_csv_are_accepted(live: Live, kind: str) -> None:
    assert send(live, table(), headers={"Content-Type": kind}).status_code == 201


@contextmanager
def opened(live: Live, *headers: str) -> Iterator[socket.socket]:
    """An upload of which nothing but the head is sent."""
    head = [
        "POST /v1/datasets?name=large HTTP/1.1",
        f"Host: 127.0.0.1:{live.services.settings.port}",
        f"Authorization: Bearer {live.services.token.get_secret_value()}",
        "Content-Type: text/csv",
        *headers,
    ]
    address = ("127.0.0.1", live.services.settings.port)
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall("\r\n".join([*head, "", ""]).encode())
        yield connection


def refused(live: Live, *headers: str) -> bytes:
    """The whole answer to such an upload."""
    answer = b""
    with opened(live, *headers) as connection:
        while part := connection.recv(65_536):
            answer += part
    return answer


@pytest.mark.parametrize("size", [LIMIT + 1, GIGABYTES])
@pytest.mark.usefixtures("unchanged")
def test_a_size_above_the_limit_is_refused_before_the_body_is_sent(live: Live, size: int) -> None:
    answer = refused(live, f"Content-Length: {size}")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"type": "/problems/too-large"' in answer
    assert b"connection: close" in answer.lower()
    assert f'"value": {size}'.encode() in answer
    assert f"at most {LIMIT} bytes".encode() in answer


@pytest.mark.parametrize("size", ["-1", "1e9", "12 34", "9" * 30])
@pytest.mark.usefixtures("unchanged")
def test_a_size_that_is_no_number_is_refused(live: Live, size: str) -> None:
    status = refused(live, f"Content-Length: {size}").split(b" ")[1]
    assert status in {b"400", b"413", b"422"}


@pytest.mark.usefixtures("unchanged")
def test_a_body_above_the_limit_is_refused_if_its_size_was_not_told(live: Live) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        yield b"size,kind\n"
        while sent < 100 * LIMIT:
            sent += 20_000
            yield b"1,2\n" * 5000

    answer = live.client.post(
        "/v1/datasets",
        params={"name": "large"},
        content=endless(),
        headers={"Content-Type": "text/csv"},
    )
    body = problem(answer)
    assert (body["status"], body["type"], body["field"]) == (413, "/problems/too-large", "body")
    assert LIMIT < body["value"] < 5 * LIMIT


def test_an_upload_that_breaks_off_leaves_nothing(live: Live) -> None:
    before = contents(live.services)

    def unfinished() -> bool:
        return contents(live.services)["files"] != before["files"]

    with opened(live, f"Content-Length: {len(table()) + 10}") as connection:
        connection.sendall(table())
        until(unfinished)
    until(lambda: not unfinished())
    assert contents(live.services) == before


def test_a_body_up_to_the_limit_is_accepted(live: Live) -> None:
    content = table()
    content += b"1.5,2,a\n" * ((LIMIT - len(content)) // 8)
    assert LIMIT - 8 < len(content) <= LIMIT
    assert send(live, content).status_code == 201


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 400),
        ({"Authorization": "Bearer fall_wrong"}, 401),
        ({"Authorization": ""}, 401),
    ],
)
@pytest.mark.usefixtures("unchanged")
def test_strangers_are_refused(live: Live, headers: dict[str, str], status: int) -> None:
    assert problem(send(live, table(), headers=headers))["status"] == status


def test_a_list_walks_every_dataset_once_newest_first(live: Live) -> None:
    made = [upload(live.client, table(), name=f"page {number}")["id"] for number in range(5)]
    everything = walk(live.client, "/v1/datasets")
    ids = [dataset["id"] for dataset in everything]
    assert ids[:5] == made[::-1]
    assert len(set(ids)) == len(ids)
    for limit in (1, 2, 1000):
        assert walk(live.client, "/v1/datasets", limit=limit) == everything


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 1001}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"cursor": "zzz"}, "cursor"),
        ({"cursor": ""}, "cursor"),
        ({"cursor": "'; DROP TABLE datasets; --"}, "cursor"),
    ],
)
@pytest.mark.usefixtures("unchanged")
def test_a_bad_page_is_refused(live: Live, params: dict[str, Any], field: str) -> None:
    body = problem(live.client.get("/v1/datasets", params=params))
    assert (body["status"], body["field"]) == (422, field)
    assert body["value"] == str(params[field])
    assert body["allowed"]


@pytest.mark.parametrize("dataset", ["nothing", "0" * 36, "..%2Ftoken", "%00", "é"])
def test_an_unknown_dataset_is_not_found(live: Live, dataset: str) -> None:
    body = problem(live.client.get(f"/v1/datasets/{dataset}"))
    assert (body["status"], body["type"]) == (404, "/problems/not-found")


def test_datasets_of_others_are_not_found(live: Live) -> None:
    mine = upload(live.client, table())["id"]
    with live.services.database.write() as connection:
        token = tokens.create(connection, owner="ann", name="test", scopes=["read", "submit"]).token
    headers = {"Authorization": f"Bearer {token}"}
    assert live.anonymous.get(f"/v1/datasets/{mine}", headers=headers).status_code == 404
    assert live.anonymous.get("/v1/datasets", headers=headers).json() == {"items": [], "next": None}


def test_an_upload_that_cannot_be_recorded_leaves_no_row(live: Live) -> None:
    with driver.connect(file_of(live.services.database)) as connection:
        connection.execute(
            "CREATE TRIGGER full BEFORE INSERT ON datasets "
            "BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        )
    connection.close()
    try:
        before = contents(live.services)
        assert problem(send(live, table(61)))["status"] == 500
        after = contents(live.services)
    finally:
        with driver.connect(file_of(live.services.database)) as connection:
            connection.execute("DROP TRIGGER full")
        connection.close()
    assert {name: n for name, n in after.items() if name != "files"} == {
        name: n for name, n in before.items() if name != "files"
    }
    assert send(live, table(61)).status_code == 201
