import os
import shutil
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.exc import DBAPIError

from service.database import Database
from service.errors import DatabaseAway, DatabaseInUse, DatabaseUnusable, OutOfSpace
from service.sqlite import LOG_BYTES
from service.sqlite_driver import driver
from service.tables import datasets
from tests.service.databases import file_of
from tests.service.test_tables import DATASET


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.both_databases
def test_what_is_written_is_read(database: Database) -> None:
    with database.write() as connection:
        connection.execute(insert(datasets).values(DATASET))
    with database.read() as connection:
        assert connection.execute(select(datasets.c.name)).scalar_one() == "iris"


@pytest.mark.both_databases
def test_an_exception_undoes_the_whole_transaction(database: Database) -> None:
    def fail_half_way() -> None:
        with database.write() as connection:
            connection.execute(insert(datasets).values(DATASET))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    with database.read() as connection:
        assert connection.execute(select(datasets)).all() == []


@pytest.mark.both_databases
def test_a_reader_cannot_write(database: Database) -> None:
    refused = pytest.raises(DBAPIError, match=r"readonly|read-only")
    with refused, database.read() as connection:
        connection.execute(insert(datasets).values(DATASET))


@pytest.mark.both_databases
def test_a_reader_sees_one_state_while_the_writer_commits(database: Database) -> None:
    with database.read() as reader:
        assert reader.execute(select(datasets)).all() == []
        with database.write() as writer:
            writer.execute(insert(datasets).values(DATASET))
        assert reader.execute(select(datasets)).all() == []


@pytest.mark.both_databases
def test_read_then_write_never_loses_an_update(database: Database) -> None:
    with database.write() as connection:
        connection.execute(insert(datasets).values(DATASET | {"rows": 0}))

    def add_fifty() -> None:
        for _ in range(50):
            with database.write() as connection:
                rows = connection.execute(select(datasets.c.rows)).scalar_one()
                connection.execute(update(datasets).values(rows=rows + 1))

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(add_fifty) for _ in range(4)]:
            done.result()
    with database.read() as connection:
        assert connection.execute(select(datasets.c.rows)).scalar_one() == 200


def test_sqlite_is_set_up_for_one_writer_and_many_readers(tmp_path: Path) -> None:
    with Database(f"sqlite:///{tmp_path}/f.db", synchronous="full") as database:
        for opened, pages in ((database.write, 1000), (database.read, 0)):
            with opened() as connection:
                found = {
                    name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
                    for name in ("journal_mode", "synchronous", "foreign_keys")
                }
                automatic = connection.exec_driver_sql("PRAGMA wal_autocheckpoint").scalar_one()
            assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
            assert automatic == pages


def test_a_full_disk_costs_only_the_transaction_that_met_it(database: Database) -> None:
    def limit(pages: int) -> None:
        with database.write() as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    limit(1)  # as many as there are, that is
    large = DATASET | {"name": "x" * 100_000}
    with pytest.raises(OutOfSpace, match="full"), database.write() as connection:
        connection.execute(insert(datasets).values(large))
    with database.read() as connection:
        assert connection.execute(select(datasets)).all() == []
    limit(1_000_000)
    with database.write() as connection:
        connection.execute(insert(datasets).values(large))


def test_a_database_that_others_hold_is_away_as_long_as_they_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.sqlite.BUSY_TIMEOUT_SECONDS", 0)
    with Database(f"sqlite:///{tmp_path}/f.db") as database:
        other = driver.connect(file_of(database), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseAway, match="busy"), database.write():
            pass
        other.execute("ROLLBACK")
        other.close()
        with database.write() as connection:
            connection.execute(insert(datasets).values(DATASET))


def test_the_log_is_cut_back_when_a_long_read_has_ended(database: Database) -> None:
    file = file_of(database)
    log = file.with_name(f"{file.name}-wal")

    def write(count: int) -> None:
        for number in range(count):
            with database.write() as connection:
                row = DATASET | {"id": f"{number}-{count}", "name": "x" * 5_000_000}
                connection.execute(insert(datasets).values(row))

    with database.read() as connection:
        connection.execute(select(datasets)).all()
        write(20)
        assert log.stat().st_size > 90e6
    write(2)
    assert log.stat().st_size <= LOG_BYTES


def test_a_file_that_broke_while_its_server_died_is_refused_untouched(tmp_path: Path) -> None:
    with Database(f"sqlite:///{tmp_path}/home/f.db") as database:
        with database.write() as connection:
            connection.execute(insert(datasets).values(DATASET))
        copied = tmp_path / "copied"  # as a server that was killed leaves it
        shutil.copytree(tmp_path / "home", copied)
    with Database(f"sqlite:///{copied}/f.db") as database, database.read() as connection:
        assert connection.execute(select(datasets.c.name)).scalar_one() == "iris"
    shutil.copy(tmp_path / "home" / "f.db", copied / "f.db")
    content = bytearray((copied / "f.db").read_bytes())
    content[8192:40960] = b"\xff" * 32768
    (copied / "f.db").write_bytes(content)
    (copied / "f.db-wal").touch()
    with pytest.raises(DatabaseUnusable, match=r"is broken \(.*fallline restore"):
        Database(f"sqlite:///{copied}/f.db")
    assert (copied / "f.db").read_bytes() == content


def test_only_the_owner_can_read_the_files(tmp_path: Path) -> None:
    home = tmp_path / "home"
    before = os.umask(0)
    try:
        with Database(f"sqlite:///{home}/fallline.db") as database:
            with database.write() as connection:
                connection.execute(insert(datasets).values(DATASET))
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in home.iterdir()}
    finally:
        os.umask(before)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert modes.keys() == {
        "fallline.db", "fallline.db-shm", "fallline.db-wal", "fallline.db.lock",
    }  # fmt: skip
    assert set(modes.values()) == {0o600}


def test_a_second_server_is_refused_and_changes_nothing(database: Database) -> None:
    second = run(f"from service.database import Database; Database({database.url!r})")
    assert second.returncode != 0
    last_line = second.stderr.strip().splitlines()[-1]
    assert last_line.startswith("service.errors.DatabaseInUse: Another server")
    assert f"(process {os.getpid()})" in last_line
    with pytest.raises(DatabaseInUse, match=f"process {os.getpid()}"):
        Database(database.url)
    with database.write() as connection:
        connection.execute(insert(datasets).values(DATASET))


def test_a_killed_server_leaves_its_commits_and_no_lock(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/f.db"
    killed = run(
        "import os\n"
        "from sqlalchemy import insert\n"
        "from service.database import Database\n"
        "from service.tables import datasets\n"
        "from tests.service.test_tables import DATASET\n"
        f"with Database({url!r}).write() as connection:\n"
        "    connection.execute(insert(datasets).values(DATASET))\n"
        "os._exit(137)\n"
    )
    assert killed.returncode == 137, killed.stderr
    with Database(url) as database, database.read() as connection:
        assert connection.execute(select(datasets.c.name)).scalar_one() == "iris"


def test_a_file_that_is_no_database_is_refused_untouched(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_bytes(b"These are my notes. " * 100)
    mode = file.stat().st_mode
    with pytest.raises(DatabaseUnusable, match="file is not a database"):
        Database(f"sqlite:///{file}")
    assert file.read_bytes() == b"These are my notes. " * 100
    assert file.stat().st_mode == mode


@pytest.mark.parametrize("folder", ["file/below", "/proc/fallline"])
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / folder / "fallline.db"
    with pytest.raises(DatabaseUnusable, match="Cannot write") as refused:
        Database(f"sqlite:///{path}")
    assert str(path) in str(refused.value)


def test_a_refused_file_can_be_opened_by_someone_else(tmp_path: Path) -> None:
    file = tmp_path / "f.db"
    file.write_bytes(b"no database" * 1000)
    with pytest.raises(DatabaseUnusable):
        Database(f"sqlite:///{file}")
    file.unlink()
    with Database(f"sqlite:///{file}"):
        assert driver.connect(file).execute("SELECT count(*) FROM jobs").fetchone() == (0,)
