import contextlib
import os
import signal
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from service.engine import Abandoned, Engine
from service.ingest import read_upload, write_parquet
from service.processes import make_ready
from service.worker import Wave
from studies.data.schema import describe
from studies.resolve import resolve
from studies.run import run_study
from studies.search import Search
from studies.spec import StudySpec
from studies.wave import TrialResult, WaveTrial
from tests.service.journeys import SMALL, table, until

pytestmark = [pytest.mark.xdist_group("engine"), pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine(2) as opened:
        yield opened


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    (tmp_path / "table.csv").write_bytes(table())
    path = tmp_path / "table.parquet"
    write_parquet(read_upload(tmp_path / "table.csv").table, path)
    return path


def wave(dataset: Path, *, epochs: int = 2, stop: str = "stop", trials: int = 8) -> Wave:
    given = SMALL | {"budget": {"trials": trials, "epochs": epochs}, "sampler": "random"}
    table = read_upload(dataset.with_suffix(".csv")).table
    spec = resolve(StudySpec.model_validate(given), describe(table)).spec
    search = Search(spec)
    described = [
        WaveTrial(trial.number, search.space.configuration(trial.params), seed=0)
        for trial in search.ask(trials)
    ]
    return Wave(dataset, spec, described, 0, None, stop)


def results(found: list[TrialResult]) -> list[tuple[object, ...]]:
    return [(each.number, each.outcome, each.value, each.curve) for each in found]


def always() -> bool:
    return True


def descendants() -> list[psutil.Process]:
    found: list[psutil.Process] = psutil.Process().children(recursive=True)
    return found


def test_workers_train_waves(engine: Engine, dataset: Path) -> None:
    assert engine.slots == 2
    futures = [engine.submit(wave(dataset)) for _ in range(3)]
    first, *others = [results(future.result(always)) for future in futures]
    assert [number for number, *_ in first] == list(range(8))
    # The same wave is the same wave, on whichever worker.
    assert others == [first, first]


def test_waits_that_give_up_as_the_results_come_lose_none(
    engine: Engine, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.engine.POLL_SECONDS", 0.001)
    asked = wave(dataset, epochs=1, trials=1)
    for _ in range(100):
        (found,) = engine.submit(asked).result(always)
        assert found.outcome == "completed"


def test_workers_have_one_thread_and_keep_their_memory(engine: Engine) -> None:
    environments = engine._client.run(lambda: dict(os.environ))
    assert len(environments) == 2
    for found in environments.values():
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            assert found[name] == "1"
        # A larger threshold is one that glibc ignores.
        assert int(found["MALLOC_MMAP_THRESHOLD_"]) == 2**25
        assert int(found["MALLOC_TRIM_THRESHOLD_"]) > 2**30
        assert int(found["MALLOC_TOP_PAD_"]) >= 2**26
    for info in engine._client.scheduler_info()["workers"].values():
        assert info["nthreads"] == 1


def test_workers_never_open_the_database(engine: Engine, dataset: Path) -> None:
    engine.submit(wave(dataset)).result(always)

    def what_is_open() -> tuple[int, list[str]]:
        # By value: a worker that looked for it in this module would import what the module does.
        return os.getpid(), [file.path for file in psutil.Process().open_files()]

    for pid, files in engine._client.run(what_is_open).values():
        assert pid != os.getpid()
        assert [file for file in files if ".db" in file] == []


def listening() -> list[tuple[str, int]]:
    found = []
    for process in [psutil.Process(), *descendants()]:
        with contextlib.suppress(psutil.NoSuchProcess):
            found += [
                (each.laddr.ip, each.laddr.port)
                for each in process.net_connections(kind="inet")
                if each.status == psutil.CONN_LISTEN
            ]
    return found


def test_everything_listens_on_this_machine_only(engine: Engine) -> None:
    found = listening()
    assert len(found) >= 3  # scheduler and two workers
    assert {host for host, _ in found} == {"127.0.0.1"}


def cluster_ports(engine: Engine) -> list[int]:
    info = engine._client.scheduler_info()
    addresses = [info["address"], *info["workers"]]
    assert all(address.startswith("tls://127.0.0.1:") for address in addresses)
    return [int(address.rpartition(":")[2]) for address in addresses]


def test_who_speaks_plain_tcp_is_turned_away(engine: Engine) -> None:
    for port in cluster_ports(engine):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(b"\x00" * 64)
            with contextlib.suppress(ConnectionResetError):
                answer = connection.recv(4096)
                assert answer == b"" or answer[0] == 21  # nothing, or TLS's alert
                if answer:
                    assert connection.recv(4096) == b""


def test_who_has_no_certificate_is_turned_away(engine: Engine) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for port in cluster_ports(engine):
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as connection,
            pytest.raises((ssl.SSLError, ConnectionResetError)),
            context.wrap_socket(connection) as secured,
        ):
            # With TLS 1.3 a client hears of it at its first read.
            secured.recv(4096)


def test_a_wave_that_is_no_longer_wanted_is_given_up(engine: Engine, dataset: Path) -> None:
    future = engine.submit(wave(dataset, epochs=10_000, stop="given-up"))
    with pytest.raises(Abandoned):
        future.result(lambda: False)
    engine.stop("given-up")
    stopped = future.result(always)
    assert {each.outcome for each in stopped} <= {"stopped", "diverged"}
    assert "stopped" in {each.outcome for each in stopped}


def test_what_goes_wrong_in_a_wave_is_its_error(engine: Engine, dataset: Path) -> None:
    lost = Wave(dataset.with_name("lost"), wave(dataset).spec, [], 0, None, "stop")
    with pytest.raises(FileNotFoundError):
        engine.submit(lost).result(always)


def test_a_wave_whose_worker_died_is_trained_again(dataset: Path) -> None:
    make_ready()  # what workers are forked from is there for good
    before = {process.pid for process in descendants()}
    work = wave(dataset, epochs=400)
    with Engine(1) as engine:
        expected = results(engine.submit(work).result(always))
        future = engine.submit(work)
        (pid,) = engine._client.run(os.getpid).values()
        until(lambda: any(engine._client.processing().values()))
        os.kill(pid, signal.SIGKILL)
        assert results(future.result(always)) == expected
        (again,) = engine._client.run(os.getpid).values()
        assert again != pid
        engine.submit(wave(dataset, epochs=10_000))
    # Closed in the middle of a wave, the engine leaves no process behind. Python's own tracker
    # of shared resources lives on, one for all.
    left = [process for process in descendants() if process.pid not in before]
    assert [each for each in left if "resource_tracker" not in " ".join(each.cmdline())] == []


def test_a_study_on_the_engine_is_the_study_that_runs_alone(engine: Engine, dataset: Path) -> None:
    """Two waves in flight on two workers: whichever is faster, the study is the same."""
    spec = wave(dataset, trials=1).spec.model_copy(
        update={"budget": wave(dataset, trials=30).spec.budget, "sampler": "tpe"}
    )

    class Pending:
        def __init__(self, trials: list[WaveTrial], number: int) -> None:
            self.future = engine.submit(Wave(dataset, spec, trials, number, None, "stop"))

        def result(self) -> list[TrialResult]:
            return self.future.result(always)

    def study() -> list[tuple[object, ...]]:
        events = run_study(spec, lambda _, trials, number, __: Pending(trials, number), in_flight=2)
        return [
            (trial.number, trial.params, trial.values) for each in events for trial in each.trials
        ]

    assert study() == study()
