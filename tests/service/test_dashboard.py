import socket
from pathlib import Path

import httpx
import optuna
import optuna_dashboard
import pytest
from optuna.storages import get_storage
from optuna.trial import TrialState

from service import dashboard
from tests.service.conftest import Live
from tests.service.databases import optunas_own
from tests.service.test_authorisation import bearer
from tests.service.test_problems import problem


def add_study(live: Live, name: str, trials: int) -> int:
    with optunas_own(live.services.database.url) as storage:
        study = optuna.create_study(storage=storage, study_name=name)
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=trials)
        return study._study_id


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("/dashboard", "text/html"),
        ("/dashboard/studies/1", "text/html"),
        ("/api/studies", "application/json"),
        ("/api/meta", "application/json"),
        ("/static/bundle.js", "text/javascript"),
    ],
)
def test_its_pages_are_answered_on_its_own_addresses(
    shared_live: Live, address: str, kind: str
) -> None:
    for method in ("GET", "HEAD"):
        answer = shared_live.client.request(method, address)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(kind)


def test_its_files_need_no_accept_encoding(shared_live: Live) -> None:
    with httpx.Client(headers=shared_live.client.headers) as client:
        del client.headers["Accept-Encoding"]
        address = shared_live.client.base_url.join("/static/bundle.js")
        assert client.get(address).status_code == 200


@pytest.mark.parametrize(
    "address",
    [
        "/dashboard", "/api/studies", "/api/studies/1", "/api/studies/1/rename",
        "/api/studies/1/note", "/api/trials/1/tell", "/api/trials/1/user-attrs",
        "/api/artifacts/1", "/api/llm/generate", "/csv/1", "/static/bundle.js",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_it_cannot_be_written_to(shared_live: Live, method: str, address: str) -> None:
    answer = shared_live.client.request(method, address)
    assert problem(answer)["status"] == 405
    assert answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "address",
    [
        "/artifacts/1/2", "/artifacts/1/2/3", "/api/artifacts/1", "/api/llm/query",
        "/incompatible-rdb-schema", "/sql-profiler",
    ],
)  # fmt: skip
def test_what_could_do_harm_is_not_there(shared_live: Live, address: str) -> None:
    assert problem(shared_live.client.get(address))["status"] == 404


def test_a_query_in_raw_bytes_is_refused(shared_live: Live) -> None:
    request = (
        "GET /api/studies?é HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Authorization: {shared_live.client.headers['Authorization']}\r\n\r\n"
    )
    address = ("127.0.0.1", shared_live.services.settings.port)
    with socket.create_connection(address) as connection:
        connection.sendall(request.encode())
        assert connection.makefile("rb").readline().split()[1] == b"400"


def test_its_page_has_a_way_back_and_is_as_it_was_otherwise(shared_live: Live) -> None:
    answer = shared_live.client.get("/dashboard")
    theirs = Path(optuna_dashboard.__file__).with_name("index.html").read_text()
    link, icon = '<a href="/"', '<link rel="icon"'
    kept = [line for line in answer.text.splitlines() if link not in line and icon not in line]
    assert [line for line in theirs.splitlines() if line.strip() not in {"</head>", "<body>"}] == [
        line for line in kept if line.strip() not in {"</head>", "<body>"}
    ]
    assert answer.text.count(link) == 1
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert link not in shared_live.client.get("/static/bundle.js").text


def test_who_is_no_administrator_is_told_so_on_a_page(shared_live: Live) -> None:
    headers = bearer(shared_live, owner="ann") | {"Accept": "text/html"}
    answer = shared_live.anonymous.get("/dashboard", headers=headers)
    assert answer.status_code == 403
    assert "it is for administrators" in answer.text
    assert 'href="/jobs"' in answer.text
    assert 'href="/dashboard"' not in answer.text


def test_it_shows_what_is_in_the_database(shared_live: Live) -> None:
    number = add_study(shared_live, "irises", trials=3)
    listed = shared_live.client.get("/api/studies").json()["study_summaries"]
    assert "irises" in [study["study_name"] for study in listed]
    detail = shared_live.client.get(f"/api/studies/{number}").json()
    assert [trial["number"] for trial in detail["trials"]] == [0, 1, 2]
    assert shared_live.client.get(f"/csv/{number}").text.count("COMPLETE") == 3


def test_trials_are_as_optuna_reads_them_but_for_the_curves_of_late_ones(
    shared_live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboard, "CURVES", 2)

    def train(trial: optuna.Trial) -> float:
        trial.report(1.0, 0)
        return trial.suggest_float("x", 0, 1)

    shown = dashboard._Storage(shared_live.services.database)
    with optunas_own(shared_live.services.database.url) as storage:
        study = optuna.create_study(storage=storage, study_name="curves")
        study.optimize(train, n_trials=2)
        under_way = study.ask()
        cached = get_storage(shown)
        assert len(cached.get_all_trials(study._study_id)) == 3
        study.tell(under_way, state=TrialState.FAIL)
        study.optimize(train, n_trials=2)
        for found in (shown, cached):
            pairs = zip(found.get_all_trials(study._study_id), study.trials, strict=True)
            for ours, theirs in pairs:
                assert len(ours.intermediate_values) == (ours.number < 2)
                theirs.intermediate_values = ours.intermediate_values
                assert ours == theirs
        failed = shown.get_all_trials(study._study_id, states=[TrialState.FAIL])
        assert [trial.number for trial in failed] == [2]
        with pytest.raises(KeyError):
            shown.get_all_trials(10_000)
    shown.engine.dispose()


def test_a_deleted_study_is_forgotten(shared_live: Live) -> None:
    client, services = shared_live.client, shared_live.services
    first = add_study(shared_live, "first", trials=3)
    assert len(client.get(f"/api/studies/{first}").json()["trials"]) == 3
    with optunas_own(services.database.url) as storage:
        optuna.delete_study(storage=storage, study_name="first")
    services.dashboard.forget_deleted()
    second = add_study(shared_live, "second", trials=1)
    assert second == first  # SQLite gives the number out again
    assert len(client.get(f"/api/studies/{second}").json()["trials"]) == 1


def test_its_handle_refuses_to_write(shared_live: Live) -> None:
    storage = shared_live.services.dashboard._storage
    with pytest.raises(optuna.exceptions.StorageInternalError):
        storage.create_new_study([optuna.study.StudyDirection.MINIMIZE], "by the back door")
