import re

import pytest

from tests.end_to_end.conftest import Machine

pytestmark = [pytest.mark.xdist_group("demo"), pytest.mark.timeout(300)]


def test_the_demo_goes_from_nothing_to_an_answer(machine: Machine) -> None:
    found = machine.run("demo", "--once", "--trials", "8")
    assert found.returncode == 0, found.stderr
    assert f"Fallline at {machine.url}" in found.stdout
    assert "digits: 1,797 rows, 65 columns; classification of label" in found.stdout
    assert "Best configuration" in found.stdout
    assert re.search(r"8 trials in [0-9.]+ s", found.stdout)
    accuracy = re.search(r"accuracy ([0-9.]+)%", found.stdout)
    assert accuracy is not None
    assert float(accuracy[1]) > 90
    assert f"Dashboard (log in): {machine.url}/login?token=" in found.stdout
    assert f"{machine.url}/v1/docs" in found.stdout
    assert found.stderr == ""
