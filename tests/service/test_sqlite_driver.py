"""Which SQLite is used, and that no process has two of them at a database."""

import sqlite3
from pathlib import Path

import pytest

from service.database import Database
from service.sqlite_driver import choose, driver, is_mended


@pytest.mark.parametrize(
    ("version", "mended"),
    [
        ((3, 40, 1), False), ((3, 44, 5), False), ((3, 44, 6), True), ((3, 45, 0), False),
        ((3, 50, 6), False), ((3, 50, 7), True), ((3, 51, 2), False), ((3, 51, 3), True),
        ((3, 53, 4), True), ((4, 0, 0), True),
    ],
)  # fmt: skip
def test_the_fault_is_known_by_the_version(version: tuple[int, ...], mended: bool) -> None:
    assert is_mended(version) is mended


def test_pythons_own_is_used_unless_it_has_the_fault() -> None:
    assert choose((3, 51, 3)) is sqlite3
    newer = choose((3, 40, 1))
    assert newer is not sqlite3
    assert is_mended(newer.sqlite_version_info)
    assert is_mended(driver.sqlite_version_info)


def test_everything_at_a_database_uses_the_same(tmp_path: Path) -> None:
    query = "SELECT sqlite_version()"
    with Database(f"sqlite:///{tmp_path}/f.db") as database:
        with database.write() as connection:
            written = connection.exec_driver_sql(query).scalar_one()
        with database.read() as connection:
            read = connection.exec_driver_sql(query).scalar_one()
        assert database.read_only_options["module"] is driver
        reading = database.read_only_options["creator"]()
        shown = reading.execute(query).fetchone()[0]
        reading.close()
    assert {written, read, shown} == {driver.sqlite_version}
